"""Who asks AWS: the account and the ARN of the operator's credentials."""

from __future__ import annotations

from dataclasses import dataclass

from synology_setup.stack_outputs import StackOutputs

from .aws import AWS_ERRORS, SIGN_IN, Aws, explain
from .finding import Finding, bad, good

_WHAT = "AWS knows you, in the stack's account"


@dataclass(frozen=True)
class Identity:
    """The caller.

    Attributes:
        account: the number of the account.
        arn: of the user, of the role's session, or of the account's root.
    """

    account: str
    arn: str

    @property
    def partition(self) -> str:
        """`aws`, or that of another cloud of AWS, as `aws-cn`."""
        return self.arn.split(":")[1]


def check_identity(aws: Aws, outputs: StackOutputs) -> tuple[Finding, Identity | None]:
    """Tell who the credentials are; no identity where nothing else can be asked with them."""
    try:
        answer = aws.client("sts").get_caller_identity()
    except AWS_ERRORS as error:
        return bad(_WHAT, *explain(error)), None
    identity = Identity(answer["Account"], answer["Arn"])
    measured = f"account {identity.account}, {identity.arn}"
    stack = _account_of(outputs)
    if stack is not None and stack != identity.account:
        return bad(_WHAT, f"{measured}; the stack is in account {stack}", f"for {stack}, {SIGN_IN}"), None
    return good(_WHAT, measured), identity


def _account_of(outputs: StackOutputs) -> str | None:
    """Return the account in the ARN of a certificate's secret."""
    for request in outputs.requests.values():
        parts = str(request.get("secret", "")).split(":")
        if parts[0] == "arn" and len(parts) > 4 and parts[4]:  # noqa: PLR2004 - arn:partition:service:region:account
            return parts[4]
    return None
