"""The prices of docs/cost.md are those that benchmarks/cost.py computes, for the alarms that are made."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cost import ALARM, Usage, monthly, report
from tests.unit.stack.recording import record, several

PAGE = Path(__file__).parents[3] / "docs" / "cost.md"


def test_the_page_has_what_the_script_computes() -> None:
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    for line in report().splitlines():
        assert " ".join(line.split()) in page, line


@pytest.mark.parametrize("count", [1, 10])
def test_the_alarms_that_are_priced_are_those_that_are_made(count: int) -> None:
    names = [f"c{number}" for number in range(count)]
    certificates = {one: {"domains": [f"{one}.example.com"], "zone": "example.com"} for one in names}
    services = [f"{one}.example.com" for one in names[1:]]
    nas = {"rack": {"address": "10.0.0.5", "certificates": names, "services": services}}
    made = record(several(certificates, nas, alarm_email="me@example.com"))
    priced = monthly(Usage(count, free_tier=False))["alarms and dashboard"]
    alarms = len(made.all("aws:cloudwatch/metricAlarm:MetricAlarm")) * ALARM
    boards = len(made.all("aws:cloudwatch/dashboard:Dashboard")) * 3.00
    assert priced == pytest.approx(alarms + boards)


def test_cost_grows_with_use_and_the_free_tier_only_lowers_it() -> None:
    for count in (1, 10, 100, 1_000):
        own, shared = (sum(monthly(Usage(count, free_tier=free)).values()) for free in (True, False))
        assert own <= shared
        assert shared > sum(monthly(Usage(count, free_tier=False, alarms=False)).values())
        assert shared < sum(monthly(Usage(count + 1, free_tier=False)).values())
