"""`/usr/syno/bin/synowebapi --exec-fastwebapi key=value...`: DSM's Web API, in-process and without login.

The real one runs as root only; in the simulation whoever runs it counts as root. It takes file paths as seen
inside the tree, as in a chroot: `/usr/syno/etc/x.pem` is `<root>/usr/syno/etc/x.pem`.
"""

from __future__ import annotations

import fcntl
import importlib
import json
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from local_cloud.dsm.api_error import UNKNOWN_API, UNKNOWN_METHOD, UNKNOWN_VERSION, ApiError
from local_cloud.dsm.faults import can_fail
from local_cloud.dsm.tree import DsmTree, Json

Method: TypeAlias = Callable[[DsmTree, Json], Json]

_APIS: dict[str, tuple[int, dict[str, str]]] = {
    "SYNO.Core.Certificate": (1, {"import": "certificate_api.import_pair"}),
    "SYNO.Core.Certificate.CRT": (
        1,
        {"list": "certificate_api.list_entries", "set": "service_api.set_entry"},
    ),
    # 7.3.2 has no `get` here (error 103): the union of `services` over the list is the enumeration.
    "SYNO.Core.Certificate.Service": (1, {"set": "service_api.set_services"}),
    "SYNO.Core.Web.DSM": (2, {"get": "portal_api.get_settings", "set": "portal_api.set_settings"}),
    "SYNO.Core.AppPortal": (2, {"list": "portal_api.list_portals"}),
    "SYNO.Core.AppPortal.ReverseProxy": (
        1,
        {
            "list": "portal_api.list_rules",
            "create": "portal_api.create_rule",
            "delete": "portal_api.delete_rules",
        },
    ),
    "SYNO.Core.TaskScheduler": (
        4,
        {
            "list": "task_api.list_tasks",
            "get": "task_api.get_task",
            "create": "task_api.refuse_root",
            "set": "task_api.refuse_root",
            "set_enable": "task_api.enable_tasks",
            "delete": "task_api.delete_tasks",
        },
    ),
    "SYNO.Core.TaskScheduler.Root": (4, {"create": "task_api.create_task", "set": "task_api.set_task"}),
    "SYNO.Core.EventScheduler": (
        1,
        {
            "get": "task_api.get_event",
            "set_enable": "task_api.enable_event",
            "delete": "task_api.delete_event",
        },
    ),
    "SYNO.Core.EventScheduler.Root": (1, {"create": "task_api.create_event", "set": "task_api.set_event"}),
    "SYNO.Core.Notification.Mail": (1, {"send_test": "mail_api.send_test"}),
    "SYNO.Core.Notification.Mail.Conf": (2, {"get": "mail_api.get_mail"}),
}
"""API -> its newest version and its methods, each with the function that stands for it."""

_NUMBER_FIRST = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


@can_fail(lie='{"data": {}, "success": true}\n')
def main(program: str, arguments: Sequence[str]) -> int:
    """Run the program and return its exit code: 0 for a refused call too (unsure): the JSON has the error."""
    if list(arguments[:1]) != ["--exec-fastwebapi"]:
        print("Usage: synowebapi --exec-fastwebapi key=value ...", file=sys.stderr)
        return 1
    tree = DsmTree.containing(program)
    parameters = {}
    for argument in arguments[1:]:
        key, _, text = argument.partition("=")
        parameters[key] = parse_value(text)
    _report_progress(parameters)
    with (tree.root / "var/synowebapi.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = call(tree, parameters)
    # DSM prints through jsoncpp's StyledWriter: many lines, sorted keys, " : ".
    print(json.dumps(answer, indent=3, sort_keys=True, separators=(",", " : ")))
    return 0


def parse_value(text: str) -> Any:
    """Parse a value as JSON, falling back to text (measured).

    `8ec29f37` is measured to become a number in scientific notation: DSM's parser takes the number that the
    text begins with and leaves the rest. So only a JSON string is safe.
    """
    try:
        return json.loads(text)
    except ValueError:
        number = _NUMBER_FIRST.match(text)
        if number:
            return float(number.group())
        print(f"[Line 265] Not a json value: {text}", file=sys.stderr)
        return text


def call(tree: DsmTree, parameters: Json) -> Json:
    """Run one API method and return DSM's answer."""
    try:
        data = _method(parameters)(tree, parameters)
    except ApiError as error:
        return {"error": {"code": error.code}, "success": False}
    return {"data": data, "success": True}


def _method(parameters: Json) -> Method:
    api, version, name = (parameters.get(key) for key in ("api", "version", "method"))
    if not isinstance(api, str) or api not in _APIS:
        raise ApiError(UNKNOWN_API)
    newest, methods = _APIS[api]
    if version not in range(1, newest + 1):
        raise ApiError(UNKNOWN_VERSION)
    if not isinstance(name, str) or name not in methods:
        raise ApiError(UNKNOWN_METHOD)
    module, function = methods[name].split(".")
    method: Method = getattr(importlib.import_module(f"local_cloud.dsm.{module}"), function)
    return method


def _report_progress(parameters: Json) -> None:
    """Write the progress line to stderr. It has braces: merged into stdout it spoils "cut to the first {"."""
    rest = {key: value for key, value in parameters.items() if key not in {"api", "version", "method"}}
    called = ", ".join(f"{key}={parameters.get(key)}" for key in ("api", "version", "method"))
    param = json.dumps(rest, separators=(",", ":"))
    print(f"[Line 295] Exec WebAPI:  {called}, param={param}, runner=SYSTEM_ADMIN", file=sys.stderr)
