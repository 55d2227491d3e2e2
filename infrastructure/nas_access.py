"""The IAM user of a NAS: it reads the current certificate, and reports its own metrics.

No access key is made here: a long-lived secret would stand in the state. Set-up makes it and gives it to the
NAS alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from .policies import nas_policy

_LONGEST_NAME = 64 - len("-1234567")  # of a user, without what Pulumi's auto-naming adds


@dataclass(frozen=True)
class NasAccessArgs:
    """What the NAS may reach.

    Attributes:
        certificate_arn: the secret of the certificate that it installs.
        metric_namespace: the CloudWatch namespace that is this NAS's alone.
    """

    certificate_arn: pulumi.Input[str]
    metric_namespace: str


class NasAccess(pulumi.ComponentResource):
    """The IAM user and its policy.

    Attributes:
        user_name: the user's name.
    """

    user_name: pulumi.Output[str]

    def __init__(self, name: str, args: NasAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make the user; a key that set-up made for it does not keep `destroy` from removing it."""
        super().__init__("synology-https:index:NasAccess", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        user_name = f"nas-{name}"[:_LONGEST_NAME]
        user = aws.iam.User(user_name, path="/synology-https/", force_destroy=True, opts=child)
        aws.iam.UserPolicy(
            user_name,
            user=user.name,
            policy=pulumi.Output.json_dumps(
                pulumi.Output.from_input(args.certificate_arn).apply(
                    lambda arn: nas_policy(certificate_arn=arn, metric_namespace=args.metric_namespace)
                )
            ),
            opts=child,
        )
        self.user_name = user.name
        self.register_outputs({"user_name": self.user_name})
