"""When the Lambda runs: once at the end of `pulumi up`, and on a schedule."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pulumi
import pulumi_aws as aws

from .policies import scheduler_policy, trust_policy
from .settings import Schedule, Settings

_LONGEST_NAME = 64 - len("-1234567")  # of roles and schedules, without what Pulumi's auto-naming adds


@dataclass(frozen=True)
class RenewalArgs:
    """What is run, with which event, and when.

    Attributes:
        function_name: the renewal Lambda.
        function_arn: its ARN.
        event: the certificate request with its action, JSON.
        schedule: the rate and its window.
        account_id: the AWS account, for the trust policy.
        first_run_after: further resources that the first run waits for.
    """

    function_name: pulumi.Input[str]
    function_arn: pulumi.Input[str]
    event: pulumi.Output[str]
    schedule: Schedule
    account_id: pulumi.Input[str]
    first_run_after: tuple[pulumi.Resource, ...]


class Renewal(pulumi.ComponentResource):
    """The schedule of one certificate, and its first issuance.

    Neither waits for the other: should the first run fail, the update fails, and the schedule tries again.

    Attributes:
        first_outcome: what the first run returned, JSON; nothing secret is in it.
    """

    first_outcome: pulumi.Output[str]

    def __init__(self, name: str, args: RenewalArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make the schedule and run the Lambda once for this event."""
        super().__init__("synology-https:index:Renewal", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        role_name = f"schedule-{name}"[:_LONGEST_NAME]
        role = aws.iam.Role(
            role_name,
            assume_role_policy=pulumi.Output.json_dumps(
                pulumi.Output.from_input(args.account_id).apply(
                    lambda account: trust_policy("scheduler.amazonaws.com", account)
                )
            ),
            opts=child,
        )
        policy = aws.iam.RolePolicy(
            role_name,
            role=role.id,
            policy=pulumi.Output.json_dumps(
                pulumi.Output.from_input(args.function_arn).apply(scheduler_policy)
            ),
            opts=child,
        )
        aws.scheduler.Schedule(
            name[:_LONGEST_NAME],
            description=f"Looks whether the certificate {name} is due",
            schedule_expression=args.schedule.expression,
            flexible_time_window=_flexible(args.schedule.window),
            target={
                "arn": args.function_arn,
                "role_arn": role.arn,
                "input": args.event,
                "retry_policy": {"maximum_retry_attempts": 0},
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        self.first_outcome = aws.lambda_.Invocation(
            name,
            function_name=args.function_name,
            input=args.event,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy, *args.first_run_after]),
        ).result
        self.register_outputs({"first_outcome": self.first_outcome})


def renewal_event(
    settings: Settings, name: str, *, zone_id: pulumi.Input[str], secret_arn: pulumi.Input[str]
) -> pulumi.Output[str]:
    """Return the event that the schedule sends: the whole certificate request and the action, JSON.

    See `lambda_renewer.request.parse_request` for its fields.
    """
    event: dict[str, pulumi.Input[Any]] = {
        "action": "renew",
        "name": name,
        "domains": list(settings.certificate_domains),
        "key_type": settings.key_type,
        "profile": settings.profile,
        "directory": settings.directory,
        "contact": settings.contact,
        "terms_agreed": settings.terms_agreed,
        "ca_root": settings.ca_root,
        "zones": {settings.domain: {"id": zone_id}},
        "secret": secret_arn,
        "interval_seconds": settings.schedule.interval // timedelta(seconds=1),
        "window_seconds": settings.schedule.window // timedelta(seconds=1),
    }
    return pulumi.Output.json_dumps(event, sort_keys=True)


def next_step(first_outcome: str) -> str:
    """Say what the first run, whose outcome is JSON, leaves to do."""
    outcome = json.loads(first_outcome)
    if "serial" in outcome:
        return "The certificate is there. Put the agent on the NAS."
    return f"{outcome['reason']}. Then run: python -m synology_setup renew {outcome['name']}"


def _flexible(window: timedelta) -> aws.scheduler.ScheduleFlexibleTimeWindowArgsDict:
    minutes = window // timedelta(minutes=1)
    if not minutes:
        return {"mode": "OFF"}
    return {"mode": "FLEXIBLE", "maximum_window_in_minutes": minutes}
