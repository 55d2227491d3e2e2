"""Each check of a year holds where all went well, and tells of the one thing that did not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.year.checks import (
    check_issued,
    check_revoked,
    check_runs,
    check_served,
    check_year,
    in_charge,
    needed,
)
from tests.year.plan import DAY, START, Scenario, make_plan
from tests.year.record import Record, Run, Sight, seconds_of
from tests.year.years_made import LIFETIME, PLACE, STACK, at, good_record, outage, quiet_plan

PLAN = quiet_plan()


def test_all_holds_in_a_good_year() -> None:
    assert check_year(good_record(PLAN), PLAN, STACK) == []


def test_an_empty_year_proves_nothing() -> None:
    broken = check_year(Record(), PLAN, STACK)
    assert len(broken) == 4
    assert "there were only 0 looks at what is served" in broken


@pytest.mark.parametrize(
    ("lifetime", "left", "is_broken"),
    [(90, 9.1, False), (90, 8.9, True), (45, 4.6, False), (45, 4.4, True), (6, 1.1, False), (6, 0.9, True)],
)
def test_the_least_life_is_a_tenth_or_a_day(lifetime: int, left: float, is_broken: bool) -> None:
    record = good_record(PLAN)
    moment = at(200)
    end = moment + int(left * 86_400)
    record.sights.append(Sight(moment, PLACE, end - lifetime * 86_400, end, "1"))
    assert bool(list(check_served(record, PLAN))) is is_broken


def test_what_a_browser_refuses_is_a_gap() -> None:
    record = good_record(PLAN)
    record.sights.append(Sight(at(100), PLACE, error="certificate has expired"))
    (told,) = check_served(record, PLAN)
    assert "a gap: certificate has expired" in told


def test_nothing_is_asked_of_a_nas_before_its_first_run_since_it_is_up() -> None:
    plan = quiet_plan(outage("nas", 100, 14))
    record = good_record(plan)
    runs = [run.at for run in record.runs if run.who == "agent" and run.at >= at(114)]
    early = Sight(runs[0], PLACE, error="certificate has expired")
    record.sights.append(early)
    assert list(check_served(record, plan)) == []
    record.sights[-1] = replace(early, at=runs[1])
    assert len(list(check_served(record, plan))) == 1
    first = next(number for number, run in enumerate(record.runs) if (run.who, run.at) == ("agent", runs[0]))
    record.runs[first] = replace(record.runs[first], ended="died")
    assert list(check_served(record, plan)) == []  # a run that died has not ended


def test_what_is_seen_while_it_is_down_does_not_count() -> None:
    plan = quiet_plan(outage("nas", 100, 1))
    record = Record(sights=[Sight(at(100.5), PLACE)], runs=[Run(at(1), "agent", "well")])
    assert list(in_charge(record, plan)) == []


def test_an_early_certificate_is_told_and_one_after_a_revocation_is_not() -> None:
    record = good_record(PLAN)
    early = replace(record.issued[1], begin=at(50), current=at(50))
    record.issued[1] = early
    (told,) = check_issued(record, PLAN, STACK)
    assert "216.0 hours before" in told or "222.0 hours before" in told
    revoked = replace(PLAN, revoked=START + 49.5 * DAY)
    assert list(check_issued(record, revoked, STACK)) == []


def test_a_certificate_that_was_thrown_away_is_told() -> None:
    record = good_record(PLAN)
    record.issued[2] = replace(record.issued[2], current=0)
    (told,) = check_issued(record, PLAN, STACK)
    assert "never became current" in told


def test_what_was_revoked_must_go_in_time() -> None:
    plan = replace(PLAN, revoked=START + 10 * DAY)
    record = good_record(plan)
    told = list(check_revoked(record, plan, STACK))
    assert told
    assert all("still served" in one for one in told)
    assert told[0] > "2027-01-15"
    assert list(check_revoked(record, PLAN, STACK)) == []


def test_a_failed_run_needs_an_outage_of_what_it_needs() -> None:
    failed = Run(at(50), "renewer", "failed", "AwsError")
    for part, explains in (("ca", True), ("route53", True), ("secretsmanager", True), ("nas", False)):
        plan = quiet_plan(outage(part, 49.5, 1))
        record = good_record(plan)
        record.runs.append(failed)
        assert bool(list(check_runs(record, plan))) is not explains
    agent = replace(failed, who="agent")
    record = good_record(PLAN)
    record.runs.append(agent)
    assert len(list(check_runs(record, PLAN))) == 1


def test_a_run_that_died_must_have_been_killed() -> None:
    plan = make_plan(Scenario("90", ((0, LIFETIME),), 1, renewal_info=False), STACK.interval, STACK.window)
    for who in ("renewer", "agent"):
        killed, lived = (
            next(one for one in plan.events if one.kind == who and (one.dies is None) is lives)
            for lives in (False, True)
        )
        for event, told in ((killed, []), (lived, [f"the {who} died, though none killed it"])):
            runs = [Run(seconds_of(event.at), who, "died"), Run(at(1), "renewer", "well")]
            record = Record(runs=[*runs, Run(at(1), "agent", "well")])
            assert [one.split(": ", 1)[1] for one in check_runs(record, plan)] == told


def test_what_a_year_needs() -> None:
    assert needed(PLAN, STACK) == 7  # every 60 days less 18 hours
    drop = Scenario("drop", ((0, LIFETIME), (180, 45)), 1, renewal_info=False, chaos=False)
    assert (
        needed(make_plan(drop, STACK.interval, STACK.window), STACK) == 9
    )  # the fourth, at 177.75 days, is still a long one
