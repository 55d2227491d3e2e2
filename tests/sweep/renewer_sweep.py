"""Every fault at every request of an issuance, each followed by the run that the schedule would start next.

`make sweep`, or `python -m tests.sweep.renewer_sweep --only finalize#1/late` to repeat one case. It first
drives a renewal and a very first issuance through a proxy that names their requests; those are the points.
"""

from __future__ import annotations

import argparse
import os
import queue
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from local_cloud.acme import Pebble
from local_cloud.dns_server import DnsServer
from local_cloud.ministack.server import LocalAws
from local_cloud.system_programs import provide
from tests.sweep.renewer_cases import Case, cases_of, find_points, try_case
from tests.sweep.renewer_world import BUILD, WORK, Cloud, Subject, Worker

LIFETIME_SECONDS = 90 * 86_400
SCENARIOS = ("renewal", "first issuance")
NONCE_ISSUANCES, NONCE_PERCENT = 40, 50
FAULTS = 5  # killing, before and after the request reached the server, is one


def issue_without_nonces(workers: queue.Queue[Worker], pebble: Pebble, number: int) -> str | None:
    """Issue through an authority that refuses half of the nonces; return what went wrong."""
    worker = workers.get()
    try:
        subject = worker.subject(f"nonces {number}")
        ending = worker.run(subject, pebble=pebble)
        return None if ending.outcome and ending.outcome["renewed"] else f"{ending}"
    finally:
        workers.put(worker)


def main() -> int:
    """Run the sweep; the exit code says whether everything held."""
    parser = argparse.ArgumentParser(description="Every fault at every request of an issuance.")
    parser.add_argument("--only", metavar="POINT/FAULT", help="such as finalize#1/late, or finalize#1")
    parser.add_argument("--scenario", choices=SCENARIOS, action="append", help="both by default")
    parser.add_argument("--workers", type=int, default=4, help="cases at a time (default: 4)")
    options = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True)
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    began = time.monotonic()
    with ExitStack() as stack:
        aws = stack.enter_context(LocalAws(BUILD))
        secrets, route53 = aws.client("secretsmanager"), aws.client("route53")
        dns = stack.enter_context(DnsServer(route53))
        program = Path(os.environ.get("PEBBLE") or provide(["pebble"], BUILD)["pebble"])

        def authority(folder: str, nonce_reject_percent: int) -> Pebble:
            pebble = Pebble(
                program,
                _made(WORK / folder),
                dns.port,
                LIFETIME_SECONDS,
                nonce_reject_percent=nonce_reject_percent,
            )
            return stack.enter_context(pebble)

        pebble = authority("pebble", 0)
        cloud = Cloud(aws, dns, pebble, pebble.issuing_root(), secrets, route53)
        pool = [Worker(cloud, number, stack) for number in range(options.workers)]
        points = {name: find_points(pool[0], name) for name in options.scenario or SCENARIOS}
        for name, found in points.items():
            console.print(f"{name}, {len(found)} points: {', '.join(found)}")
        cases = [case for name, found in points.items() for case in cases_of(name, found, options.only)]
        workers: queue.Queue[Worker] = queue.Queue()
        for worker in pool:
            workers.put(worker)
        threads = stack.enter_context(ThreadPoolExecutor(options.workers))
        failures = _sweep(console, threads, workers, cases, points)
        seconds = time.monotonic() - began
        if not options.only:
            refused = authority("pebble-nonces", NONCE_PERCENT)
            failures += _issue_forty(console, threads, workers, refused)
    count = sum(map(len, points.values()))
    if failures:
        console.print(f"[red]{len(failures)} of {len(cases)} cases did not recover[/red]; logs are in {WORK}")
        for failure in failures:
            console.print(f"[red]✗[/red] {escape(failure)}")
        return 1
    if not cases or options.only:
        console.print(f"{len(cases)} cases of {options.only}, all recovered" if cases else "no such point")
        return 0 if cases else 1
    console.print(f"{len(cases)} cases in {seconds:.0f} s; with nonces {time.monotonic() - began:.0f} s")
    console.print(f"{count} points x {FAULTS} faults, all recovered")
    return 0


def _sweep(
    console: Console,
    threads: ThreadPoolExecutor,
    workers: queue.Queue[Worker],
    cases: list[Case],
    points: dict[str, list[str]],
) -> list[str]:
    def attempt(case: Case) -> tuple[Case, list[str], Subject | None]:
        worker = workers.get()
        try:
            return case, *try_case(worker, case, points[case.scenario])
        except Exception as error:
            return case, [f"the sweep itself failed: {error!r}"], None
        finally:
            workers.put(worker)

    def show(case: Case, broken: list[str], subject: Subject | None) -> str:
        console.print(f"[red]✗[/red] {case}")
        for what in broken:
            console.print(f"  {what}", markup=False)
        if subject is not None:
            passed = (f"{one.operation}={one.status or '-'}" for one in subject.exchanges)
            console.print(f"  passed: {' '.join(passed)}\n  log {subject.log}:", markup=False)
            console.print(subject.log.read_text() if subject.log.exists() else "", markup=False)
        return f"{case}: {'; '.join(broken)}"

    return _show_progress(
        console, threads, "cases", attempt, cases, lambda done: done[1], lambda done: show(*done)
    )


def _issue_forty(
    console: Console, threads: ThreadPoolExecutor, workers: queue.Queue[Worker], pebble: Pebble
) -> list[str]:
    failures = _show_progress(
        console,
        threads,
        "issuances",
        lambda number: issue_without_nonces(workers, pebble, number),
        list(range(NONCE_ISSUANCES)),
        lambda error: error,
        str,
    )
    done = NONCE_ISSUANCES - len(failures)
    console.print(f"{done} of {NONCE_ISSUANCES} issuances succeeded with {NONCE_PERCENT} % of nonces refused")
    return failures


def _show_progress(
    console: Console,
    threads: ThreadPoolExecutor,
    what: str,
    work: Callable[[Any], Any],
    items: list[Any],
    is_broken: Callable[[Any], object],
    show: Callable[[Any], str],
) -> list[str]:
    """Do `work` for each of the items, show the broken ones as they come, and return a line for each."""
    failures = []
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=len(items))
        for number, future in enumerate(as_completed([threads.submit(work, item) for item in items]), 1):
            done = future.result()
            if is_broken(done):
                failures.append(show(done))
            progress.advance(task)
            if not console.is_terminal and number % 50 == 0:
                console.print(f"{number} of {len(items)} {what}")
    return failures


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())
