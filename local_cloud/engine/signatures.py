"""What pulumi_aws's own signatures say of a resource type: inputs, which are required, and outputs."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from functools import cache
from typing import Any

_PULUMI_NAME = "_pulumi_name"  # set by pulumi.getter
_PYTHON_MODULES = {"lambda": "lambda_"}


@dataclass(frozen=True)
class Signature:
    """A type's properties, by the names that the engine uses.

    Attributes:
        inputs: all of them.
        required: those without a default.
        outputs: all properties of the resource.
    """

    inputs: frozenset[str]
    required: frozenset[str]
    outputs: frozenset[str]


@cache
def signature(token: str) -> Signature:
    """Return the signature of a type such as `aws:iam/role:Role`.

    Raises:
        AttributeError: pulumi_aws has no such type.
    """
    _, module, name = token.split(":")
    folder = module.split("/")[0]
    package = importlib.import_module(f"pulumi_aws.{_PYTHON_MODULES.get(folder, folder)}")
    arguments = getattr(package, f"{name}Args")
    names = _names(arguments)
    required = {
        names[parameter.name]
        for parameter in inspect.signature(arguments.__init__).parameters.values()
        if parameter.name in names and parameter.default is inspect.Parameter.empty
    }
    outputs = frozenset(_names(getattr(package, name)).values()) - {"id", "urn"}
    return Signature(frozenset(names.values()), frozenset(required), outputs)


def _names(kind: Any) -> dict[str, str]:
    found = inspect.getmembers(kind, lambda member: isinstance(member, property))
    return {
        name: getattr(member.fget, _PULUMI_NAME)
        for name, member in found
        if hasattr(member.fget, _PULUMI_NAME)
    }
