"""When the Lambda runs for a certificate: once at the end of `pulumi up`, and on a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pulumi
import pulumi_aws as aws

from .certificate_settings import CertificateSettings
from .hosted_zones import HostedZone
from .names import shortened
from .schedules import Schedules
from .setting_values import Schedule

_LONGEST_NAME = 64 - len("-1234567")  # of a schedule, without what Pulumi's auto-naming adds


@dataclass(frozen=True)
class RenewalArgs:
    """What is run, with which event, and when.

    Attributes:
        function_name: the renewal Lambda.
        function_arn: its ARN.
        event: the certificate request with its action, JSON.
        schedule: the rate and its window.
        schedules: the group and the role of the schedules.
        first_run_after: further resources that the first run waits for.
    """

    function_name: pulumi.Input[str]
    function_arn: pulumi.Input[str]
    event: pulumi.Output[str]
    schedule: Schedule
    schedules: Schedules
    first_run_after: tuple[pulumi.Resource, ...]


class Renewal(pulumi.ComponentResource):
    """The schedule of one certificate, and its first issuance.

    Neither waits for the other: should the first run fail, the update fails, and the schedule tries again.

    Attributes:
        first_run: the run at the end of `up`; another one follows only when the event changes.
        first_outcome: what it returned, JSON; nothing secret is in it.
    """

    first_run: aws.lambda_.Invocation
    first_outcome: pulumi.Output[str]

    def __init__(self, name: str, args: RenewalArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make the schedule and run the Lambda once for this event."""
        super().__init__("synology-https:index:Renewal", name, {}, opts)
        policy = args.schedules.policy
        aws.scheduler.Schedule(
            shortened(name, _LONGEST_NAME),
            group_name=args.schedules.group_name,
            description=f"Looks whether the certificate {name} is due",
            schedule_expression=args.schedule.expression,
            flexible_time_window=_flexible(args.schedule.window),
            target={
                "arn": args.function_arn,
                "role_arn": args.schedules.role_arn,
                "input": args.event,
                "retry_policy": {"maximum_retry_attempts": 0},
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        self.first_run = aws.lambda_.Invocation(
            name,
            function_name=args.function_name,
            input=args.event,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy, *args.first_run_after]),
        )
        self.first_outcome = self.first_run.result
        self.register_outputs({"first_outcome": self.first_outcome})


def renewal_event(
    certificate: CertificateSettings, zones: Mapping[str, HostedZone], *, secret_arn: pulumi.Input[str]
) -> pulumi.Output[str]:
    """Return the event that the schedule sends: the whole certificate request and the action, JSON.

    Its keys are sorted, so that the same request is the same text. See
    `lambda_renewer.request.parse_request` for its fields.

    Args:
        certificate: what is wanted.
        zones: the stack's hosted zones by name.
        secret_arn: where it goes.
    """
    event: dict[str, pulumi.Input[Any]] = {
        "action": "renew",
        "name": certificate.name,
        "domains": list(certificate.domains),
        "key_type": certificate.key_type,
        "profile": certificate.profile,
        "directory": certificate.directory,
        "contact": certificate.contact,
        "terms_agreed": True,  # load_settings refuses anything else
        "eab_secret": certificate.eab_secret,
        "ca_root": certificate.ca_root,
        "preferred_chain": certificate.preferred_chain,
        "delegations": dict(certificate.delegations),
        "zones": {name: _zone(zones[name]) for name in certificate.zones},
        "secret": secret_arn,
        "interval_seconds": certificate.schedule.interval // timedelta(seconds=1),
        "window_seconds": certificate.schedule.window // timedelta(seconds=1),
    }
    return pulumi.Output.json_dumps(event, sort_keys=True)


def _zone(zone: HostedZone) -> dict[str, pulumi.Input[str]]:
    return {"id": zone.id} if zone.role is None else {"id": zone.id, "role": zone.role}


def _flexible(window: timedelta) -> aws.scheduler.ScheduleFlexibleTimeWindowArgsDict:
    minutes = window // timedelta(minutes=1)
    if not minutes:
        return {"mode": "OFF"}
    return {"mode": "FLEXIBLE", "maximum_window_in_minutes": minutes}
