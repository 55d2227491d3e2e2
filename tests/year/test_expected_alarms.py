"""The alarms that a person should have got, against the stack's: each difference is told."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.year.expected_alarms import alarms_of, check_alarms, times_on
from tests.year.plan import DAY, Plan
from tests.year.record import Issued, Record, Run, Value, seconds_of
from tests.year.years_made import LIFETIME, STACK, at, good_record, outage, quiet_plan

PLAN = quiet_plan()


def without_values(record: Record, metric: str, namespace: str) -> Record:
    kept = [one for one in record.values if (one.metric, one.namespace) != (metric, namespace)]
    return replace(record, values=kept)


def test_in_a_good_year_none_is_on_and_none_is_missed() -> None:
    record = good_record(PLAN)
    assert list(check_alarms(record, PLAN, STACK)) == []
    assert set(times_on(alarms_of(record, STACK), PLAN).values()) == {0}


def test_two_weeks_of_sleep_set_off_what_they_should() -> None:
    plan = quiet_plan(outage("nas", 100, 14))
    record = good_record(plan)
    assert list(check_alarms(record, plan, STACK)) == []
    counted = times_on(alarms_of(record, STACK), plan)
    assert {name for name, count in counted.items() if count} == {
        "nas-silent-synology",
        "served-ends-synology_example.com",
    }


@pytest.mark.parametrize("name", sorted(STACK.alarms))
def test_an_alarm_that_is_never_on_is_told_where_it_should_be(name: str) -> None:
    deaf = {**STACK.alarms[name], "threshold": -1}
    if deaf["comparisonOperator"] == "GreaterThanThreshold":
        deaf["threshold"] = 1e9
    stack = replace(STACK, alarms={name: deaf})
    plan = quiet_plan(outage("nas", 100, 14))
    told = list(check_alarms(bad_record(plan), plan, stack))
    assert len(told) == 1
    assert f"the alarm {name} is off" in told[0]


def bad_record(plan: Plan) -> Record:
    """A year in which the renewer fails once, then stops, so that the certificate runs out."""
    good = good_record(plan)
    stops = at(250)
    runs = [run for run in good.runs if run.who == "agent" or run.at < stops]
    fails = next(number for number, run in enumerate(runs) if run.who == "renewer" and run.at > at(200))
    runs[fails] = replace(runs[fails], ended="failed")
    last = [one for one in good.issued if one.begin < stops][-1]
    sights = [
        replace(one, begin=last.begin, end=last.end, serial=last.serial) if one.at >= stops else one
        for one in good.sights
    ]
    return replace(good, runs=runs, sights=sights, issued=[one for one in good.issued if one.begin < stops])


@pytest.mark.parametrize("name", sorted(STACK.alarms))
def test_an_alarm_that_is_always_on_is_told(name: str) -> None:
    nervous = {**STACK.alarms[name], "threshold": 1e9}
    if nervous["comparisonOperator"] == "GreaterThanThreshold":
        nervous["threshold"] = -1
    (told,) = check_alarms(good_record(PLAN), PLAN, replace(STACK, alarms={name: nervous}))
    assert f"the alarm {name} is on" in told


def test_an_alarm_whose_metric_nobody_sends_is_told() -> None:
    record = without_values(good_record(PLAN), "LifeLeft", "synology-https/dev/synology")
    told = "\n".join(check_alarms(record, PLAN, STACK))
    assert "nas-silent-synology is on: a run ended in time" in told
    assert "served-ends-synology_example.com is on" in told


def test_a_certificate_that_no_run_could_read_is_told_and_one_that_was_read_in_time_is_not() -> None:
    """Secrets Manager is away: the runs fail and report no life; for two periods, a person should know."""
    for days, told in ((0.5, []), (4.0, ["issued-ends-example.com"])):
        plan = quiet_plan(outage("secretsmanager", 100, days))
        record = good_record(plan)
        away = range(at(100), at(100 + days))
        record.runs = [
            replace(run, ended="failed") if run.who == "renewer" and run.at in away else run
            for run in record.runs
        ]
        record.values = [
            replace(one, value=1.0) if one.metric == "Errors" and one.at in away else one
            for one in record.values
            if one.at not in away or (one.namespace, one.metric) != ("synology-https/dev", "LifeLeft")
        ]
        assert list(check_alarms(record, plan, STACK)) == []
        counted = times_on(alarms_of(record, STACK, further=2), plan)
        assert [name for name, count in counted.items() if count] == ["renewer-fails", *told]
        ends = STACK.alarms["issued-ends-example.com"]
        deaf = {**ends, "metricQueries": ends["metricQueries"][1:], "treatMissingData": "ignore"}
        stack = replace(STACK, alarms={"issued-ends-example.com": deaf})
        assert [one.split(": ", 1)[1] for one in check_alarms(record, plan, stack)] == [
            f"the alarm {name} is off: no run could read it" for name in told
        ]


def test_a_failed_run_is_told_for_a_day() -> None:
    record = good_record(PLAN)
    number, run = next(
        (n, run) for n, run in enumerate(record.runs) if run.who == "renewer" and run.at > at(50)
    )
    record.runs[number] = replace(run, ended="failed")
    assert "the alarm renewer-fails is off" in next(check_alarms(record, PLAN, STACK))
    record.values.append(Value(run.at, "AWS/Lambda", "Errors", {"FunctionName": "renewer"}, 1.0))
    assert list(check_alarms(record, PLAN, STACK)) == []


def test_a_name_that_stands_for_nothing_is_refused() -> None:
    stack = replace(STACK, alarms={"coffee": STACK.alarms["renewer-fails"]})
    with pytest.raises(StopIteration):
        stack_check(stack)


def stack_check(stack: object) -> None:
    from tests.year.expected_alarms import Truth  # noqa: PLC0415

    Truth(good_record(PLAN), PLAN, stack).verdict("coffee", at(10))  # type: ignore[arg-type]


def test_the_made_record_is_a_year() -> None:
    record = good_record(PLAN)
    assert [type(one) for one in record.issued] == [Issued] * 7
    assert all(after.begin - before.begin < LIFETIME * 86_400 for before, after in pairwise(record.issued))
    assert max(run.at for run in record.runs) < seconds_of(PLAN.end) < at(365) + DAY.total_seconds()
    assert {type(run) for run in record.runs} == {Run}
