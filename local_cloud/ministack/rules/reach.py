"""How a rule reaches into MiniStack: its modules, its functions, its replies."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

Document = dict[str, Any]
Reply = tuple[int, dict[str, str], bytes]
Function = Callable[..., Any]

OK = 200


class MissingTargetError(RuntimeError):
    """MiniStack no longer has what a rule changes; the text names it."""


def module(name: str, *needed: str) -> ModuleType:
    """Return `ministack.<name>`, which must have the attributes `needed`."""
    found = importlib.import_module(f"ministack.{name}")
    for attribute in needed:
        if not hasattr(found, attribute):
            raise MissingTargetError(f"{found.__name__}.{attribute} is gone, which a rule needs")
    return found


def wrap(names: dict[str, Any], where: str, name: str, wrapper: Function) -> None:
    """Put `wrapper` before the function `name`; it receives that function, then its parameters, same names.

    A `*rest` in the wrapper stands for parameters it only passes on.
    """
    function = names.get(name)
    if not callable(function):
        raise MissingTargetError(f"{where}.{name} is gone, which a rule wraps")
    found = list(inspect.signature(function).parameters)
    expected = [p.name for p in inspect.signature(wrapper).parameters.values() if p.kind != p.VAR_POSITIONAL]
    open_ended = len(expected) < len(inspect.signature(wrapper).parameters)
    if expected[1:] != (found[: len(expected) - 1] if open_ended else found):
        raise MissingTargetError(
            f"{where}.{name} now takes ({', '.join(found)}), another shape than a rule wraps"
        )
    names[name] = functools.partial(wrapper, function)


def wrap_function(where: ModuleType, name: str, wrapper: Function) -> None:
    """Put `wrapper` before a function of a module, as `wrap` does."""
    wrap(vars(where), where.__name__, name, wrapper)


def parsed(body: bytes) -> Document:
    """The JSON object that `body` is, empty where it is something else."""
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def replied(service: ModuleType, document: Document) -> Reply:
    """The reply of a service that speaks JSON."""
    reply: Reply = service.json_response(document)
    return reply


def refusal(service: ModuleType, code: str, text: str) -> Reply:
    """The refusal of a service that speaks JSON."""
    reply: Reply = service.error_response_json(code, text, 400)
    return reply


def without(service: ModuleType, reply: Reply, field: str) -> Reply:
    """The reply without `field`; an error as it is."""
    if reply[0] != OK:
        return reply
    return replied(service, {key: value for key, value in parsed(reply[2]).items() if key != field})
