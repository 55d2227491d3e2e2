"""What the provider answers to the engine about a change, from signatures and the table of types alone.

Not proven of the real provider: its defaults and normalizations, its validation of values and of nested
properties, its retries and waits, which properties it replaces where AWS could change them in place, and
what it reads back of the properties that the table calls unread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_cloud.stack.types import Inputs, ResourceType, State

from .signatures import signature
from .values import UNKNOWN, is_known


@dataclass(frozen=True)
class Change:
    """What differs.

    Attributes:
        changed: the inputs that differ.
        replaced: those of them whose change replaces the resource.
    """

    changed: tuple[str, ...]
    replaced: tuple[str, ...]


def failures(kind: ResourceType, inputs: Inputs) -> dict[str, str]:
    """Return, by property, why the inputs are refused."""
    known = signature(kind.token)
    refused = dict.fromkeys(known.required - inputs.keys(), "a required property is missing")
    for name in inputs:
        if name not in known.inputs:
            refused[name] = f"pulumi_aws's {kind.token} has no such property"
        elif name not in kind.carried:
            refused[name] = f"the local provider's {kind.token} does not carry it out"
    return refused


def change(kind: ResourceType, old_inputs: Inputs, outputs: State, new: Inputs) -> Change:
    """Compare what AWS was last seen to have with what is wanted.

    An unknown value differs: the real provider plans so too.
    """
    differing = [
        name
        for name in sorted({*old_inputs, *new})
        if not _same(outputs.get(name, old_inputs.get(name)), new.get(name))
    ]
    fixed = kind.carried if kind.update is None else kind.fixed
    return Change(tuple(differing), tuple(name for name in differing if name in fixed))


def planned(kind: ResourceType, inputs: Inputs, old: State | None = None) -> State:
    """Return the outputs that a preview shows: what only AWS can say is unknown for a new resource."""
    if old is None:
        old = dict.fromkeys(signature(kind.token).outputs - signature(kind.token).inputs, UNKNOWN)
        if kind.auto_named and kind.auto_named not in inputs:
            old[kind.auto_named] = UNKNOWN
    return {**old, **inputs}


def _same(old: Any, new: Any) -> bool:
    if not is_known(new):
        return False
    if _is_archive(old) and _is_archive(new):
        return bool(old["hash"] == new["hash"])
    return bool(old == new)


def _is_archive(value: Any) -> bool:
    return isinstance(value, Mapping) and "hash" in value
