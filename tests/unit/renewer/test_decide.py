"""When to renew, at the very second where the answer changes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lambda_renewer.clock import to_rfc3339
from lambda_renewer.decide import decide
from lambda_renewer.directory import RenewalWindow
from lambda_renewer.document import Certificate
from tests.unit.renewer.samples import START, certificate, request

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
LONG_AGO = START - DAY

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


def window(start: timedelta, end: timedelta) -> RenewalWindow:
    return RenewalWindow(START + start, START + end, None, START)


def test_without_a_certificate_one_is_issued() -> None:
    decision = decide(None, request(), None, START, START)
    assert decision.renew
    assert decision.reason == "there is no certificate"
    assert decision.due is None


@pytest.mark.parametrize(("lifetime", "due"), LIFETIMES)
@pytest.mark.parametrize(("distance", "renew"), AROUND)
def test_now_around_the_due_time(
    lifetime: timedelta, due: timedelta, distance: timedelta, renew: bool
) -> None:
    now = START + due + distance
    # The next run is over already, so that it has no say.
    decision = decide(certificate(lifetime), request(), None, now, next_run=LONG_AGO)
    assert decision.renew is renew
    assert decision.due == START + due
    assert to_rfc3339(START + due) in decision.reason
    assert ("has been due since" in decision.reason) is renew


@pytest.mark.parametrize(("lifetime", "due"), LIFETIMES)
@pytest.mark.parametrize(("distance", "renew"), AROUND)
def test_next_run_around_the_due_time(
    lifetime: timedelta, due: timedelta, distance: timedelta, renew: bool
) -> None:
    next_run = START + due + distance
    decision = decide(certificate(lifetime), request(), None, START, next_run)
    assert decision.renew is renew
    assert decision.due == START + due
    if renew:
        assert to_rfc3339(next_run) in decision.reason


@pytest.mark.parametrize(("lifetime", "due"), LIFETIMES)
def test_the_reason_says_by_which_rule(lifetime: timedelta, due: timedelta) -> None:
    rule = "half" if lifetime < timedelta(days=10) else "two thirds"
    for now in (START, START + due):
        assert f", {rule} of its lifetime" in decide(certificate(lifetime), request(), None, now, now).reason


@pytest.mark.parametrize(("lifetime", "due"), LIFETIMES)
def test_a_certificate_that_is_not_valid_yet_is_not_due(lifetime: timedelta, due: timedelta) -> None:
    """The Lambda's clock is behind the authority's."""
    now = START - timedelta(minutes=5)
    decision = decide(certificate(lifetime), request(), None, now, now + SECOND)
    assert not decision.renew
    assert decision.due == START + due


@pytest.mark.parametrize(("lifetime", "due"), LIFETIMES)
@pytest.mark.parametrize("late", [-SECOND, timedelta(0), SECOND, timedelta(days=365)])
def test_around_its_end_it_is_renewed(lifetime: timedelta, due: timedelta, late: timedelta) -> None:
    now = START + lifetime + late
    for known in (None, window(lifetime + DAY, lifetime + 2 * DAY)):
        decision = decide(certificate(lifetime), request(), known, now, now)
        assert decision.renew
        assert decision.due == START + due


# --- ACME Renewal Information -----------------------------------------------------------------------------

# Far enough apart that the moment between is known to the second: a window of no length.
CHOSEN = timedelta(days=20)


@pytest.mark.parametrize(("distance", "renew"), AROUND)
def test_now_around_the_chosen_moment(distance: timedelta, renew: bool) -> None:
    now = START + CHOSEN + distance
    decision = decide(certificate(), request(), window(CHOSEN, CHOSEN), now, next_run=LONG_AGO)
    assert decision.renew is renew
    assert decision.due == START + CHOSEN
    assert "chosen in the authority's renewal window" in decision.reason


@pytest.mark.parametrize(("distance", "renew"), AROUND)
def test_next_run_around_the_chosen_moment(distance: timedelta, renew: bool) -> None:
    next_run = START + CHOSEN + distance
    decision = decide(certificate(), request(), window(CHOSEN, CHOSEN), START, next_run)
    assert decision.renew is renew
    assert decision.due == START + CHOSEN


def due_in(one: Certificate, length: timedelta = DAY) -> timedelta:
    """Return how far in a window that starts at 20 days the moment is chosen."""
    decision = decide(one, request(), window(CHOSEN, CHOSEN + length), START, START)
    assert decision.due is not None
    return decision.due - START - CHOSEN


def test_the_choice_is_the_same_at_every_run_and_another_for_another_certificate() -> None:
    assert due_in(certificate()) == due_in(certificate())
    assert due_in(certificate(name="other", serial="1")) == due_in(certificate())
    assert due_in(certificate(ari_id="BBBB.MDk")) != due_in(certificate())
    # Known once and for all: another version of the renewer must not choose anew.
    assert due_in(certificate(ari_id="aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE")) == KNOWN_CHOICE


KNOWN_CHOICE = timedelta(seconds=62_718, microseconds=917_966)


def test_the_choice_is_spread_uniformly() -> None:
    """Kolmogorov and Smirnov: with 2,000 certificates the distance is under 0.05 but once in 10,000 sets."""
    count = 2_000
    chosen = sorted(due_in(certificate(ari_id=f"AAAA.{number}")) / DAY for number in range(count))
    assert chosen[0] >= 0
    assert chosen[-1] < 1
    assert max(abs(at - number / count) for number, at in enumerate(chosen)) < 0.05


@pytest.mark.parametrize("days", [6, 45, 64, 90])
def test_a_window_in_the_past_means_now(days: int) -> None:
    """So an authority says that it has revoked the certificate (RFC 9773 section 4.2)."""
    decision = decide(certificate(days * DAY), request(), window(-2 * DAY, -DAY), START, START)
    assert decision.renew
    assert "has been due since" in decision.reason
    assert decision.due is not None
    assert START - 2 * DAY <= decision.due <= START - DAY


@pytest.mark.parametrize(("days", "rule"), [(6, "half"), (45, "two"), (64, "two"), (90, "two")])
@pytest.mark.parametrize("past", [timedelta(0), SECOND, DAY])
def test_a_window_past_the_end_leaves_it_to_the_lifetime(days: int, rule: str, past: timedelta) -> None:
    end = days * DAY + past
    decision = decide(certificate(days * DAY), request(), window(end, end), START, START)
    assert f"{rule}" in decision.reason
    assert decision.due == START + days * DAY * (1 / 2 if rule == "half" else 2 / 3)


def test_a_window_just_before_the_end_is_heeded() -> None:
    last = 90 * DAY - SECOND
    assert decide(certificate(), request(), window(last, last), START, START).due == START + last


@pytest.mark.parametrize("days", [6, 45, 64, 90])
@pytest.mark.parametrize("share", [0.1, 0.9])
def test_the_window_goes_before_the_lifetime_rule(days: int, share: float) -> None:
    moment = days * DAY * share
    known = window(moment, moment)
    at = START + days * DAY * 0.7  # past two thirds
    assert decide(certificate(days * DAY), request(), known, at, at).renew is (share < 0.7)


# --- What was changed -------------------------------------------------------------------------------------


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
@pytest.mark.parametrize("known", [None, window(CHOSEN, CHOSEN)])
def test_a_changed_request_renews_at_once(
    change: dict[str, object], words: tuple[str, ...], known: RenewalWindow | None
) -> None:
    decision = decide(certificate(), request(**change), known, START, START)
    assert decision.renew
    assert decision.due is None
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
    assert not decide(certificate(), request(**change), None, START, START).renew
