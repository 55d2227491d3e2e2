"""What is left of a certificate's life, as CloudWatch gets it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


moments = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone.utc))


@given(not_before=moments, not_after=moments, now=moments)
def test_whatever_the_certificate_it_is_a_fraction_and_no_debt(
    not_before: datetime, not_after: datetime, now: datetime
) -> None:
    life, days = life_metrics("example.com", not_before, not_after, now)
    assert 0 <= life.value <= 1
    assert days.value >= 0
    if now >= not_after:
        assert (life.value, days.value) == (0, 0)
