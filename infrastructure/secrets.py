"""The secrets: one for each certificate, one for the ACME accounts.

Their names are generated under a fixed prefix, so that `up` after `destroy` never meets a name that AWS still
holds for its recovery window. They are made without a value: the renewer writes the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from .tags import tags


@dataclass(frozen=True)
class SecretsArgs:
    """What to keep.

    Attributes:
        prefix: first part of the secrets' names, `synology-https/<stack>`.
        certificates: certificate name -> further tags of its secret.
    """

    prefix: str
    certificates: Mapping[str, Mapping[str, str]]


class Secrets(pulumi.ComponentResource):
    """The certificate documents' secrets and the account document's.

    Attributes:
        certificate_arns: certificate name -> ARN of its secret.
        account_arn: ARN of the account document's.
    """

    certificate_arns: dict[str, pulumi.Output[str]]
    account_arn: pulumi.Output[str]

    def __init__(self, name: str, args: SecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make the secrets, with the recovery window of AWS: 30 days."""
        super().__init__("synology-https:index:Secrets", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.certificate_arns = {
            certificate: aws.secretsmanager.Secret(
                f"certificate-{certificate}",
                name_prefix=f"{args.prefix}/certificate/{certificate}-",
                description=f"Certificate {certificate} with its private key, for the NAS to fetch",
                tags=tags(certificate=certificate, **more),
                opts=child,
            ).arn
            for certificate, more in args.certificates.items()
        }
        self.account_arn = aws.secretsmanager.Secret(
            "acme-account",
            name_prefix=f"{args.prefix}/acme-account-",
            description="ACME account keys, for the renewer alone",
            tags=tags(),
            opts=child,
        ).arn
        self.register_outputs({"account_arn": self.account_arn})


def longest_arn(prefix: str, certificate: str) -> str:
    """Return an ARN as long as that of a certificate's secret can be, before it is known.

    The longest region's name; 26 characters by the provider's `name_prefix`, 6 by Secrets Manager.
    """
    name = f"{prefix}/certificate/{certificate}-{'0' * 26}"
    return f"arn:aws:secretsmanager:{'r' * 14}:{'0' * 12}:secret:{name}-{'A' * 6}"
