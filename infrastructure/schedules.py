"""What all schedules share: their group, which carries the tags, and the role that runs the Lambda."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from .policies import scheduler_policy, trust_policy
from .tags import tags


@dataclass(frozen=True)
class SchedulesArgs:
    """What the schedules run.

    Attributes:
        function_arn: the renewal Lambda's ARN.
        account_id: the AWS account, for the trust policy.
    """

    function_arn: pulumi.Input[str]
    account_id: str


class Schedules(pulumi.ComponentResource):
    """The group and the role: one of each for all certificates, since IAM allows 1,000 roles an account.

    Attributes:
        group_name: the group's name.
        role_arn: ARN of the role.
        policy: the role's policy; what the role runs waits for it.
    """

    group_name: pulumi.Output[str]
    role_arn: pulumi.Output[str]
    policy: aws.iam.RolePolicy

    def __init__(self, name: str, args: SchedulesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make the group and the role."""
        super().__init__("synology-https:index:Schedules", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        group = aws.scheduler.ScheduleGroup(
            "certificates", name_prefix="synology-https-", tags=tags(), opts=child
        )
        role = aws.iam.Role(
            "schedule",
            assume_role_policy=pulumi.Output.json_dumps(
                group.arn.apply(lambda arn: trust_policy("scheduler.amazonaws.com", args.account_id, arn))
            ),
            tags=tags(),
            opts=child,
        )
        self.policy = aws.iam.RolePolicy(
            "schedule",
            role=role.id,
            policy=pulumi.Output.json_dumps(
                pulumi.Output.from_input(args.function_arn).apply(scheduler_policy)
            ),
            opts=child,
        )
        self.group_name, self.role_arn = group.name, role.arn
        self.register_outputs({"group_name": self.group_name, "role_arn": self.role_arn})
