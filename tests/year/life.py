"""One year, lived: `python -m tests.year.life TASK` runs it on the moved clock that it was started with.

TASK is a JSON file: `scenario`, `stack`, `work`, `build`, `nginx`, `moved`. The record goes to
`work/record.json`.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cryptography import x509

from local_cloud.processes import LOOPBACK
from tests.sweep.forked_handler import Ending
from tests.year.moved_time import MovedTime
from tests.year.plan import START, Event, Plan, Scenario, make_plan
from tests.year.record import Issued, Record, Run, Sight, Value, moment_of, seconds_of
from tests.year.stack import Stack
from tests.year.world import World

_DAY_SECONDS = 86_400
# About how many pieces of requests, and steps, there are in a run that has nothing to do and in one that has.
_IDLE_PIECES, _BUSY_PIECES = 4, 45
_IDLE_STEPS, _BUSY_STEPS = 8, 60
_ASKED_SECONDS = 10 * _DAY_SECONDS  # CloudWatch answers 1,440 values at once; the local one keeps two weeks
_ASK_SECONDS = 10.0


class Life:
    """A year under way."""

    def __init__(self, world: World, clock: MovedTime, plan: Plan, stack: Stack) -> None:
        self._world, self._clock, self._plan, self._stack = world, clock, plan, stack
        self._record = Record()
        self._trust = ssl.create_default_context(cadata=world.ca.issuing_root())
        self._current: dict[str, int] = {}  # serial -> when it was first AWSCURRENT, in that order
        self._due = 0.0
        self._installed = ""
        self._read_log, self._read_metrics = 0, seconds_of(START)

    def live(self) -> Record:
        """Let everything happen, and return what was seen."""
        began = time.monotonic()
        for event in self._plan.events:
            self._clock.move_to(event.at)
            self._happen(event)
        self._clock.move_to(self._plan.end)
        self._look(seconds_of(self._plan.end))
        self._note_reported(seconds_of(self._plan.end))
        self._note_issued()
        self._record.seconds = round(time.monotonic() - began, 1)
        return self._record

    def _happen(self, event: Event) -> None:
        at = seconds_of(event.at)
        if event.kind == "renewer":
            self._run_renewer(event, at)
        elif event.kind in ("agent", "boot"):
            self._run_agent(event, at)
        elif event.kind == "lifetime":
            self._world.ca.issue_for(event.number * _DAY_SECONDS)
        elif event.kind == "revoke":
            self._world.ca.revoke_everything()
        elif event.part is not None:
            if event.kind == "down":  # the NAS may stay away for longer than the local AWS keeps values
                if event.part == "nas":
                    self._look(at)
                    self._note_reported(at)
                self._world.take_down(event.part)
            else:
                self._world.bring_up(event.part)

    def _run_renewer(self, event: Event, at: int) -> None:
        busy = self._due <= at + (self._stack.interval + self._stack.window).total_seconds()
        dies_at = -1 if event.dies is None else int(event.dies * (_BUSY_PIECES if busy else _IDLE_PIECES))
        ending = self._world.run_renewer(dies_at, self._plan.scenario.mutation)
        ended = "died" if ending.killed else "well" if ending.error is None else "failed"
        outcome = ending.outcome or {}
        said = str(ending.error or outcome.get("reason", ""))
        self._record.runs.append(Run(at, "renewer", ended, said, bool(outcome.get("renewed"))))
        self._note_due(ending)
        if ended != "well" or outcome.get("renewed"):
            serial = self._world.current_serial()
            if serial:
                self._current.setdefault(serial, at)
        self._note_printed(at)
        errors = float(ended != "well")  # Lambda's own metric: runs that raised, or did not end
        name = {"FunctionName": self._stack.function_name}
        self._record.values.append(Value(at, "AWS/Lambda", "Errors", name, errors))

    def _note_due(self, ending: Ending) -> None:
        if ending.outcome is not None and not ending.outcome["renewed"]:
            due = ending.outcome.get("due")
            self._due = time.mktime(time.strptime(due, "%Y-%m-%dT%H:%M:%SZ")) if due else 0.0
        elif ending.outcome is not None:
            self._due = time.time() + 2 * _DAY_SECONDS  # until a run tells

    def _run_agent(self, event: Event, at: int) -> None:
        self._look(at)
        current = next(reversed(self._current), "")
        busy = current != self._installed
        self._world.be_lazy(event.no_reload)
        dies_at = -1 if event.dies is None else int(event.dies * (_BUSY_STEPS if busy else _IDLE_STEPS))
        ending = self._world.run_agent(dies_at, self._plan.scenario.mutation)
        ended = "died" if ending.exit_code is None else "well" if ending.exit_code == 0 else "failed"
        if ended == "well":
            self._installed = current
        self._record.runs.append(Run(at, "agent", ended, f"exit code {ending.exit_code}"))
        if at - self._read_metrics > _ASKED_SECONDS:
            self._note_reported(at)

    def _look(self, at: int) -> None:
        """See what each port serves now, as a browser that trusts the authority."""
        if self._world.is_down("nas"):
            return
        for place, (name, port) in self._world.places.items():
            self._record.sights.append(self._ask(at, place, name, port))

    def _ask(self, at: int, place: str, name: str, port: int) -> Sight:
        try:
            with (
                socket.create_connection((LOOPBACK, port), timeout=_ASK_SECONDS) as connection,
                self._trust.wrap_socket(connection, server_hostname=name) as tls,
            ):
                der = tls.getpeercert(binary_form=True)
        except OSError as error:
            return Sight(at, place, error=str(error))
        assert der is not None
        leaf = x509.load_der_x509_certificate(der)
        begin, end = (seconds_of(one) for one in (leaf.not_valid_before_utc, leaf.not_valid_after_utc))
        return Sight(at, place, begin, end, str(leaf.serial_number))

    def _note_printed(self, at: int) -> None:
        """Read the metrics that the last run printed, as CloudWatch Logs would (embedded metric format)."""
        with self._world.renewer_log.open(encoding="utf-8") as log:
            log.seek(self._read_log)
            lines = log.readlines()
            self._read_log = log.tell()
        for line in lines:
            if '"_aws"' in line:
                self._record.values += values_of(json.loads(line), at)

    def _note_reported(self, until: int) -> None:
        (wanted,) = self._stack.agent["certificates"]
        name = wanted["names"][0]
        for metric in ("LifeLeft", "DaysLeft"):
            found = self._world.reported(metric, name, moment_of(self._read_metrics), moment_of(until))
            namespace, dimensions = self._stack.agent["metric_namespace"], {"certificate": name}
            self._record.values += [Value(at, namespace, metric, dimensions, value) for at, value in found]
        self._read_metrics = until

    def _note_issued(self) -> None:
        for one in self._world.ca.issued():
            begin, end = (
                seconds_of(moment) for moment in (one.not_valid_before_utc, one.not_valid_after_utc)
            )
            serial = str(one.serial_number)
            self._record.issued.append(Issued(serial, begin, end, self._current.get(serial, 0)))


def values_of(line: dict[str, Any], at: int) -> list[Value]:
    """Return the values in a line of the embedded metric format; they count for the minute it names."""
    found = []
    stamped = line["_aws"]["Timestamp"] // 1000
    assert stamped == at, f"the line is of {moment_of(stamped)}, and the run was at {moment_of(at)}"
    for directive in line["_aws"]["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            dimensions = {name: line[name] for name in names}
            for metric in directive["Metrics"]:
                value = line[metric["Name"]]
                first = value[0] if isinstance(value, list) else value
                found.append(Value(stamped, directive["Namespace"], metric["Name"], dimensions, float(first)))
    return found


def main() -> None:
    """Live the year of the task."""
    task: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text())
    fields = task["scenario"]
    scenario = Scenario(**{**fields, "lifetimes": tuple(map(tuple, fields["lifetimes"]))})
    stack, work = Stack(**task["stack"]), Path(task["work"])
    moved: dict[str, str] = task["moved"]
    clock = MovedTime(Path(moved["FAKETIME_TIMESTAMP_FILE"]), Path(moved["LD_PRELOAD"]))
    plan = make_plan(scenario, stack.interval, stack.window)
    with ExitStack() as opened:
        world = World(
            work,
            Path(task["build"]),
            task["nginx"],
            stack,
            opened,
            lifetime_seconds=scenario.lifetimes[0][1] * _DAY_SECONDS,
            renewal_info=scenario.renewal_info,
            moved=moved,
        )
        record = Life(world, clock, plan, stack).live()
    record.write(work / "record.json")


def task_of_life(
    scenario: Scenario, stack: Stack, work: Path, build: Path, nginx: str, moved: dict[str, str]
) -> str:
    """Return the task of a life, JSON."""
    return json.dumps(
        {
            "scenario": asdict(scenario),
            "stack": asdict(stack),
            "work": str(work),
            "build": str(build),
            "nginx": nginx,
            "moved": moved,
        }
    )


if __name__ == "__main__":
    main()
