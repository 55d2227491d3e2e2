"""Which alarms a person should have got, from what really happened, against those that the stack's would be.

What happened is taken from the runs' endings and from what was served and issued, never from the metrics; the
alarms go by the metrics alone, and by the definitions that the stack makes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from tests.alarm_rule import Alarm
from tests.year.checks import LEAST_SHARE, current_at
from tests.year.plan import DAY, HOUR, START, Plan
from tests.year.record import Record, Sight, moment_of, seconds_of
from tests.year.stack import Stack

HOUR_SECONDS, DAY_SECONDS = HOUR.total_seconds(), DAY.total_seconds()
# A certificate with more left than this is in order, as an ordinary renewal is well above it.
_GOOD_SHARE, _GOOD_SHARE_OF_SHORT = 0.25, 0.4
_SETTLED = 2 * DAY  # from then on the alarms' longest periods are full


@dataclass(frozen=True)
class Verdict:
    """What is known at a moment: the alarm must be on, must not be on, or may be either."""

    on: bool | None
    why: str = ""


@dataclass
class Truth:
    """What really happened, as each alarm should tell it."""

    record: Record
    plan: Plan
    stack: Stack

    def __post_init__(self) -> None:
        """Sort it by who and how."""
        runs = self.record.runs
        self._bad = [run.at for run in runs if run.who == "renewer" and run.ended != "well"]
        self._looked = [run.at for run in runs if run.who == "renewer" and run.ended != "died"]
        self._told = [run.at for run in runs if run.who == "agent" and run.ended != "died"]
        self._seen: dict[int, list[Sight]] = defaultdict(list)
        for sight in self.record.sights:
            self._seen[sight.at].append(sight)
        self._looks = sorted(self._seen)
        self._good = _GOOD_SHARE_OF_SHORT if self.plan.scenario.short_lived else _GOOD_SHARE

    def verdict(self, alarm: str, now: float) -> Verdict:
        """Return whether the alarm of this name must be on at a moment.

        Raises:
            KeyError: nobody knows what it stands for.
        """
        kinds = {
            "renewer-fails": self._fails,
            "renewer-silent": self._silent_renewer,
            "issued-ends": self._issued_ends,
            "nas-silent": self._silent_nas,
            "served-ends": self._served_ends,
        }
        kind = next(kind for kind in kinds if alarm.startswith(kind))
        return kinds[kind](now)

    def _fails(self, now: float) -> Verdict:
        failed = _last(self._bad, now) > now - DAY_SECONDS
        return Verdict(failed, "a run failed within a day" if failed else "no run failed within a day")

    def _silent_renewer(self, now: float) -> Verdict:
        patience = (2 * self.stack.interval + self.stack.window).total_seconds()
        silent = _last(self._looked, now) <= now - patience
        return Verdict(silent, "no run ended in time" if silent else "a run ended in time")

    def _silent_nas(self, now: float) -> Verdict:
        silent = _last(self._told, now) <= now - 2 * DAY_SECONDS
        return Verdict(silent, "no run for two days" if silent else "a run within two days")

    def _issued_ends(self, now: float) -> Verdict:
        looked = _last(self._looked, now)
        current = current_at(self.record, now)
        if current is None:
            return Verdict(True, "nothing is issued")
        at_look = current_at(self.record, looked)
        if at_look is not None and looked > now - (self.stack.interval + self.stack.window).total_seconds():
            share = (at_look.end - looked) / (at_look.end - at_look.begin)
            if share > self._good:
                return Verdict(False, f"{share:.0%} are left")
        share = (current.end - now) / (current.end - current.begin)
        return Verdict(True, f"{share:.0%} are left") if share < LEAST_SHARE else Verdict(None)

    def _served_ends(self, now: float) -> Verdict:
        told = _last(self._told, now)
        if told <= now - 2 * DAY_SECONDS:
            return Verdict(True, "no run for two days")
        share = self._share_served(told, now)
        if told > now - DAY_SECONDS / 2 and share is not None and share > self._good:
            return Verdict(False, f"{share:.0%} are left")
        if share is not None and share < LEAST_SHARE:
            return Verdict(True, f"{share:.0%} are left")
        return Verdict(None)

    def _share_served(self, since: float, now: float) -> float | None:
        """Return what is left at `now` of the worst that a run left to be served; the next look shows it."""
        number = bisect_right(self._looks, since)
        if number == len(self._looks):
            return None
        seen = self._seen[self._looks[number]]
        return min(0.0 if one.error else (one.end - now) / (one.end - one.begin) for one in seen)


def alarms_of(record: Record, stack: Stack) -> dict[str, Alarm]:
    """Return each alarm of the stack with the values of its metric in the year."""
    return {
        name: Alarm(
            definition,
            [
                (one.at, one.value)
                for one in record.values
                if (one.namespace, one.metric) == (definition["namespace"], definition["metricName"])
                and one.dimensions == definition["dimensions"]
            ],
        )
        for name, definition in stack.alarms.items()
    }


def check_alarms(record: Record, plan: Plan, stack: Stack) -> Iterator[str]:
    """Say where an alarm was on that nobody needed, or off when a person should have known; once an alarm."""
    truth, alarms = Truth(record, plan, stack), alarms_of(record, stack)
    for name, alarm in alarms.items():
        for now in hours(plan):
            wanted, is_on = truth.verdict(name, now), alarm.is_on(now)
            if wanted.on is not None and wanted.on != is_on:
                state = "on" if is_on else "off"
                yield f"{moment_of(now):%Y-%m-%d %H:%M}: the alarm {name} is {state}: {wanted.why}"
                break


def times_on(alarms: Mapping[str, Alarm], plan: Plan) -> dict[str, int]:
    """Return how often each alarm went on."""
    found = {}
    for name, alarm in alarms.items():
        states = [False, *(alarm.is_on(now) for now in hours(plan))]
        found[name] = sum(now and not before for before, now in pairwise(states))
    return found


def hours(plan: Plan) -> range:
    """Return the full hours of the year at which the alarms are looked at."""
    return range(seconds_of(START + _SETTLED), seconds_of(plan.end), int(HOUR_SECONDS))


def _last(moments: list[int], now: float) -> float:
    """Return the last moment that is not after `now`; long ago where there is none."""
    number = bisect_right(moments, now)
    return moments[number - 1] if number else float("-inf")
