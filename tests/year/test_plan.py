"""A year's plan: the same by the same seed, and as hard as it says."""

from __future__ import annotations

import functools
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.year.plan import (
    DAY,
    LEAST_BETWEEN,
    LONGEST_OUTAGE,
    PARTS,
    SLEEP,
    START,
    Plan,
    Scenario,
    is_down,
    make_plan,
)

INTERVAL, WINDOW = timedelta(hours=12), timedelta(hours=6)
SEEDS = range(1, 21)


@functools.cache
def plan(seed: int = 1, **fields: object) -> Plan:
    scenario = Scenario("90", ((0, 90),), seed, renewal_info=True)
    return make_plan(Scenario(**{**vars(scenario), **fields}), INTERVAL, WINDOW)


def test_the_same_seed_is_the_same_year_and_another_is_another() -> None:
    assert plan(3) == plan(3)
    assert plan(3).outages != plan(4).outages


@pytest.mark.parametrize("seed", SEEDS)
def test_outages_are_short_and_apart_and_the_nas_sleeps_once(seed: int) -> None:
    outages = plan(seed).outages
    assert [one.end - one.start for one in outages if one.is_sleep] == [SLEEP]
    assert all(one.end - one.start <= LONGEST_OUTAGE for one in outages if not one.is_sleep)
    assert all(after.start - before.end >= LEAST_BETWEEN for before, after in pairwise(outages))


def test_one_outage_a_week_on_average_of_every_part() -> None:
    outages = [one for seed in SEEDS for one in plan(seed).outages if not one.is_sleep]
    weeks = len(SEEDS) * (365 - 14) / 7
    assert 0.9 < len(outages) / weeks < 1.1
    assert {one.part for one in outages} == set(PARTS)


def test_one_run_in_twenty_dies() -> None:
    runs = [one for seed in SEEDS for one in plan(seed).events if one.kind in ("renewer", "agent")]
    assert 0.045 < sum(one.dies is not None for one in runs) / len(runs) < 0.055


def test_the_schedules() -> None:
    events = plan().events
    renewer = [one.at for one in events if one.kind == "renewer"]
    assert len(renewer) == 2 * 365
    assert all(
        timedelta(0) <= at - START - number * INTERVAL < max(WINDOW, timedelta(1))
        for number, at in enumerate(renewer)
    )
    assert all(INTERVAL - WINDOW < after - before < INTERVAL + WINDOW for before, after in pairwise(renewer))
    agent = [one.at for one in events if one.kind == "agent"]
    assert not any(is_down(plan().outages, "nas", at) for at in agent)
    assert 1300 < len(agent) < 4 * 365


def test_a_switched_off_nas_runs_after_it_booted_and_one_that_slept_by_the_clock() -> None:
    made = plan()
    offs = {one.end for one in made.outages if one.part == "nas" and not one.is_sleep}
    boots = {one.at - timedelta(minutes=2) for one in made.events if one.kind == "boot"}
    assert boots == {one for one in offs if one + timedelta(minutes=2) < made.end}


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_is_revoked_once_where_the_authority_can_tell(seed: int) -> None:
    made = plan(seed)
    assert made.revoked is not None
    assert START < made.revoked < made.end
    assert [one.at for one in made.events if one.kind == "revoke"] == [made.revoked]
    assert plan(seed, renewal_info=False).revoked is None


def test_without_chaos_nothing_happens_but_the_schedules() -> None:
    made = plan(chaos=False, no_reload_in=0)
    assert {one.kind for one in made.events} == {"renewer", "agent"}
    assert not any(one.dies or one.no_reload for one in made.events)


def test_the_lifetime_drops_on_its_day() -> None:
    made = plan(lifetimes=((0, 90), (120, 64)))
    drops = [(one.at, one.number) for one in made.events if one.kind == "lifetime"]
    assert drops == [(START + 120 * DAY, 64)]
