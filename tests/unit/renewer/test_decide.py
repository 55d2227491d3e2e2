"""When to renew, at the very second where the answer changes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lambda_renewer.clock import to_rfc3339
from lambda_renewer.decide import decide, due_time
from tests.unit.renewer.samples import START, certificate, request

SECOND = timedelta(seconds=1)
LONG_AGO = START - timedelta(days=1)

# lifetime -> how long after not_before it is due, written out so that the rule is not tested by itself
LIFETIMES = [
    pytest.param(timedelta(days=90), timedelta(days=60), id="90 days"),
    pytest.param(timedelta(days=64), timedelta(days=42, hours=16), id="64 days"),
    pytest.param(timedelta(days=45), timedelta(days=30), id="45 days"),
    pytest.param(timedelta(days=10), timedelta(days=6, hours=16), id="10 days, no longer short"),
    pytest.param(timedelta(days=10) - 2 * SECOND, timedelta(days=5) - SECOND, id="just under 10 days"),
    pytest.param(timedelta(days=6), timedelta(days=3), id="6 days"),
    pytest.param(timedelta(minutes=3), timedelta(seconds=90), id="3 minutes"),
]
AROUND = [(-SECOND, False), (timedelta(0), True), (SECOND, True)]


def test_without_a_certificate_one_is_issued() -> None:
    decision = decide(None, request(), START, START)
    assert decision.renew
    assert decision.reason == "nothing was issued yet"
    assert decision.due is None


@pytest.mark.parametrize(("lifetime", "due"), LIFETIMES)
@pytest.mark.parametrize(("distance", "renew"), AROUND)
def test_now_around_the_due_time(
    lifetime: timedelta, due: timedelta, distance: timedelta, renew: bool
) -> None:
    now = START + due + distance
    # The next run is over already, so that it has no say.
    decision = decide(certificate(lifetime), request(), now, next_run=LONG_AGO)
    assert decision.renew is renew
    assert decision.due == START + due
    assert to_rfc3339(START + due) in decision.reason


@pytest.mark.parametrize(("lifetime", "due"), LIFETIMES)
@pytest.mark.parametrize(("distance", "renew"), AROUND)
def test_next_run_around_the_due_time(
    lifetime: timedelta, due: timedelta, distance: timedelta, renew: bool
) -> None:
    next_run = START + due + distance
    decision = decide(certificate(lifetime), request(), START, next_run)
    assert decision.renew is renew
    assert decision.due == START + due
    if renew:
        assert to_rfc3339(next_run) in decision.reason


@pytest.mark.parametrize(("lifetime", "due"), LIFETIMES)
def test_due_time(lifetime: timedelta, due: timedelta) -> None:
    assert due_time(START, START + lifetime) == START + due


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"domains": ["example.com"]}, ("domains", "*.example.com, example.com to example.com")),
        ({"domains": ["example.com", "*.example.com", "a.example.com"]}, ("domains", "a.example.com")),
        ({"key_type": "rsa4096"}, ("key type", "ec256", "rsa4096")),
        ({"profile": "shortlived"}, ("profile", "classic", "shortlived")),
        ({"directory": "https://other.example.net/dir"}, ("ACME directory", "https://other.example.net/dir")),
    ],
)
def test_a_changed_request_renews_at_once(change: dict[str, object], words: tuple[str, ...]) -> None:
    decision = decide(certificate(), request(**change), START, START)
    assert decision.renew
    for word in words:
        assert word in decision.reason


@pytest.mark.parametrize(
    "change",
    [
        {"domains": ["*.example.com", "example.com"]},
        {"contact": "b@example.com"},
        {"ca_root": None},
        {"interval_seconds": 60},
    ],
)
def test_what_is_not_in_the_certificate_renews_nothing(change: dict[str, object]) -> None:
    assert not decide(certificate(), request(**change), START, START).renew
