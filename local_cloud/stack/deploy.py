"""`pulumi up` and `pulumi preview` of this project, on the local AWS."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_cloud.ministack.server import REGION, ROOT, LocalAws
from local_cloud.processes import child

PROJECT = Path(__file__).parents[2]
# How the lines of the program begin that are not its errors.
PROGRESS = "creating "
OUTPUTS = "outputs "
# The programs that run the project's own, each in a process of its own.
_MOCKS, _ENGINE = "local_cloud.stack.program", "local_cloud.engine.program"


@dataclass(frozen=True)
class Engine:
    """Pulumi's real engine.

    Attributes:
        cli: Pulumi's CLI.
        folder: for all that the engine writes.
    """

    cli: Path
    folder: Path


class DeployError(RuntimeError):
    """The stack could not be applied; the text is what the program said."""


def deploy(
    aws: LocalAws,
    config: Mapping[str, Any],
    *,
    local_bundle: Path,
    resolver: str,
    stack: str = "dev",
    engine: Engine | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Apply the stack and return its outputs.

    Args:
        aws: the local AWS, with the hosted zone of the domain in it.
        config: settings over those of the stack's file, by key; None takes a key away.
        local_bundle: the Lambda zip built for this machine.
        resolver: address:port of the DNS server that the renewer asks.
        stack: the stack's name; `Pulumi.<stack>.yaml` is read.
        engine: Pulumi's real engine, or None for its mocks.
        progress: is told of each resource as it is created.

    Raises:
        DeployError: a setting is wrong, AWS refused, or the first run of the renewer failed.
    """
    task = _task(aws.endpoint, config, stack) | {
        "local_bundle": str(local_bundle),
        "lambda_environment": {"DNS_RESOLVER": resolver},
        "preview": False,
    }
    if engine is None:
        return _run(_MOCKS, task, progress)
    where = {"cli": str(engine.cli), "folder": str(engine.folder)}
    return _run(_ENGINE, task | where, progress)


def preview(config: Mapping[str, Any], *, aws: LocalAws | None = None, stack: str = "dev") -> dict[str, Any]:
    """Run the program with every output of a resource unknown, creating nothing.

    Raises:
        DeployError: a setting is wrong.
    """
    endpoint = aws.endpoint if aws else "http://127.0.0.1:9"  # the discard port: nothing answers
    return _run(
        _MOCKS,
        _task(endpoint, config, stack) | {"local_bundle": "", "lambda_environment": {}, "preview": True},
        lambda _: None,
    )


def _task(endpoint: str, config: Mapping[str, Any], stack: str) -> dict[str, Any]:
    return {
        "endpoint": endpoint,
        "region": REGION,
        "access_key": ROOT.access_key,
        "secret_key": ROOT.secret_key,
        "stack": stack,
        "config": dict(config),
    }


def _run(program: str, task: Mapping[str, Any], progress: Callable[[str], None]) -> dict[str, Any]:
    outputs: dict[str, Any] = {}
    said = []
    with child(
        [sys.executable, "-m", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=PROJECT,
    ) as running:
        assert running.stdin and running.stdout  # noqa: S101 - both are pipes
        running.stdin.write(json.dumps(task))
        running.stdin.close()
        for line in running.stdout:
            if line.startswith(PROGRESS):
                progress(line.strip())
            elif line.startswith(OUTPUTS):
                outputs = json.loads(line.removeprefix(OUTPUTS))
            else:
                said.append(line)
        if running.wait():
            raise DeployError("".join(said).strip())
    return outputs
