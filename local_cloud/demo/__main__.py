"""The demo, step by step: `make demo`, or `python -m local_cloud.demo [--keep]`."""

from __future__ import annotations

import argparse
import select
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from rich.markup import escape

from infrastructure.bundle import BundleError
from local_cloud import listeners
from local_cloud.engine.cli import find_cli
from local_cloud.processes import LOOPBACK, ServiceError, adopt_orphans, reap_orphans
from local_cloud.stack import DeployError, Engine
from local_cloud.system_programs import ProgramMissing

from . import steps
from .client import Client
from .report import Report
from .world import World, start_world

BUILD = Path(__file__).parents[2] / "build"
_AGENT_PAUSE_SECONDS = 30

_EXPECTED = (steps.DemoFailed, DeployError, ServiceError, BundleError, ProgramMissing)


def demo(world: World, report: Report, *, mocks: bool = False) -> None:
    """Show the main job, and prove each part of it; `mocks` leaves Pulumi's engine aside."""
    client = Client(world.acme.issuing_root())
    steps.refused_before(world, client, report)
    cli = None if mocks else find_cli(BUILD)
    outputs = steps.up(world, report, Engine(cli, world.work / "engine") if cli else None)
    steps.install(world, client, report, outputs)
    steps.keys_do_no_more_than_they_need(world, report, outputs, world.nas.credentials)
    steps.second_run_changes_nothing(world, report)
    steps.renewed_by_the_schedule(world, client, report, outputs)
    steps.loopback_only(report)


def main() -> int:
    """Run the demo; the exit code is 0 if every line of the table holds, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="make demo", description="The main job end to end, on the embedded cloud."
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave everything up until Enter; the URLs are printed"
    )
    parser.add_argument(
        "--mocks", action="store_true", help="run the stack on Pulumi's mocks, also where its engine is there"
    )
    options = parser.parse_args()
    keep = options.keep
    signal.signal(signal.SIGTERM, _interrupt)
    adopt_orphans()
    report, began = Report(), time.monotonic()
    failure: str | None = None
    interrupted = False
    try:
        with ExitStack() as stack:
            world = start_world(BUILD, stack, report)
            demo(world, report, mocks=options.mocks)
            if keep:
                _keep(world, report)
    except KeyboardInterrupt:
        interrupted = not keep or not report.proven
        failure = "interrupted" if interrupted else None
    except _EXPECTED as error:
        failure = str(error)
    except Exception as error:
        failure = f"{type(error).__name__}: {error}"
        report.console.print_exception()
    reap_orphans()
    left = listeners.children()
    report.prove(
        "no process is left",
        holds=not left,
        measured=", ".join(f"{process.name()} ({process.pid})" for process in left) or "none",
    )
    report.show()
    seconds = time.monotonic() - began
    report.write(BUILD / "demo" / "report.json", seconds=seconds, error=failure)
    if failure is not None:
        report.console.print(f"[red]failed after {seconds:.0f} s:[/red] {escape(failure)}")
    report.console.print(f"{seconds:.0f} s; the same as JSON: build/demo/report.json")
    if interrupted:
        return 130
    return 0 if report.proven and failure is None else 1


def _keep(world: World, report: Report) -> None:
    """Leave everything up until Enter or a signal, the agent running as Task Scheduler would run it."""
    report.show()
    root = world.nas.home / "ca.pem"
    for name, port in steps.pages(world):
        report.console.print(
            f"curl --cacert {root} --resolve {name}:{port}:{LOOPBACK} https://{name}:{port}/"
        )
    report.console.print(f"local AWS: {world.aws.endpoint}   ACME: {world.acme.directory_url}")
    report.console.print("Enter or Ctrl-C tears it down; until then the agent runs every 30 seconds.")
    waiting = [sys.stdin] if sys.stdin.isatty() else []
    while not select.select(waiting, [], [], _AGENT_PAUSE_SECONDS)[0]:
        report.note(world.nas.run_task().output)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
