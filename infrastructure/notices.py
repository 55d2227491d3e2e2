"""Who is told when something is wrong: an SNS topic with one e-mail address."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from .policies import topic_policy
from .tags import tags


@dataclass(frozen=True)
class NoticesArgs:
    """Who is told.

    Attributes:
        email: the address; SNS asks it to confirm.
        account_id: the AWS account whose alarms may publish.
    """

    email: str
    account_id: str


class Notices(pulumi.ComponentResource):
    """The topic.

    Attributes:
        topic_arn: its ARN, known when the alarms may publish to it.
    """

    topic_arn: pulumi.Output[str]

    def __init__(self, name: str, args: NoticesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make the topic and the subscription."""
        super().__init__("synology-https:index:Notices", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        # Not encrypted: CloudWatch cannot publish to a topic with SNS's own key, and no secret passes here.
        topic = aws.sns.Topic("notices", display_name="synology-https", tags=tags(), opts=child)
        policy = aws.sns.TopicPolicy(
            "notices",
            arn=topic.arn,
            policy=pulumi.Output.json_dumps(topic.arn.apply(lambda arn: topic_policy(arn, args.account_id))),
            opts=child,
        )
        aws.sns.TopicSubscription(
            "notices", topic=topic.arn, protocol="email", endpoint=args.email, opts=child
        )
        self.topic_arn = pulumi.Output.all(topic.arn, policy.id).apply(lambda made: str(made[0]))
        self.register_outputs({"topic_arn": self.topic_arn})
