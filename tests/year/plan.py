"""What happens in a year, by a seed: when the schedules run, what is down, who dies."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

Part = Literal["ca", "route53", "secretsmanager", "nas"]
Kind = Literal["up", "down", "lifetime", "revoke", "renewer", "agent", "boot"]

PARTS: tuple[Part, ...] = ("ca", "route53", "secretsmanager", "nas")
START = datetime(2027, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OUTAGE_EVERY = 7 * DAY  # on average, from one's begin to the next one's
SHORTEST_OUTAGE, LONGEST_OUTAGE, LEAST_BETWEEN = HOUR, DAY, 2 * DAY
SLEEP = 14 * DAY
ONE_DIES_IN = 20
_BOOT = timedelta(minutes=2)  # after it, the task at boot-up runs: synology_setup.schedule
_SETUP = HOUR  # after the stack was made, set-up has put the agent on the NAS
_AGENT_HOURS = (0, 6, 12, 18)
_ORDER: dict[Kind, int] = {
    "up": 0,
    "down": 1,
    "lifetime": 2,
    "revoke": 3,
    "renewer": 4,
    "agent": 5,
    "boot": 6,
}


@dataclass(frozen=True)
class Scenario:
    """One year.

    Attributes:
        name: what it is called, such as `45-days`.
        lifetimes: from which day on the authority issues for how many days.
        seed: of its chaos.
        renewal_info: the authority offers ARI.
        days: how long it takes.
        chaos: parts are down, runs die, the authority revokes.
        no_reload_in: in one run of the agent in so many nginx is not reloaded by DSM, nor at the first time
            of asking, though DSM says so; 0 for none.
        mutation: a fault put into the product; empty for none.
    """

    name: str
    lifetimes: tuple[tuple[int, int], ...]
    seed: int
    renewal_info: bool
    days: int = 365
    chaos: bool = True
    no_reload_in: int = 4
    mutation: str = ""

    @property
    def short_lived(self) -> bool:
        """Whether the lifetime is under ten days."""
        return self.lifetimes[0][1] < 10

    @property
    def title(self) -> str:
        """What tells it from the others, for a file's name too."""
        ari = "with" if self.renewal_info else "without"
        return f"{self.name}-seed-{self.seed}-{ari}-ari" + (f"-{self.mutation}" if self.mutation else "")


@dataclass(frozen=True)
class Outage:
    """A time in which a part is down; a sleep is the NAS's long one."""

    part: Part
    start: datetime
    end: datetime

    @property
    def is_sleep(self) -> bool:
        """Whether it is the two weeks."""
        return self.end - self.start > LONGEST_OUTAGE


@dataclass(frozen=True, order=True)
class Event:
    """Something that happens at a moment.

    Attributes:
        at: when.
        rank: order among what happens at the same moment.
        kind: what.
        part: the part that goes down or up.
        number: of the run, or days of the new lifetime.
        dies: where in the run it dies, from 0 to 1; None where it does not.
        no_reload: nginx is not reloaded by DSM in this run, nor at the first time of asking.
    """

    at: datetime
    rank: int
    kind: Kind = field(compare=False)
    part: Part | None = field(default=None, compare=False)
    number: int = field(default=0, compare=False)
    dies: float | None = field(default=None, compare=False)
    no_reload: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Plan:
    """A year's events in order, and what they came of."""

    scenario: Scenario
    outages: tuple[Outage, ...]
    revoked: datetime | None
    events: tuple[Event, ...]

    @property
    def end(self) -> datetime:
        """The year's end."""
        return START + self.scenario.days * DAY


def make_plan(scenario: Scenario, interval: timedelta, window: timedelta) -> Plan:
    """Draw a year; the same scenario is the same year.

    Args:
        scenario: which one.
        interval, window: of the renewer's schedule.
    """
    end = START + scenario.days * DAY
    outages: tuple[Outage, ...] = ()
    revoked = None
    if scenario.chaos:
        outages = tuple(_outages(_random("outages", scenario), scenario.days))
        if scenario.renewal_info:
            revoked = _revocation(_random("revocation", scenario), outages, scenario.days)
    events = [
        *_renewer_runs(scenario, interval, window),
        *_agent_runs(scenario, outages),
        *(
            Event(START + day * DAY, _ORDER["lifetime"], "lifetime", number=n)
            for day, n in scenario.lifetimes[1:]
        ),
    ]
    if revoked:
        events.append(Event(revoked, _ORDER["revoke"], "revoke"))
    for one in outages:
        events.append(Event(one.start, _ORDER["down"], "down", one.part))
        events.append(Event(one.end, _ORDER["up"], "up", one.part))
    return Plan(scenario, outages, revoked, tuple(sorted(one for one in events if one.at < end)))


def is_down(outages: Sequence[Outage], part: Part, at: datetime) -> bool:
    """Tell whether a part is down at a moment."""
    return any(one.part == part and one.start <= at < one.end for one in outages)


def _outages(rng: random.Random, days: int) -> Iterator[Outage]:
    """Yield outages, one week from begin to begin on average, and somewhere between them the sleep."""
    mean = OUTAGE_EVERY - LEAST_BETWEEN - (SHORTEST_OUTAGE + LONGEST_OUTAGE) / 2
    asleep = START + _seconds(rng.uniform(0.2, 0.8) * days * DAY)
    slept = False
    at = START + LEAST_BETWEEN
    while at < START + days * DAY:
        start = at + _seconds(rng.expovariate(1) * mean)
        length = _seconds(rng.uniform(SHORTEST_OUTAGE / HOUR, LONGEST_OUTAGE / HOUR) * HOUR)
        part = rng.choice(PARTS)
        if not slept and start + length + LEAST_BETWEEN > asleep:
            start = max(asleep, at)
            length, part, slept = SLEEP, "nas", True
        yield Outage(part, start, start + length)
        at = start + length + LEAST_BETWEEN


def _revocation(rng: random.Random, outages: Sequence[Outage], days: int) -> datetime:
    """Choose when the authority revokes everything: at any time, but not where the NAS is about to sleep."""
    while True:
        at = START + _seconds(rng.uniform(0.1, 0.9) * days * DAY)
        if not any(one.is_sleep and one.start - LEAST_BETWEEN < at < one.end for one in outages):
            return at


def _renewer_runs(scenario: Scenario, interval: timedelta, window: timedelta) -> Iterator[Event]:
    """Yield the first run, which `pulumi up` makes, and the schedule's, each somewhere in its window."""
    rng = _random("renewer", scenario)
    yield Event(START, _ORDER["renewer"], "renewer")
    for number in range(1, scenario.days * DAY // interval):
        late = timedelta(seconds=rng.randrange(window // timedelta(seconds=1)))
        dies = _fate(rng, scenario)
        yield Event(START + number * interval + late, _ORDER["renewer"], "renewer", number=number, dies=dies)


def _agent_runs(scenario: Scenario, outages: Sequence[Outage]) -> Iterator[Event]:
    """Yield set-up's run and Task Scheduler's, while the NAS is up, and one after each boot.

    A NAS that slept has not booted: it runs by the clock again.
    """
    rng = _random("agent", scenario)
    rank = _ORDER["agent"]
    yield Event(START + _SETUP, rank, "agent")  # goes well: somebody looks at it
    minute = timedelta(minutes=rng.randrange(3, 58))
    for number in range(1, scenario.days * len(_AGENT_HOURS)):
        day, of_day = divmod(number, len(_AGENT_HOURS))
        at = START + day * DAY + _AGENT_HOURS[of_day] * HOUR + minute
        dies, no_reload = _fate(rng, scenario), _is_lazy(rng, scenario)
        if not is_down(outages, "nas", at):
            yield Event(at, rank, "agent", number=number, dies=dies, no_reload=no_reload)
    for one in outages:
        if one.part == "nas" and not one.is_sleep:
            yield Event(one.end + _BOOT, _ORDER["boot"], "boot")


def _random(what: str, scenario: Scenario) -> random.Random:
    """Return what draws one kind of thing, so that none depends on how many of another there are."""
    return random.Random(f"{what} {scenario.seed}")  # noqa: S311 - no secret


def _fate(rng: random.Random, scenario: Scenario) -> float | None:
    dies, where = rng.randrange(ONE_DIES_IN) == 0, rng.random()
    return where if dies and scenario.chaos else None


def _is_lazy(rng: random.Random, scenario: Scenario) -> bool:
    """Tell whether nginx is not to be reloaded in this run."""
    return bool(scenario.no_reload_in) and rng.randrange(scenario.no_reload_in) == 0


def _seconds(span: timedelta) -> timedelta:
    return timedelta(seconds=span // timedelta(seconds=1))
