"""Run `__main__.py` on mocks of Pulumi and record what it registers, as `python -m`.

A process of its own, since Pulumi's runtime keeps its state in globals. Standard input is the configuration,
JSON by `namespace:key`; standard output one JSON list of the custom resources.
"""

from __future__ import annotations

import asyncio
import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import mocks, rpc
from pulumi.runtime.stack import run_pulumi_func

import infrastructure.bundle

PROJECT = Path(__file__).parents[3]
ACCOUNT = "123456789012"


class _Answers(mocks.Mocks):
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        made = {"name": f"{args.name}-1234567", "arn": f"arn:aws:x:::{args.name}"}
        if args.typ == "aws:lambda/invocation:Invocation":
            made["result"] = json.dumps({"name": args.name, "serial": "abc123"})
        return f"{args.name}-id", {**args.inputs, **made}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        answers = {
            "aws:route53/getZone:getZone": {"zoneId": "Z0123456789"},
            "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT},
            "aws:index/getRegion:getRegion": {"region": "eu-central-1"},
        }
        return answers[args.token], []


class _Recorder(mocks.MockMonitor):
    """Notes each custom resource as it is registered, with the URNs that it waits for."""

    def __init__(self) -> None:
        super().__init__(_Answers())
        self.recorded: list[dict[str, Any]] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the engine's name
        if request.custom:
            resource = {"type": request.type, "name": request.name}
            inputs = rpc.deserialize_properties(request.object)
            self.recorded.append(resource | {"dependencies": list(request.dependencies), "inputs": inputs})
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]


def _no_bundle(platform: infrastructure.bundle.Platform, build: Path) -> Path:
    return build / f"{platform.name}.zip"


def main() -> None:
    """Record the program that standard input configures."""
    recorder = _Recorder()
    infrastructure.bundle.build_bundle = _no_bundle
    asyncio.set_event_loop(loop := asyncio.new_event_loop())
    pulumi.runtime.set_all_config(json.load(sys.stdin))
    mocks.set_mocks(_Answers(), "synology-https", "dev", preview=False, monitor=recorder)

    def program() -> None:
        runpy.run_path(str(PROJECT / "__main__.py"), run_name="__main__")

    loop.run_until_complete(run_pulumi_func(program))
    json.dump(recorder.recorded, sys.stdout, default=lambda value: getattr(value, "path", str(value)))


if __name__ == "__main__":
    main()
