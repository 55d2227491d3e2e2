"""Time as the renewer reads it: Retry-After, deadlines, pauses."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_renewer import clock
from lambda_renewer.clock import from_rfc3339, now, retry_after_seconds, to_rfc3339
from lambda_renewer.errors import DeadlineExceeded, RenewerError
from lambda_renewer.waiting import Deadline, back_off

NOW = datetime(2026, 11, 25, 2, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("75533", 75_533.0),
        (" 7 ", 7.0),
        ("Wed, 25 Nov 2026 02:00:30 GMT", 30.0),  # IMF-fixdate
        ("Wednesday, 25-Nov-26 02:00:30 GMT", 30.0),  # RFC 850
        ("Wed Nov 25 02:00:30 2026", 30.0),  # asctime
        ("Wed, 25 Nov 2026 04:00:30 +0200", 30.0),
        ("Tue, 24 Nov 2026 21:00:30 -0500", 30.0),
        ("Tue, 24 Nov 2026 21:00:30 EST", 30.0),
        ("Wed, 25 Nov 2026 02:00:30 -0000", 30.0),
        ("Wed, 25 Nov 2026 01:59:59 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("٣", None),
        ("Wed, 99 Nov 2026 02:00:30 GMT", None),
        ("Wed, 25 Nov 99999999999999999999 02:00:30 GMT", None),
        ("Wed, 25 Nov 2026 02:00:30 +9999999999999999999", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    assert retry_after_seconds(header) == seconds


@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,4} [A-Z][a-z]{2} \d{1,6} .{0,14}"))
def test_no_retry_after_header_is_a_traceback(header: str) -> None:
    seconds = retry_after_seconds(header)
    assert seconds is None or seconds >= 0


def test_retry_after_reads_the_clock_by_default() -> None:
    seconds = retry_after_seconds((now() + timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S GMT"))
    assert seconds is not None
    assert 3_590 < seconds <= 3_600


def test_rfc_3339() -> None:
    moment = datetime(2026, 11, 25, 4, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))
    assert to_rfc3339(moment) == "2026-11-25T02:00:00Z"
    assert from_rfc3339("2026-11-25T02:00:00Z") == NOW
    assert from_rfc3339("2026-11-25T04:00:00+02:00") == NOW
    with pytest.raises(ValueError, match="has no UTC offset"):
        from_rfc3339("2026-11-25T02:00:00")
    assert now().utcoffset() == timedelta(0)


def test_rfc_3339_at_the_edges_of_time() -> None:
    """Go's zero time is what an authority answers that forgot to set one."""
    zero = from_rfc3339("0001-01-01T00:00:00Z")
    assert to_rfc3339(zero) == "0001-01-01T00:00:00Z"
    for beyond in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00"):
        with pytest.raises(ValueError, match="beyond"):
            from_rfc3339(beyond)


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_is_read(moment: datetime) -> None:
    assert from_rfc3339(to_rfc3339(moment)) == moment.replace(microsecond=0)


def test_deadline_sleeps_only_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, slept = [100.0], list[float]()
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    monkeypatch.setattr(time, "sleep", slept.append)
    deadline = Deadline(10)
    deadline.sleep(10.0, waiting_for="an answer")
    seconds[0] = 107.0
    assert deadline.remaining() == 3.0
    with pytest.raises(DeadlineExceeded, match=r"wait for an answer: 3\.5 s are needed and 3\.0 s remain"):
        deadline.sleep(3.5, waiting_for="an answer")
    seconds[0] = 120.0
    assert deadline.remaining() == -10.0
    with pytest.raises(RenewerError, match=r"0\.0 s remain"):
        deadline.sleep(0.1, waiting_for="an answer")
    with pytest.raises(DeadlineExceeded, match="inf s are needed"):
        deadline.sleep(float("inf"), waiting_for="an answer")
    assert slept == [10.0]


def test_back_off_grows_to_its_cap() -> None:
    assert list(itertools.islice(back_off(1, 4, factor=2), 5)) == [1, 2, 4, 4, 4]
    pauses = list(itertools.islice(back_off(0.05, 2.0), 20))
    assert pauses[0] == 0.05
    assert pauses == sorted(pauses)
    assert pauses[-1] == 2.0
