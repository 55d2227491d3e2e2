"""Several years, each in processes of its own on a moved clock, a few at a time."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

from local_cloud.acme import acme2certifier
from local_cloud.ministack.server import LocalAws
from local_cloud.processes import child
from local_cloud.system_programs import provide
from tests.year.checks import check_year, in_charge, needed
from tests.year.expected_alarms import FURTHER, alarms_of, check_alarms, times_on
from tests.year.life import task_of_life
from tests.year.moved_time import MovedTime
from tests.year.picture import draw, issued_line, served_line
from tests.year.plan import START, Plan, Scenario, make_plan
from tests.year.record import Record, moment_of
from tests.year.stack import Stack, describe_stack

BUILD = Path(__file__).resolve().parents[2] / "build"
DROP = "drop"
"""The scenario in which the lifetime drops after each third, as Let's Encrypt's will: 90 days, 64, 45."""

_DROPS = (90, 64, 45)
_OWN = ("PATH", "HOME", "LANG", "PYTHONPYCACHEPREFIX")


@dataclass(frozen=True)
class Lived:
    """A year that is over.

    Attributes:
        scenario: which one.
        plan: what was to happen in it.
        record: what was seen.
        stack: what it ran on.
        broken: what did not hold.
    """

    scenario: Scenario
    plan: Plan
    record: Record
    stack: Stack
    broken: list[str]

    def figures(self) -> dict[str, object]:
        """Return the year in figures; of each alarm how often it may go on at most, and at least."""
        runs = {
            f"{who} {ended}": sum((run.who, run.ended) == (who, ended) for run in self.record.runs)
            for who in ("renewer", "agent")
            for ended in ("well", "failed", "died")
        }
        shares = [
            ((sight.end - sight.at) / (sight.end - sight.begin), sight.at)
            for sight in in_charge(self.record, self.plan)
            if not sight.error
        ]
        times = [
            times_on(alarms_of(self.record, self.stack, further=further), self.plan) for further in FURTHER
        ]
        least, at = min(shares, default=(0.0, 0))
        return {
            "runs": runs,
            "outages": len(self.plan.outages),
            "issued": len(self.record.issued),
            "at most needed": needed(self.plan, self.stack),
            "least share left served": round(least, 3),
            "at": f"{moment_of(at):%Y-%m-%d %H:%M}",
            "alarms went on": {name: [counted[name] for counted in times] for name in self.stack.alarms},
            "seconds": self.record.seconds,
        }


def scenario_of(lifetime: str, seed: int, *, days: int = 365) -> Scenario:
    """Return the year of a lifetime in days, or of DROP; odd seeds have ARI, even ones do not."""
    drops = tuple((number * days // len(_DROPS), one) for number, one in enumerate(_DROPS))
    lifetimes = drops if lifetime == DROP else ((0, int(lifetime)),)
    name = lifetime if lifetime == DROP else f"{lifetime}-days"
    return Scenario(name, lifetimes, seed, renewal_info=seed % 2 == 1, days=days)


def live_all(scenarios: Sequence[Scenario], *, workers: int, folder: Path) -> Iterator[Lived]:
    """Live the years, so many at a time, and yield each when it is over.

    Raises:
        ProgramMissing: libfaketime or nginx cannot be had.
        ServiceError: the local AWS or the authority cannot be had.
    """
    nginx = str(provide(["nginx"], BUILD)["nginx"])
    MovedTime.provided(folder / "now", BUILD)
    LocalAws(BUILD).prepare()
    acme2certifier.install(BUILD)
    stacks = {short: describe_stack(short_lived=short) for short in {one.short_lived for one in scenarios}}
    with ThreadPoolExecutor(workers) as threads:
        lives = [threads.submit(live, one, stacks[one.short_lived], nginx, folder) for one in scenarios]
        for life in as_completed(lives):
            yield life.result()


def live(scenario: Scenario, stack: Stack, nginx: str, folder: Path) -> Lived:
    """Live one year below `folder`, and hold it to what must hold.

    Raises:
        RuntimeError: its process failed; the text ends with what it said.
    """
    work = folder / scenario.title
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    clock = MovedTime.provided(work / "now", BUILD)
    clock.move_to(START)
    task = work / "task.json"
    task.write_text(task_of_life(scenario, stack, work, BUILD, nginx, clock.environment))
    own = {name: os.environ[name] for name in _OWN if name in os.environ}
    said = work / "life.log"
    with (
        said.open("w") as log,
        child(
            [sys.executable, "-m", "tests.year.life", task],
            env={**own, "NO_PROXY": "*", **clock.environment},
            cwd=Path(__file__).resolve().parents[2],
            stdout=log,
            stderr=log,
        ) as process,
    ):
        status = process.wait()
    if status:
        raise RuntimeError(f"the year {scenario.title} ended with code {status}:\n{said.read_text()[-3000:]}")
    lived = judge(scenario, stack, Record.read(work / "record.json"))
    _show(lived, folder)
    return lived


def judge(scenario: Scenario, stack: Stack, record: Record) -> Lived:
    """Hold what was seen of a year to what must hold."""
    plan = make_plan(scenario, stack.interval, stack.window)
    broken = [*check_year(record, plan, stack), *check_alarms(record, plan, stack)]
    return Lived(scenario, plan, record, stack, broken)


def _show(lived: Lived, folder: Path) -> None:
    """Write the picture and the data that it shows; of a year in which all held, no more stays."""
    title = lived.scenario.title
    data = {
        "scenario": asdict(lived.scenario),
        "figures": lived.figures(),
        "broken": lived.broken,
        "outages": [[one.part, one.start.isoformat(), one.end.isoformat()] for one in lived.plan.outages],
        "revoked": lived.plan.revoked.isoformat() if lived.plan.revoked else None,
        "issued": issued_line(lived.record, lived.plan),
        "served": served_line(lived.record),
    }
    (folder / f"{title}.json").write_text(json.dumps(data) + "\n")
    (folder / f"{title}.svg").write_text(draw(title.replace("-", " "), lived.record, lived.plan))
    if not lived.broken:
        shutil.rmtree(folder / title, ignore_errors=True)
