"""What a row of the table of resource types is, and what its functions share.

Inputs and outputs have the aws provider's names (camelCase); numbers that are whole are int.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Inputs = Mapping[str, Any]
State = dict[str, Any]
Created = tuple[str, State]

_SUFFIX = re.compile(r"-[0-9a-f]{7}")


class UnknownTypeError(LookupError):
    """The program uses a resource type, property or function that the local provider does not have."""


@dataclass(frozen=True)
class Cloud:
    """The local AWS that resources are made in.

    Attributes:
        client: gives a boto3 client by service name.
        region: the region of all of them.
        local_bundle: the Lambda zip to run in place of the program's, which has wheels for Lambda's platform:
            the local AWS runs Lambdas with this machine's Python.
        lambda_environment: variables that Lambdas get beside the program's, as AWS's runtime adds its own.
    """

    client: Callable[[str], Any]
    region: str
    local_bundle: Path
    lambda_environment: Mapping[str, str]


@dataclass(frozen=True)
class ResourceType:
    """One resource type: what it is made of, and what is done with it.

    Attributes:
        token: such as `aws:iam/role:Role`.
        carried: the inputs that the functions carry out; any other is refused, so none is silently ignored.
        fixed: the inputs whose change replaces the resource, since AWS has no call that changes them.
        source: where that stands in AWS's API.
        create: inputs -> id and the outputs beyond the inputs.
        read: id and last known outputs -> the properties as AWS has them; None where it is gone.
        update: id, old outputs and new inputs -> the outputs that change beyond the inputs; None where every
            input is fixed.
        delete: id and outputs.
        auto_named: the input that Pulumi fills with a generated name where it is absent, or None.
        unread: inputs that AWS does not give back, so that refresh sees no drift in them.
    """

    token: str
    carried: tuple[str, ...]
    fixed: tuple[str, ...]
    source: str
    create: Callable[[Cloud, Inputs], Created]
    read: Callable[[Cloud, str, State], State | None]
    delete: Callable[[Cloud, str, State], None]
    update: Callable[[Cloud, str, State, Inputs], State] | None = None
    auto_named: str | None = "name"
    unread: tuple[str, ...] = ()


def named(kind: ResourceType, logical_name: str, inputs: Inputs, old: Inputs | None = None) -> State:
    """Return the inputs with a name as Pulumi generates it, unless they have one or a prefix of one.

    Args:
        kind: the type.
        logical_name: the resource's name in the program.
        inputs: as the program gave them.
        old: the inputs before, whose generated name is kept.
    """
    key = kind.auto_named
    if key is None or key in inputs or f"{key}Prefix" in inputs:
        return dict(inputs)
    before = str((old or {}).get(key, ""))
    if before.startswith(logical_name) and _SUFFIX.fullmatch(before.removeprefix(logical_name)):
        return {**inputs, key: before}
    return {**inputs, key: f"{logical_name}-{secrets.token_hex(4)[:7]}"}


def full_name(inputs: Inputs) -> str:
    """Return the name, or one generated under `namePrefix` as the provider does."""
    if "name" in inputs:
        return str(inputs["name"])
    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime())
    return f"{inputs['namePrefix']}{stamp}{secrets.token_hex(6)}"


def same_json(known: str | None, actual: str | Mapping[str, Any]) -> str:
    """Return `known` where it says the same as AWS's JSON document, else AWS's as text: IAM reorders."""
    found = json.loads(actual) if isinstance(actual, str) else actual
    if known is not None and json.loads(known) == found:
        return known
    return json.dumps(found)


def tag_list(inputs: Inputs) -> list[dict[str, str]]:
    """Return the tags as most AWS calls take them."""
    return [{"Key": key, "Value": value} for key, value in inputs.get("tags", {}).items()]


def tag_map(tags: list[dict[str, str]]) -> dict[str, str]:
    """Return AWS's list of tags as the provider's map, without those of AWS's own."""
    return {one["Key"]: one["Value"] for one in tags if not one["Key"].startswith("aws:")}


def removed_tags(old: State, new: Inputs) -> list[str]:
    """Return the keys that are no longer wanted."""
    return sorted(set(old.get("tags") or {}) - set(new.get("tags", {})))


def change_tags(
    old: State,
    new: Inputs,
    *,
    untag: Callable[[list[str]], object],
    tag: Callable[[list[dict[str, str]]], object],
) -> None:
    """Take away the tags that are no longer wanted, and set those that are."""
    if gone := removed_tags(old, new):
        untag(gone)
    if new.get("tags"):
        tag(tag_list(new))


def nothing_to_update(_cloud: Cloud, _id: str, _old: State, _new: Inputs) -> State:
    """Update a resource whose changeable inputs matter only when it is deleted."""
    return {}
