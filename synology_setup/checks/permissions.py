"""Whether the operator may do what set-up does, asked of IAM's own simulator."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .aws import AWS_ERRORS, Aws, explain
from .finding import Finding, bad, good, untold
from .identity import Identity

OF_THE_NAS_USER = ("iam:CreateAccessKey", "iam:ListAccessKeys", "iam:DeleteAccessKey", "iam:TagUser")
OF_THE_RENEWER = ("lambda:InvokeFunction",)


def check_permissions(
    aws: Aws, identity: Identity, actions: Sequence[str], resource: str | None, name: str
) -> Finding:
    """Ask whether the caller is allowed the actions on the resource.

    Args:
        aws: the clients.
        identity: the caller.
        actions: as IAM names them.
        resource: its ARN, or None where that could not be read.
        name: what the resource is called in the finding.
    """
    what = f"you may do what set-up needs with {name}"
    if identity.arn.endswith(":root"):
        return good(what, "the account's root may do everything")
    if resource is None:
        return untold(what, f"the ARN of {name} could not be read")
    try:
        principal = _principal(aws, identity)
        if principal is None:
            return untold(what, f"IAM does not simulate for {identity.arn}")
        answer = aws.client("iam").simulate_principal_policy(
            PolicySourceArn=principal, ActionNames=list(actions), ResourceArns=[resource]
        )
    except AWS_ERRORS as error:
        said, _ = explain(error)
        return untold(what, f"iam:SimulatePrincipalPolicy: {said}")
    return _judge(what, identity, principal, resource, answer["EvaluationResults"])


def _judge(
    what: str, identity: Identity, principal: str, resource: str, results: list[dict[str, Any]]
) -> Finding:
    refused = [result for result in results if result["EvalDecision"] != "allowed"]
    denied = [result["EvalActionName"] for result in refused if not result.get("MissingContextValues")]
    if denied:
        statement = {"Effect": "Allow", "Action": denied, "Resource": resource}
        return bad(
            what,
            f"{identity.arn} may not {', '.join(denied)}",
            f"have this statement added to a policy of {principal}: {json.dumps(statement)}",
        )
    if refused:
        keys = sorted({key for result in refused for key in result["MissingContextValues"]})
        return untold(what, f"it depends on {', '.join(keys)}")
    return good(what, ", ".join(result["EvalActionName"] for result in results))


def _principal(aws: Aws, identity: Identity) -> str | None:
    """Return the ARN whose policies decide: a session's is its role's, whose path only IAM knows."""
    kind, *names = identity.arn.split(":", 5)[5].split("/")
    if kind == "user":
        return identity.arn
    if kind == "assumed-role":
        return str(aws.client("iam").get_role(RoleName=names[0])["Role"]["Arn"])
    return None
