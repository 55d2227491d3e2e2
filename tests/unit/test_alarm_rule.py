"""The evaluator against the rule that CloudWatch documents, on hand-made definitions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.alarm_rule import Alarm

HOUR = 3600
LOW: dict[str, Any] = {
    "comparisonOperator": "LessThanThreshold",
    "threshold": 0.2,
    "evaluationPeriods": 2,
    "treatMissingData": "breaching",
    "metricQueries": [{"id": "m", "metric": {"stat": "Maximum", "period": HOUR}}],
}


def summed(stat: str) -> list[dict[str, Any]]:
    return [{"id": "m", "metric": {"stat": stat, "period": HOUR}}]


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
        *(False, True, True, True, True, False, False, False)
    ]


@pytest.mark.parametrize(
    ("points", "ignored", "breaching", "not_breaching"),
    [
        ("0-X-X", False, False, False),
        ("----0", False, False, False),
        ("-----", None, True, False),
        ("0XX-X", True, True, True),
        ("--X--", None, True, False),
    ],
)
@pytest.mark.parametrize("was_on", [False, True])
def test_the_table_of_the_documentation(
    points: str, ignored: bool | None, breaching: bool, not_breaching: bool, was_on: bool
) -> None:
    """Three periods are evaluated and five looked at; None is the state before, and X breaches."""
    definition = {**LOW, "evaluationPeriods": 3}
    before = [(hour * HOUR, 0.0 if was_on else 1.0) for hour in range(1, 6)]
    values = [(hour * HOUR, 1.0 - (point == "X")) for hour, point in enumerate(points, 6) if point != "-"]
    for treatment, expected in (
        ("ignore", was_on if ignored is None else ignored),
        ("breaching", breaching),
        ("notBreaching", not_breaching),
    ):
        alarm = Alarm({**definition, "treatMissingData": treatment}, [*before, *values], further=2)
        assert alarm.is_on(5 * HOUR) is was_on
        assert alarm.is_on(10 * HOUR) is expected, treatment


@pytest.mark.parametrize(("statistic", "on"), [("Sum", True), ("Maximum", False), ("SampleCount", True)])
def test_statistics(statistic: str, on: bool) -> None:
    definition = {
        **LOW,
        "comparisonOperator": "GreaterThanThreshold",
        "metricQueries": summed(statistic),
        "threshold": 1.5,
        "evaluationPeriods": 1,
    }
    assert Alarm(definition, [(60, 1.0), (120, 1.0)]).is_on(HOUR) is on


def test_a_definition_that_it_does_not_know_is_refused() -> None:
    with pytest.raises(KeyError):
        Alarm({**LOW, "metricQueries": summed("p99")}, [])


@pytest.mark.parametrize("further", [0, 2])
def test_what_is_filled_is_never_missing(further: int) -> None:
    fill = {"id": "f", "expression": "FILL(m, 0)"}
    alarm = Alarm({**LOW, "metricQueries": [fill, *summed("Maximum")]}, [(HOUR, 0.9)], further=further)
    assert [alarm.is_on(hour * HOUR) for hour in (1, 2, 3)] == [False, False, True]
    with pytest.raises(ValueError, match="metric math that is not known"):
        Alarm({**LOW, "metricQueries": [{"id": "f", "expression": "m * 2"}, *summed("Maximum")]}, [])
