"""Property maps between the engine's messages and plain Python.

Secrets never arrive: the provider says that it takes none, so that the engine unwraps them, and marks the
outputs at the same places again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime.rpc import UNKNOWN

__all__ = ["UNKNOWN", "is_known", "plain", "struct"]


def plain(message: struct_pb2.Struct) -> dict[str, Any]:
    """Return the map with whole numbers as int, and without what is null; unknowns stay as `UNKNOWN`."""
    found = _plain(json_format.MessageToDict(message))
    return dict(found) if isinstance(found, dict) else {}


def struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """Return the map as a message."""
    message = struct_pb2.Struct()
    json_format.ParseDict(_plain(values), message)
    return message


def is_known(value: Any) -> bool:
    """Tell whether nothing within `value` is unknown."""
    if isinstance(value, Mapping):
        return all(is_known(one) for one in value.values())
    if isinstance(value, list):
        return all(is_known(one) for one in value)
    return bool(value != UNKNOWN)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items() if one is not None}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
