"""Whether what the outputs name is there: a stack that was destroyed leaves its outputs in a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from synology_setup.stack_outputs import NasOutputs, StackOutputs

from .aws import AWS_ERRORS, Aws, explain, is_absent
from .finding import Finding, bad, good, untold

_DEPLOY_AGAIN = (
    "the stack was destroyed, or these are the outputs of another one: run `pulumi up`, and read its outputs "
    "anew (`pulumi stack output --json`)"
)


def check_user(aws: Aws, nas: NasOutputs) -> tuple[Finding, str | None]:
    """Tell whether the NAS's IAM user exists, and return its ARN."""
    return _check(
        f"the IAM user {nas.user} of the NAS {nas.name} exists",
        lambda: aws.client("iam").get_user(UserName=nas.user)["User"]["Arn"],
    )


def check_renewer(aws: Aws, outputs: StackOutputs) -> tuple[Finding, str | None]:
    """Tell whether the renewal Lambda exists, and return its ARN."""
    return _check(
        f"the Lambda {outputs.renewer} exists",
        lambda: aws.client("lambda").get_function_configuration(FunctionName=outputs.renewer)["FunctionArn"],
    )


def _check(what: str, arn: Callable[[], Any]) -> tuple[Finding, str | None]:
    try:
        found = str(arn())
    except AWS_ERRORS as error:
        said, _ = explain(error)
        return (bad(what, "AWS has none", _DEPLOY_AGAIN) if is_absent(error) else untold(what, said)), None
    return good(what, found), found
