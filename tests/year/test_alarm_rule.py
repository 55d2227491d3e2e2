"""The evaluator against the rule that CloudWatch documents, on hand-made definitions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.alarm_rule import Alarm

HOUR = 3600
LOW: dict[str, Any] = {
    "comparisonOperator": "LessThanThreshold",
    "statistic": "Maximum",
    "threshold": 0.2,
    "period": HOUR,
    "evaluationPeriods": 2,
    "treatMissingData": "breaching",
}


def test_every_period_must_breach() -> None:
    alarm = Alarm(LOW, [(0.5 * HOUR, 0.9), (1.5 * HOUR, 0.1), (2.5 * HOUR, 0.1)])
    assert [alarm.is_on(hour * HOUR) for hour in (1, 2, 3)] == [False, False, True]


def test_a_value_counts_to_the_period_that_it_ends() -> None:
    alarm = Alarm({**LOW, "evaluationPeriods": 1}, [(HOUR, 0.9)])
    assert not alarm.is_on(HOUR)
    assert alarm.is_on(2 * HOUR)


@pytest.mark.parametrize(("treatment", "expected"), [("breaching", True), ("notBreaching", False)])
def test_what_is_missing_counts_as_told(treatment: str, expected: bool) -> None:
    alarm = Alarm({**LOW, "treatMissingData": treatment}, [])
    assert alarm.is_on(10 * HOUR) is expected


def test_ignored_it_keeps_the_state() -> None:
    values = [(0.5 * HOUR, 0.1), (1.5 * HOUR, 0.1), (5.5 * HOUR, 0.9), (6.5 * HOUR, 0.9)]
    alarm = Alarm({**LOW, "treatMissingData": "ignore"}, values)
    assert [alarm.is_on(hour * HOUR) for hour in range(1, 9)] == [
        *(False, True, True, True, True, True, False, False)
    ]


@pytest.mark.parametrize(("statistic", "on"), [("Sum", True), ("Maximum", False), ("SampleCount", True)])
def test_statistics(statistic: str, on: bool) -> None:
    definition = {
        **LOW,
        "comparisonOperator": "GreaterThanThreshold",
        "statistic": statistic,
        "threshold": 1.5,
        "evaluationPeriods": 1,
    }
    assert Alarm(definition, [(60, 1.0), (120, 1.0)]).is_on(HOUR) is on


def test_a_definition_that_it_does_not_know_is_refused() -> None:
    with pytest.raises(KeyError):
        Alarm({**LOW, "statistic": "p99"}, [])
