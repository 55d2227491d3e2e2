"""Which alarms a person should have got, from what really happened, against those that the stack's would be.

What happened is taken from the runs' endings and from what was served and issued, never from the metrics; the
alarms go by the metrics alone, and by the definitions that the stack makes. They are held to it twice, with
the fewest periods that CloudWatch may look at, and with more, where silence is told later (tests.alarm_rule).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, pairwise

from tests.alarm_rule import Alarm, metric_of
from tests.year.checks import LEAST_SHARE, current_at
from tests.year.plan import DAY, HOUR, START, Plan, is_down
from tests.year.record import Record, Sight, moment_of, seconds_of
from tests.year.stack import Stack

HOUR_SECONDS, DAY_SECONDS = HOUR.total_seconds(), DAY.total_seconds()
# A certificate with more left than this is in order, as an ordinary renewal is well above it.
_GOOD_SHARE, _GOOD_SHARE_OF_SHORT = 0.25, 0.4
_SETTLED = 2 * DAY  # from then on the alarms' longest periods are full
FURTHER = (0, 2)  # periods that CloudWatch looks at besides; two are in its documentation's examples


@dataclass(frozen=True)
class Verdict:
    """What is known at a moment: the alarm must be on, must not be on, or may be either."""

    on: bool | None
    why: str = ""


@dataclass
class Truth:
    """What really happened, as each alarm should tell it.

    Attributes:
        record, plan, stack: the year.
        further: periods that CloudWatch looks at besides, so that it may tell of silence later by these.
    """

    record: Record
    plan: Plan
    stack: Stack
    further: int = 0

    def __post_init__(self) -> None:
        """Sort it by who and how."""
        runs = self.record.runs
        renewer = [run for run in runs if run.who == "renewer"]
        self._ran = [run.at for run in renewer]
        self._bad = [run.at for run in renewer if run.ended != "well"]
        self._looked = [run.at for run in renewer if run.ended != "died"]
        self._read = [
            run.at
            for run in renewer
            if run.ended == "well" or (run.ended == "failed" and not self._unreadable(run.at))
        ]
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

    def _unreadable(self, at: float) -> bool:
        return is_down(self.plan.outages, "secretsmanager", moment_of(at))

    def _fails(self, now: float) -> Verdict:
        if _last(self._bad, now) > now - DAY_SECONDS:
            return Verdict(True, "a run failed within a day")
        if _last(self._ran, now) > now - DAY_SECONDS:
            return Verdict(False, "no run failed within a day")
        return Verdict(None)

    def _silent_renewer(self, now: float) -> Verdict:
        patience = (2 * self.stack.interval + self.stack.window).total_seconds()
        return self._silent(_last(self._looked, now), now, patience, HOUR_SECONDS)

    def _silent_nas(self, now: float) -> Verdict:
        return self._silent(_last(self._told, now), now, 2 * DAY_SECONDS, DAY_SECONDS)

    def _silent(self, last: float, now: float, patience: float, period: float) -> Verdict:
        if last > now - patience:
            return Verdict(False, "a run ended in time")
        return (
            Verdict(True, "no run ended in time")
            if last <= now - patience - self.further * period
            else Verdict(None)
        )

    def _issued_ends(self, now: float) -> Verdict:
        read = _last(self._read, now)
        current, at_read = current_at(self.record, now), current_at(self.record, read)
        if current is None:
            return Verdict(True, "nothing is issued")
        period = (self.stack.interval + self.stack.window).total_seconds()
        if read <= now - (2 + self.further) * period:
            return Verdict(True, "no run could read it")
        if at_read is not None and read > now - period:
            share = (at_read.end - read) / (at_read.end - at_read.begin)
            if share > self._good:
                return Verdict(False, f"{share:.0%} are left")
        share = (current.end - now) / (current.end - current.begin)
        return Verdict(True, f"{share:.0%} are left") if share < LEAST_SHARE else Verdict(None)

    def _served_ends(self, now: float) -> Verdict:
        told = _last(self._told, now)
        if told <= now - (2 + self.further) * DAY_SECONDS:
            return Verdict(True, "no run for two days")
        share = self._share_served(told, now)
        if told > now - DAY_SECONDS / 2 and share is not None and share > self._good:
            return Verdict(False, f"{share:.0%} are left")
        if share is not None and share < LEAST_SHARE and told > now - DAY_SECONDS / 2:
            return Verdict(True, f"{share:.0%} are left")
        return Verdict(None)

    def _share_served(self, since: float, now: float) -> float | None:
        """Return what is left at `now` of the worst that a run left to be served; the next look shows it."""
        number = bisect_right(self._looks, since)
        if number == len(self._looks):
            return None
        seen = self._seen[self._looks[number]]
        return min(0.0 if one.error else (one.end - now) / (one.end - one.begin) for one in seen)


def alarms_of(record: Record, stack: Stack, *, further: int = 0) -> dict[str, Alarm]:
    """Return each alarm of the stack with the values of its metric in the year."""
    found = {}
    for name, definition in stack.alarms.items():
        metric, _ = metric_of(definition)
        wanted = (metric["namespace"], metric["metricName"], metric["dimensions"])
        reports = [
            (one.at, one.value)
            for one in record.values
            if (one.namespace, one.metric, one.dimensions) == wanted
        ]
        found[name] = Alarm(definition, reports, further=further)
    return found


def check_alarms(record: Record, plan: Plan, stack: Stack) -> Iterator[str]:
    """Say where an alarm was on that nobody needed, or off when a person should have known; once an alarm."""
    for name in stack.alarms:
        yield from islice(_differences(name, record, plan, stack), 1)


def _differences(name: str, record: Record, plan: Plan, stack: Stack) -> Iterator[str]:
    for further in FURTHER:
        truth = Truth(record, plan, stack, further)
        alarm = alarms_of(record, stack, further=further)[name]
        for now in hours(plan):
            wanted, is_on = truth.verdict(name, now), alarm.is_on(now)
            if wanted.on is not None and wanted.on != is_on:
                state = "on" if is_on else "off"
                yield f"{moment_of(now):%Y-%m-%d %H:%M}: the alarm {name} is {state}: {wanted.why}"


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
