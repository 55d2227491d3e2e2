"""What is left of a certificate's life, as CloudWatch gets it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from synology_agent.aws import life_metrics

BEGIN = datetime(2026, 11, 25, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("lifetime", "age", "fraction", "days"),
    [(90, 0, 1.0, 90.0), (90, 45, 0.5, 45.0), (6, 5.4, 0.1, 0.6), (90, 91, 0.0, 0.0), (90, -1, 1.0, 91.0)],
)
def test_what_is_left(lifetime: float, age: float, fraction: float, days: float) -> None:
    end = BEGIN + timedelta(days=lifetime)
    found = life_metrics("example.com", BEGIN, end, BEGIN + timedelta(days=age))
    assert [(one.name, one.certificate, one.value) for one in found] == [
        ("LifeLeft", "example.com", fraction),
        ("DaysLeft", "example.com", days),
    ]
