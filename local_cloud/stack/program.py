"""Run the project's `__main__.py` on Pulumi's mocks, whose resources are real ones of the local AWS.

A process of its own, since Pulumi's runtime keeps its state in globals. Reads one JSON object from standard
input, writes a line for each resource and one with the stack's outputs as JSON to standard output; on failure
exits with 1 and the reason there.
"""

from __future__ import annotations

import asyncio
import json
import runpy
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pulumi
import yaml
from botocore.config import Config
from pulumi.runtime import mocks
from pulumi.runtime.stack import run_pulumi_func

from .deploy import OUTPUTS, PROGRESS
from .types import Cloud, UnknownTypeError, named, resource_type
from .types.functions import answer

PROJECT = Path(__file__).parents[2]
_LAMBDA_SECONDS = 900


class _LocalCloud(mocks.Mocks):
    def __init__(self, cloud: Cloud, *, preview: bool) -> None:
        self._cloud = cloud
        self._preview = preview

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if not args.custom or self._preview:
            return args.name, dict(args.inputs)
        sys.stdout.write(f"{PROGRESS}{args.typ} {args.name}\n")
        sys.stdout.flush()
        kind = resource_type(args.typ)
        inputs = named(kind, args.name, _whole(args.inputs))
        made, outputs = kind.create(self._cloud, inputs)
        return made, {**inputs, **outputs}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        try:
            return answer(self._cloud, args.token, args.args), []
        except UnknownTypeError:
            raise
        except LookupError as error:  # the provider's own answer where AWS has nothing that fits
            return {}, [("", str(error))]


def _whole(value: Any) -> Any:
    """Return the inputs with whole numbers as int: the engine's messages know only floating ones."""
    if isinstance(value, dict):
        return {key: _whole(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_whole(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def stack_config(project: Path, stack: str, overrides: Mapping[str, Any]) -> dict[str, str]:
    """Return the configuration as the engine gives it: defaults, the stack's file, overrides.

    Returns:
        `namespace:key` -> text, or JSON where the value is no text.
    """
    declared = yaml.safe_load((project / "Pulumi.yaml").read_text())
    chosen = yaml.safe_load((project / f"Pulumi.{stack}.yaml").read_text())["config"]
    namespace = declared["name"]
    values = {
        f"{namespace}:{key}": about["default"]
        for key, about in declared["config"].items()
        if "default" in about
    }
    values |= chosen | {f"{namespace}:{key}": value for key, value in overrides.items()}
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
        if value is not None
    }


def _run(task: Mapping[str, Any]) -> dict[str, Any]:
    def client(service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=task["endpoint"],
            region_name=task["region"],
            aws_access_key_id=task["access_key"],
            aws_secret_access_key=task["secret_key"],
            config=Config(read_timeout=_LAMBDA_SECONDS, retries={"total_max_attempts": 1}, proxies={}),
        )

    cloud = Cloud(cache(client), task["region"], Path(task["local_bundle"]), task["lambda_environment"])
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    pulumi.runtime.set_all_config(stack_config(PROJECT, task["stack"], task["config"]))
    mocks.set_mocks(
        _LocalCloud(cloud, preview=task["preview"]),
        "synology-https",
        task["stack"],
        preview=task["preview"],
    )
    sys.path.insert(0, str(PROJECT))

    def program() -> None:
        runpy.run_path(str(PROJECT / "__main__.py"), run_name="__main__")

    loop.run_until_complete(run_pulumi_func(program))
    root = pulumi.runtime.get_root_resource()
    outputs = loop.run_until_complete(pulumi.Output.from_input(root.outputs).future())  # type: ignore[union-attr]
    return outputs if isinstance(outputs, dict) else {}


def main() -> int:
    """Apply the stack that standard input describes."""
    task = json.load(sys.stdin)
    try:
        outputs = _run(task)
    except Exception as error:
        reason = error.__cause__ or error
        print(f"error: {reason}")
        return 1
    print(OUTPUTS + json.dumps(outputs, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
