"""The renewal Lambda, with its role, policy and log group."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from .bundle import PACKAGE, RUNTIME
from .certificate_settings import CERTIFICATES
from .hosted_zones import HostedZone
from .policies import (
    ROLE_SIZE,
    Document,
    renewer_policy,
    size,
    trust_policy,
    zone_role_policy,
    zone_role_trust,
)
from .secrets import longest_arn
from .setting_values import SettingsError
from .settings import Settings
from .tags import tags

_TIMEOUT_SECONDS = 900  # Lambda's most: slow validation is waited for, an idle wait costs next to nothing
MEMORY_MB = 256
_LOG_DAYS = 90
_ROLE_PATTERN = "renewer-???????"  # with what Pulumi's auto-naming adds


@dataclass(frozen=True)
class RenewerArgs:
    """What the Lambda is made of and works on.

    Attributes:
        bundle: path of the Lambda's zip.
        architecture: `arm64` or `x86_64`.
        zones: the hosted zones it proves control of, by name.
        challenges: zone name -> the TXT record names it may change there.
        certificate_arn: pattern of the secrets it writes the certificates to.
        account_arn: the secret it keeps its ACME accounts in.
        eab_secrets: the secrets with credentials of External Account Binding.
        topic_arn: the topic that is told when a scheduled run fails, or None.
        metric_namespace: where it reports its metrics.
    """

    bundle: Path
    architecture: str
    zones: Mapping[str, HostedZone]
    challenges: Mapping[str, Sequence[str]]
    certificate_arn: pulumi.Input[str]
    account_arn: pulumi.Input[str]
    eab_secrets: Sequence[str]
    topic_arn: pulumi.Input[str] | None
    metric_namespace: str


class Renewer(pulumi.ComponentResource):
    """The renewal Lambda.

    Attributes:
        function_name: its name.
        function_arn: its ARN.
        role_arn: its role's ARN.
    """

    function_name: pulumi.Output[str]
    function_arn: pulumi.Output[str]
    role_arn: pulumi.Output[str]

    def __init__(self, name: str, args: RenewerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make the Lambda; its outputs are known only when its policy is attached."""
        super().__init__("synology-https:index:Renewer", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        log_group = aws.cloudwatch.LogGroup(
            "renewer",
            name_prefix="/synology-https/renewer-",
            retention_in_days=_LOG_DAYS,
            tags=tags(),
            opts=child,
        )
        role = aws.iam.Role(
            "renewer",
            assume_role_policy=json.dumps(trust_policy("lambda.amazonaws.com")),
            tags=tags(),
            opts=child,
        )
        policy = aws.iam.RolePolicy("renewer", role=role.id, policy=_policy(args, log_group.arn), opts=child)
        function = aws.lambda_.Function(
            "renewer",
            description="Renews the certificates for the NASes when they are due",
            runtime=RUNTIME,
            architectures=[args.architecture],
            handler=f"{PACKAGE}.handler.handler",
            role=role.arn,
            code=pulumi.FileArchive(str(args.bundle)),
            timeout=_TIMEOUT_SECONDS,
            memory_size=MEMORY_MB,
            environment={
                "variables": {"ACCOUNT_SECRET": args.account_arn, "METRIC_NAMESPACE": args.metric_namespace}
            },
            logging_config={"log_format": "Text", "log_group": log_group.name},
            tags=tags(),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        # The schedule comes again by itself; a retry of Lambda's own would run beside it.
        aws.lambda_.FunctionEventInvokeConfig(
            "renewer",
            function_name=function.name,
            maximum_retry_attempts=0,
            destination_config=None
            if args.topic_arn is None
            else {"on_failure": {"destination": args.topic_arn}},
            opts=child,
        )
        self.function_name, self.function_arn, self.role_arn = function.name, function.arn, role.arn
        self.register_outputs({"function_name": self.function_name, "function_arn": self.function_arn})


def zone_roles(
    zones: Mapping[str, HostedZone], challenges: Mapping[str, Sequence[str]], account_id: str
) -> dict[str, dict[str, Any]]:
    """Return, for each zone of another AWS account, its role and the two documents that the role needs.

    Args:
        zones: the hosted zones, by name.
        challenges: zone name -> the TXT record names there.
        account_id: the stack's AWS account.
    """
    return {
        name: {
            "role": zone.role,
            "trust": zone_role_trust(account_id, _ROLE_PATTERN),
            "policy": zone_role_policy(_zone_arn(str(zone.id)), challenges.get(name, ())),
        }
        for name, zone in zones.items()
        if zone.role is not None
    }


def check_renewer_policy(settings: Settings, prefix: str) -> None:
    """Refuse more hosted zones than the renewer's policy can name, before anything is made.

    Args:
        settings: the stack's.
        prefix: of the secrets' names, `synology-https/<stack>`.

    Raises:
        SettingsError: the policy is longer than IAM allows, even with patterns in place of names.
    """
    foreign = {name: zone.role for name, zone in settings.zones.items() if zone.role}
    own = {zone: names for zone, names in settings.challenges.items() if zone not in foreign}
    longest = renewer_policy(
        certificate_arn=longest_arn(prefix, "*"),
        account_arn=longest_arn(prefix, "acme-account"),
        log_group_arn=f"arn:aws:logs:{'r' * 14}:{'0' * 12}:log-group:/synology-https/renewer-{'0' * 26}",
        # A zone's id has at most 32 characters (Route 53 API, HostedZone).
        challenges={_zone_arn(f"{number:032}"): names for number, names in enumerate(own.values())},
        eab_secrets=_eab_secrets(settings),
        zone_roles=list(foreign.values()),
        topic_arn=f"arn:aws:sns:{'r' * 14}:{'0' * 12}:{'t' * 64}",
    )
    if size(longest) > ROLE_SIZE:
        raise SettingsError(
            CERTIFICATES,
            f"{len(settings.certificates)} certificates in {len(settings.challenges)} hosted zones",
            f"the renewer's policy would have {size(longest)} characters, and IAM allows {ROLE_SIZE}: "
            "delegate the challenges of some into one zone (challenge_delegation), or use another stack",
        )


def renewer_args(settings: Settings, **made: Any) -> RenewerArgs:
    """Return the Lambda's arguments: what the settings say, and what was `made` for it."""
    return RenewerArgs(
        architecture=settings.architecture,
        challenges=settings.challenges,
        eab_secrets=_eab_secrets(settings),
        **made,
    )


def _eab_secrets(settings: Settings) -> list[str]:
    return sorted({one.eab_secret for one in settings.certificates if one.eab_secret})


def _policy(args: RenewerArgs, log_group_arn: pulumi.Input[str]) -> pulumi.Output[str]:
    def build(made: Mapping[str, Any]) -> Document:
        return renewer_policy(
            certificate_arn=made["certificate_arn"],
            account_arn=made["account_arn"],
            log_group_arn=made["log_group_arn"],
            challenges={
                _zone_arn(zone_id): args.challenges[zone] for zone, zone_id in made["zone_ids"].items()
            },
            eab_secrets=args.eab_secrets,
            zone_roles=[zone.role for zone in args.zones.values() if zone.role is not None],
            topic_arn=made["topic_arn"],
        )

    own = {
        name: zone.id for name, zone in args.zones.items() if zone.role is None and name in args.challenges
    }
    made = pulumi.Output.all(
        certificate_arn=args.certificate_arn,
        account_arn=args.account_arn,
        log_group_arn=log_group_arn,
        zone_ids=pulumi.Output.from_input(own),
        topic_arn=args.topic_arn,
    )
    return pulumi.Output.json_dumps(made.apply(build))


def _zone_arn(zone_id: str) -> str:
    return f"arn:aws:route53:::hostedzone/{zone_id}"
