"""The renewal Lambda, with its role, policy and log group."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws

from .bundle import PACKAGE, RUNTIME
from .policies import renewer_policy, trust_policy

_TIMEOUT_SECONDS = 900  # Lambda's most: slow validation is waited for, an idle wait costs next to nothing
_MEMORY_MB = 256
_LOG_DAYS = 90


@dataclass(frozen=True)
class RenewerArgs:
    """What the Lambda is made of and works on.

    Attributes:
        bundle: path of the Lambda's zip.
        architecture: `arm64` or `x86_64`.
        zone_id: the hosted zone it proves control of.
        challenge_names: the TXT record names it may change there.
        certificate_arn: the secret it writes the certificate to.
        account_arn: the secret it keeps its ACME accounts in.
    """

    bundle: Path
    architecture: str
    zone_id: pulumi.Input[str]
    challenge_names: tuple[str, ...]
    certificate_arn: pulumi.Input[str]
    account_arn: pulumi.Input[str]


class Renewer(pulumi.ComponentResource):
    """The renewal Lambda.

    Attributes:
        function_name: its name.
        function_arn: its ARN.
    """

    function_name: pulumi.Output[str]
    function_arn: pulumi.Output[str]

    def __init__(self, name: str, args: RenewerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make the Lambda; its outputs are known only when its policy is attached."""
        super().__init__("synology-https:index:Renewer", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        log_group = aws.cloudwatch.LogGroup(
            "renewer", name_prefix="/synology-https/renewer-", retention_in_days=_LOG_DAYS, opts=child
        )
        role = aws.iam.Role(
            "renewer", assume_role_policy=json.dumps(trust_policy("lambda.amazonaws.com")), opts=child
        )
        policy = aws.iam.RolePolicy(
            "renewer",
            role=role.id,
            policy=pulumi.Output.json_dumps(
                pulumi.Output.all(
                    certificate_arn=args.certificate_arn,
                    account_arn=args.account_arn,
                    log_group_arn=log_group.arn,
                    zone_id=args.zone_id,
                ).apply(
                    lambda made: renewer_policy(
                        certificate_arn=made["certificate_arn"],
                        account_arn=made["account_arn"],
                        log_group_arn=made["log_group_arn"],
                        zone_arn=f"arn:aws:route53:::hostedzone/{made['zone_id']}",
                        challenge_names=args.challenge_names,
                    )
                )
            ),
            opts=child,
        )
        function = aws.lambda_.Function(
            "renewer",
            description="Renews the certificate for the NAS when it is due",
            runtime=RUNTIME,
            architectures=[args.architecture],
            handler=f"{PACKAGE}.handler.handler",
            role=role.arn,
            code=pulumi.FileArchive(str(args.bundle)),
            timeout=_TIMEOUT_SECONDS,
            memory_size=_MEMORY_MB,
            environment={"variables": {"ACCOUNT_SECRET": args.account_arn}},
            logging_config={"log_format": "Text", "log_group": log_group.name},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        # The schedule comes again by itself; a retry of Lambda's own would run beside it.
        aws.lambda_.FunctionEventInvokeConfig(
            "renewer", function_name=function.name, maximum_retry_attempts=0, opts=child
        )
        self.function_name = function.name
        self.function_arn = function.arn
        self.register_outputs({"function_name": self.function_name, "function_arn": self.function_arn})
