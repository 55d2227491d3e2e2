"""The secrets: one for the certificate, one for the ACME accounts.

Their names are generated under a fixed prefix, so that `up` after `destroy` never meets a name that AWS still
holds for its recovery window. They are made without a value: the renewer writes the first.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True)
class SecretsArgs:
    """What to keep.

    Attributes:
        prefix: first part of the secrets' names, `synology-https/<stack>`.
        certificate: the certificate's name.
    """

    prefix: str
    certificate: str


class Secrets(pulumi.ComponentResource):
    """The certificate document's secret and the account document's.

    Attributes:
        certificate_arn: ARN of the former.
        account_arn: ARN of the latter.
    """

    certificate_arn: pulumi.Output[str]
    account_arn: pulumi.Output[str]

    def __init__(self, name: str, args: SecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make both secrets."""
        super().__init__("synology-https:index:Secrets", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.certificate_arn = aws.secretsmanager.Secret(
            f"certificate-{args.certificate}",
            name_prefix=f"{args.prefix}/certificate/{args.certificate}-",
            description=f"Certificate {args.certificate} with its private key, for the NAS to fetch",
            opts=child,
        ).arn
        self.account_arn = aws.secretsmanager.Secret(
            "acme-account",
            name_prefix=f"{args.prefix}/acme-account-",
            description="ACME account keys, for the renewer alone",
            opts=child,
        ).arn
        self.register_outputs({"certificate_arn": self.certificate_arn, "account_arn": self.account_arn})
