"""The prices of docs/cost.md are those that benchmarks/cost.py computes, for the alarms that are made."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.cost import ALARM, NAS_METRICS, RENEWER_METRICS, Usage, monthly, report
from lambda_renewer.measures import publish
from synology_agent.aws import life_metrics
from tests.unit.renewer.samples import certificate
from tests.unit.stack.recording import record, several

README = Path(__file__).parents[3] / "README.md"
PAGE = Path(__file__).parents[3] / "docs" / "cost.md"


def test_the_page_has_what_the_script_computes() -> None:
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    for line in report().splitlines():
        assert " ".join(line.split()) in page, line


def test_the_readme_has_the_price_of_one_certificate() -> None:
    readme = README.read_text(encoding="utf-8")
    own, shared = (sum(monthly(Usage(1, free_tier=free)).values()) for free in (True, False))
    assert f"[{own:.2f} US dollars a month](docs/cost.md), or {shared:.2f} with alarms" in readme


@pytest.mark.parametrize("count", [1, 10])
def test_the_alarms_that_are_priced_are_those_that_are_made(count: int) -> None:
    names = [f"c{number}" for number in range(count)]
    certificates = {one: {"domains": [f"{one}.example.com"], "zone": "example.com"} for one in names}
    services = [f"{one}.example.com" for one in names[1:]]
    nas = {"rack": {"address": "10.0.0.5", "certificates": names, "services": services}}
    made = record(several(certificates, nas, alarm_email="me@example.com"))
    priced = monthly(Usage(count, free_tier=False))["alarms and dashboard"]
    alarms = made.all("aws:cloudwatch/metricAlarm:MetricAlarm")
    # One on an expression is priced as each of its metrics.
    metrics = sum("metric" in query for one in alarms for query in one["inputs"]["metricQueries"])
    boards = len(made.all("aws:cloudwatch/dashboard:Dashboard")) * 3.00
    assert priced == pytest.approx(metrics * ALARM + boards)


def test_the_metrics_that_are_priced_are_those_that_are_reported(capsys: pytest.CaptureFixture[str]) -> None:
    publish("home", failed=False, seconds=1, current=certificate())
    (directive,) = json.loads(capsys.readouterr().out)["_aws"]["CloudWatchMetrics"]
    assert len(directive["Metrics"]) == RENEWER_METRICS
    now = datetime.now(UTC)
    assert len(life_metrics("home", now, now, now)) == NAS_METRICS


def test_cost_grows_with_use_and_the_free_tier_only_lowers_it() -> None:
    for count in (1, 10, 100, 1_000):
        own, shared = (sum(monthly(Usage(count, free_tier=free)).values()) for free in (True, False))
        assert own <= shared
        assert shared > sum(monthly(Usage(count, free_tier=False, alarms=False)).values())
        assert shared < sum(monthly(Usage(count + 1, free_tier=False)).values())
