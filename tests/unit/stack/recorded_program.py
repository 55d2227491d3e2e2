"""Run `__main__.py` on mocks of Pulumi and record what it registers.

In a process of its own, since Pulumi's runtime keeps its state in globals: as `python -m`, or forked. The
task is a JSON object: `config` by `namespace:key`, `zones` (name -> id), `records` (name, type, values),
`readable` (whether records may be listed) and `preview`. What comes out is one, too: `resources`, the custom
ones, `warnings`, `outputs` and `error`.
"""

from __future__ import annotations

import asyncio
import json
import runpy
import sys
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import mocks, rpc
from pulumi.runtime.proto import engine_pb2
from pulumi.runtime.stack import run_pulumi_func

import infrastructure.bundle

PROJECT = Path(__file__).parents[3]
ACCOUNT = "123456789012"


class _Answers(mocks.Mocks):
    def __init__(self, task: Mapping[str, Any]) -> None:
        self._zones: dict[str, str] = task["zones"]
        self._records: list[dict[str, Any]] = task["records"]
        self._readable: bool = task["readable"]

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        made: dict[str, Any] = {"name": f"{args.name}-1234567", "arn": f"arn:aws:x:::{args.name}"}
        if args.typ == "aws:lambda/invocation:Invocation":
            made["result"] = json.dumps({"name": args.name, "serial": "abc123"})
        if args.typ == "aws:route53/zone:Zone":
            made |= {"zoneId": "ZMADE", "nameServers": ["ns-1.test.", "ns-2.test."]}
        return f"{args.name}-id", {**args.inputs, **made}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        answers: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "aws:route53/getZone:getZone": self._zone,
            "aws:route53/getZones:getZones": lambda _: {"ids": list(self._zones.values())},
            "aws:route53/getRecords:getRecords": self._records_of,
            "aws:index/getCallerIdentity:getCallerIdentity": lambda _: {"accountId": ACCOUNT},
            "aws:index/getRegion:getRegion": lambda _: {"region": "eu-central-1"},
        }
        answer = answers[args.token]
        try:
            return answer(args.args), []
        except LookupError as error:  # a failure of the call, as the provider reports it
            return {}, [("", str(error))]

    def _zone(self, args: Mapping[str, Any]) -> dict[str, Any]:
        for name, zone_id in self._zones.items():
            if args.get("name") == name or args.get("zoneId") == zone_id:
                return {"zoneId": zone_id, "name": name, "privateZone": False}
        # In the provider's words.
        raise LookupError(f"no matching Route 53 Hosted Zone found: {args.get('name', args.get('zoneId'))}")

    def _records_of(self, args: Mapping[str, Any]) -> dict[str, Any]:
        if not self._readable:
            raise LookupError("AccessDenied: route53:ListResourceRecordSets")
        sets = [
            {
                "name": f"{one['name']}.",
                "type": one["type"],
                "resourceRecords": [{"value": value} for value in one.get("values", ())],
                "setIdentifier": one.get("set_identifier", ""),
                "aliasTarget": {"dnsName": one["alias"]} if "alias" in one else None,
            }
            for one in self._records
        ]
        return {"zoneId": args["zoneId"], "resourceRecordSets": sets}


class _Recorder(mocks.MockMonitor):
    """Notes each custom resource as it is registered, with the URNs that it waits for."""

    def __init__(self, answers: _Answers) -> None:
        super().__init__(answers)
        self.recorded: list[dict[str, Any]] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the engine's name
        if request.custom:
            inputs = rpc.deserialize_properties(request.object)
            self.recorded.append(
                {
                    "type": request.type,
                    "name": request.name,
                    "parent": request.parent,
                    "dependencies": list(request.dependencies),
                    "inputs": inputs,
                    "protect": request.protect,
                    "ignored": list(request.ignoreChanges),
                    "retain": request.retainOnDelete,
                }
            )
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]


class _Engine(mocks.MockEngine):
    def __init__(self) -> None:
        super().__init__(None)
        self.warnings: list[str] = []

    def Log(self, request: Any) -> Any:  # noqa: N802 - the engine's name
        if request.severity == engine_pb2.WARNING:
            self.warnings.append(request.message)
        return None


def _no_bundle(platform: infrastructure.bundle.Platform, build: Path) -> Path:
    return build / f"{platform.name}.zip"


def recorded(task: Mapping[str, Any]) -> str:
    """Run the program as `task` says, once in this process, and return what it did as JSON."""
    answers = _Answers(task)
    recorder = _Recorder(answers)
    infrastructure.bundle.build_bundle = _no_bundle
    asyncio.set_event_loop(loop := asyncio.new_event_loop())
    pulumi.runtime.set_all_config(task["config"])
    mocks.set_mocks(answers, "synology-https", "dev", preview=task["preview"], monitor=recorder)
    engine = _Engine()
    pulumi.runtime.settings.SETTINGS.engine = engine

    def program() -> None:
        runpy.run_path(str(PROJECT / "__main__.py"), run_name="__main__")

    error: str | None = None
    outputs: Any = {}
    try:
        loop.run_until_complete(run_pulumi_func(program))
        root = pulumi.runtime.get_root_resource()
        outputs = loop.run_until_complete(pulumi.Output.from_input(root.outputs).future())  # type: ignore[union-attr]
    except pulumi.RunError as refused:
        error = str(refused)
    return json.dumps(
        {"resources": recorder.recorded, "warnings": engine.warnings, "outputs": outputs, "error": error},
        default=lambda value: getattr(value, "path", str(value)),
    )


def send_recorded(task: Mapping[str, Any], to: Connection) -> None:
    """Run the program in a process made for it, and send what it did, or why it failed."""
    try:
        to.send(recorded(task))
    except Exception:
        to.send(traceback.format_exc())


if __name__ == "__main__":
    sys.stdout.write(recorded(json.load(sys.stdin)))
