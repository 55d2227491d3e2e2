"""A few days lived for real: all holds, and does not where the product is broken in one place."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from local_cloud.system_programs import ProgramMissing
from tests.year.expected_alarms import alarms_of, times_on
from tests.year.plan import Scenario
from tests.year.years import Lived, live_all

# Six days, without ARI. In every second run nginx is not reloaded, neither by DSM nor at the first asking.
DAYS = Scenario("6-days", ((0, 6),), 2, renewal_info=False, days=12, chaos=False, no_reload_in=2)


def lived(scenario: Scenario, folder: Path) -> Lived:
    try:
        (one,) = live_all([scenario], workers=1, folder=folder)
    except ProgramMissing as missing:
        pytest.skip(str(missing))
    return one


def test_a_week_goes_well_and_leaves_its_picture_and_its_data(tmp_path: Path) -> None:
    one = lived(DAYS, tmp_path)
    assert one.broken == []
    assert len(one.record.runs) == 96
    assert {run.ended for run in one.record.runs} == {"well"}
    assert len(one.record.issued) == 5
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".svg"]
    data = json.loads((tmp_path / f"{DAYS.title}.json").read_text())
    assert data["broken"] == []
    assert len(data["issued"]) == 10
    assert data["figures"]["issued"] == 5


def test_renewing_at_a_tenth_instead_of_the_half_makes_it_fail(tmp_path: Path) -> None:
    one = lived(replace(DAYS, mutation="renew-late"), tmp_path)
    assert any("of 6 days are left" in text for text in one.broken)
    alarms = times_on(alarms_of(one.record, one.stack), one.plan)
    assert alarms["issued-ends-example.com"] >= 1  # and the person is told in time


def test_a_probe_that_sees_nothing_makes_it_fail(tmp_path: Path) -> None:
    one = lived(replace(DAYS, mutation="blind-probe"), tmp_path)
    assert any("of 6 days are left" in text for text in one.broken)
    assert one.record.runs[-1].ended == "well"  # it never noticed


def test_the_same_days_go_well_with_everything_revoked(tmp_path: Path) -> None:
    """With ARI and chaos; the authority revokes everything, which the renewer hears within a day."""
    one = lived(replace(DAYS, seed=1, renewal_info=True, chaos=True, no_reload_in=4), tmp_path)
    assert one.broken == []
    assert one.plan.revoked is not None
    assert {run.ended for run in one.record.runs} >= {"well", "died"}
