"""The IAM user of a NAS: it reads its current certificates, and reports its own metrics.

No access key is made here: a long-lived secret would stand in the state. Set-up makes it and gives it to the
NAS alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from .names import shortened
from .nas_settings import NAS, NasSettings
from .policies import NAS_TAG_VALUE, USER_SIZE, nas_policy, size
from .secrets import longest_arn
from .setting_values import SettingsError, path
from .tags import tags

_LONGEST_NAME = 64 - len("-1234567")  # of a user, without what Pulumi's auto-naming adds
# AWS allows 50 a secret; some are the stack's own.
_MOST_NAS_TAGS = 45


@dataclass(frozen=True)
class NasAccessArgs:
    """What the NAS may reach.

    Attributes:
        certificate_arns: the secrets of the certificates that it installs, or with `tag` a pattern of them.
        metric_namespace: the CloudWatch namespace that is this NAS's alone.
        tag: the tag that its secrets have, where their ARNs do not fit into the policy.
        source_ips: networks that its key may be used from; empty for any.
    """

    certificate_arns: Sequence[pulumi.Input[str]]
    metric_namespace: str
    tag: str | None = None
    source_ips: tuple[str, ...] = ()


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
        user_name = shortened(f"nas-{name}", _LONGEST_NAME)
        user = aws.iam.User(
            user_name,
            path="/synology-https/",
            force_destroy=True,
            tags=tags(nas=name),
            # Set-up describes the access keys by tags of the user, as IAM's console does.
            opts=child.merge(pulumi.ResourceOptions(ignore_changes=["tags", "tagsAll"])),
        )
        aws.iam.UserPolicy(
            user_name,
            user=user.name,
            policy=pulumi.Output.json_dumps(
                pulumi.Output.all(*args.certificate_arns).apply(
                    lambda arns: nas_policy(
                        certificate_arns=arns,
                        metric_namespace=args.metric_namespace,
                        tag=args.tag,
                        source_ips=args.source_ips,
                    )
                )
            ),
            opts=child,
        )
        self.user_name = user.name
        self.register_outputs({"user_name": self.user_name})


def nas_tag(nas: NasSettings, prefix: str) -> str | None:
    """Return the tag by which the NAS's policy knows its secrets; None where it lists their ARNs.

    Decided by the settings alone, so that preview and every `up` decide the same.

    Args:
        nas: the NAS.
        prefix: of the secrets' names and of the metric namespace, `synology-https/<stack>`.

    Raises:
        SettingsError: its policy is longer than IAM allows in either way.
    """
    arns = [longest_arn(prefix, one.name) for one in nas.certificates]
    namespace = f"{prefix}/{nas.name}"
    listed = nas_policy(certificate_arns=arns, metric_namespace=namespace, source_ips=nas.source_ips)
    if size(listed) <= USER_SIZE:
        return None
    tag = f"nas:{nas.name}"
    by_tag = nas_policy(
        certificate_arns=[longest_arn(prefix, "*")],
        metric_namespace=namespace,
        tag=tag,
        source_ips=nas.source_ips,
    )
    if size(by_tag) > USER_SIZE:
        raise SettingsError(
            path(NAS, nas.name, "source_ips"),
            list(nas.source_ips),
            f"the policy of the NAS would have {size(by_tag)} characters, and IAM allows {USER_SIZE}: "
            "name fewer",
        )
    return tag


def secret_tags(nases: Sequence[NasSettings], nas_tags: dict[str, str | None]) -> dict[str, dict[str, str]]:
    """Return certificate name -> the tags by which NASes know its secret.

    Args:
        nases: all of the stack.
        nas_tags: NAS name -> its tag, from `nas_tag`.

    Raises:
        SettingsError: more NASes know one secret by tag than it can have tags.
    """
    found: dict[str, dict[str, str]] = {}
    for nas in nases:
        tag = nas_tags[nas.name]
        for certificate in nas.certificates if tag else ():
            found.setdefault(certificate.name, {})[str(tag)] = NAS_TAG_VALUE
    for name, of_secret in found.items():
        if len(of_secret) > _MOST_NAS_TAGS:
            raise SettingsError(
                NAS,
                f"{len(of_secret)} NASes with many certificates",
                f"the secret of the certificate {name} can have tags for {_MOST_NAS_TAGS} of them: give some "
                "NASes fewer certificates, or use another stack",
            )
    return found
