"""Recorded runs of `__main__.py`: what the tests of the program look at."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from local_cloud.stack.program import stack_config
from tests.unit.stack.recorded_program import PROJECT, send_recorded

ZONES = {"example.com": "Z0123456789", "example.net": "Z1123456789", "example.org": "Z2123456789"}

Resource = dict[str, Any]


@dataclass(frozen=True)
class Recording:
    """A run of the program.

    Attributes:
        resources: the custom resources that it registered.
        warnings: the lines that preview prints.
        outputs: the stack's.
        error: why it ended early, or None.
    """

    resources: list[Resource]
    warnings: list[str]
    outputs: dict[str, Any]
    error: str | None

    def all(self, resource_type: str) -> list[Resource]:
        return [resource for resource in self.resources if resource["type"] == resource_type]

    def one(self, resource_type: str, name: str | None = None) -> Resource:
        (found,) = [one for one in self.all(resource_type) if name in (None, one["name"])]
        return found

    def inputs(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {(one["type"], one["name"]): one["inputs"] for one in self.resources}


def record(
    settings: Mapping[str, Any] | None = None,
    *,
    zones: Mapping[str, str] = ZONES,
    records: tuple[Mapping[str, Any], ...] = (),
    readable: bool = True,
    preview: bool = False,
) -> Recording:
    """Run the program with `settings` over the development stack's; None takes one away.

    Args:
        settings: by key.
        zones: the account's hosted zones, name -> id.
        records: what is in them, with name, type and values.
        readable: whether they may be listed.
        preview: as `pulumi preview` runs it.
    """
    return _recorded(task_of(settings, zones=zones, records=records, readable=readable, preview=preview))


def task_of(
    settings: Mapping[str, Any] | None = None,
    *,
    zones: Mapping[str, str] = ZONES,
    records: tuple[Mapping[str, Any], ...] = (),
    readable: bool = True,
    preview: bool = False,
) -> str:
    """Return the task of `record` with the same arguments, JSON."""
    task = {
        "config": stack_config(PROJECT, "dev", settings or {}),
        "zones": dict(zones),
        "records": list(records),
        "readable": readable,
        "preview": preview,
    }
    return json.dumps(task)


def several(certificates: Mapping[str, Any], nas: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return settings of the form with several certificates and NASes."""
    return {
        "domain": None,
        "nas_address": None,
        "services": None,
        "certificates": dict(certificates),
        "nas": dict(nas),
        **more,
    }


def with_seed(recorded_task: str, seed: int) -> Recording:
    """Run a task in a new interpreter whose hashes, which decide the order of sets, have `seed`."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.stack.recorded_program"],
        input=recorded_task,
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env={**os.environ, "PYTHONHASHSEED": str(seed)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Recording(**json.loads(done.stdout))


@cache
def _recorded(task: str) -> Recording:
    """Run a task in a process that is forked from one that has imported everything already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.unit.stack.preloaded"])
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=send_recorded, args=(json.loads(task), there))
    process.start()
    there.close()
    text = here.recv()
    process.join()
    assert text.startswith("{"), text
    return Recording(**json.loads(text))
