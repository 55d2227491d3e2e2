"""Route 53's five requests a second: the simulation's own arithmetic, and what one issuance may ask."""

from __future__ import annotations

import random

import pytest

from benchmarks import spreading
from benchmarks.spreading import LIMIT, all_in_one_window, load, moments, usual_month


def test_one_issuance_stays_within_the_limit() -> None:
    assert load([0.0], moments()).busiest <= LIMIT


def test_it_does_so_however_fast_aws_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "_ANSWER_SECONDS", 0.001)
    assert load([0.0], moments()).busiest <= LIMIT


def test_requests_are_counted_by_the_second() -> None:
    assert load([0.0, 0.5], [0.0, 0.4, 0.6]) == spreading.Load(busiest=5, over=0)
    assert load([0.0, 0.0], [0.0, 0.1, 0.2]) == spreading.Load(busiest=6, over=1)


def test_a_month_has_one_start_a_certificate_within_a_window() -> None:
    starts = usual_month(50, random.Random(1))  # noqa: S311
    assert len(starts) == 50
    assert all(start % (12 * 3_600) <= 6 * 3_600 for start in starts)
    assert all(0 <= start <= 6 * 3_600 for start in all_in_one_window(50, random.Random(1)))  # noqa: S311
