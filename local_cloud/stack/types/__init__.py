"""The resource types that the stack uses, a file a service: one table for Mocks and for the real engine."""

from __future__ import annotations

from . import budgets, cloudwatch, iam, iam_grants, lambda_, logs, route53, scheduler, secretsmanager, sns
from .resource_type import Cloud, Inputs, ResourceType, State, UnknownTypeError, full_name, named

__all__ = [
    "TYPES",
    "Cloud",
    "Inputs",
    "ResourceType",
    "State",
    "UnknownTypeError",
    "full_name",
    "named",
    "resource_type",
]

TYPES: dict[str, ResourceType] = {
    one.token: one
    for module in (
        budgets,
        cloudwatch,
        iam,
        iam_grants,
        lambda_,
        logs,
        route53,
        scheduler,
        secretsmanager,
        sns,
    )
    for one in module.TYPES
}


def resource_type(token: str) -> ResourceType:
    """Return the row of a type such as `aws:iam/role:Role`.

    Raises:
        UnknownTypeError: there is none.
    """
    found = TYPES.get(token)
    if found is None:
        raise UnknownTypeError(f"the local provider has no resource type {token}")
    return found
