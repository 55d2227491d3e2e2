"""How often the renewer looks: what is set, and what the lifetime decides."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.settings import SettingsError
from tests.unit.stack.settings_samples import load


@given(st.sampled_from(["minute", "hour", "day"]), st.integers(1, 1_500))
def test_the_window_is_whole_minutes_and_at_most_half_of_the_interval(unit: str, number: int) -> None:
    expression = f"rate({number} {unit}{'' if number == 1 else 's'})"
    interval = timedelta(**{f"{unit}s": number})
    day = timedelta(days=1)
    try:
        (certificate,) = load(schedule=expression).certificates
    except SettingsError:
        assert interval > day
        return
    schedule = certificate.schedule
    assert (schedule.expression, schedule.interval) == (expression, interval)
    assert timedelta(0) <= schedule.window <= interval / 2
    assert schedule.window % timedelta(minutes=1) == timedelta(0)
    # An alarm's period is at most a day, and must hold a run wherever it begins.
    assert schedule.window + interval <= day
    assert schedule.window >= min(interval / 2 - timedelta(minutes=1), day - interval)


def test_a_short_lived_certificate_is_looked_at_every_six_hours() -> None:
    (certificate,) = load(profile="shortlived").certificates
    assert (certificate.schedule.expression, certificate.schedule.window) == (
        "rate(6 hours)",
        timedelta(hours=3),
    )
    (slower,) = load(profile="shortlived", schedule="rate(12 hours)").certificates
    assert slower.schedule.expression == "rate(12 hours)"


@pytest.mark.parametrize(
    ("profile", "days", "short"),
    [
        ("shortlived", "0", True),
        ("shortlived", "6", True),
        ("shortlived", "10", False),  # another authority's profile of that name
        ("classic", "0", False),
        ("classic", "90", False),
        ("classic", "10", False),
        ("classic", "9", True),
        ("default", "1", True),
    ],
)
def test_a_lifetime_is_short_by_its_days_and_else_by_the_profile(
    profile: str, days: str, short: bool
) -> None:
    (certificate,) = load(profile=profile, lifetime_days=days).certificates
    assert certificate.short_lived is short
    assert certificate.schedule.interval == timedelta(hours=6 if short else 12)
