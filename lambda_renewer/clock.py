"""The one place where the renewer reads time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from .errors import DeadlineExceeded


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


def to_rfc3339(moment: datetime) -> str:
    """Write an aware time as RFC 3339 in UTC with whole seconds, as `2026-11-25T02:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_rfc3339(text: str) -> datetime:
    """Read an RFC 3339 time.

    Raises:
        ValueError: it is none, or has no offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no UTC offset")
    return moment


class Deadline:
    """A moment after which no new wait may begin, so that clean-up still has its time."""

    def __init__(self, seconds: float) -> None:
        """Set the deadline `seconds` from now, on the monotonic clock."""
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Return the seconds left; negative once it has passed."""
        return self._end - time.monotonic()

    def sleep(self, seconds: float, *, waiting_for: str) -> None:
        """Sleep, unless that would pass the deadline.

        Raises:
            DeadlineExceeded: less than `seconds` are left.
        """
        if seconds > self.remaining():
            raise DeadlineExceeded(
                f"no time left to wait for {waiting_for}: {seconds:.1f} s are needed and "
                f"{max(self.remaining(), 0):.1f} s remain. The schedule tries again by itself."
            )
        time.sleep(seconds)


def back_off(first: float, cap: float, factor: float = 1.6) -> Iterator[float]:
    """Yield pauses in seconds: `first`, growing by `factor` up to `cap`, without end."""
    pause = first
    while True:
        yield pause
        pause = min(pause * factor, cap)


def retry_after_seconds(header: str | None, *, current: Callable[[], datetime] = now) -> float | None:
    """Read a Retry-After header: seconds or an HTTP date (RFC 9110 section 10.2.3).

    Returns:
        Seconds from now, never negative; None where there is no header or it cannot be read.
    """
    if header is None:
        return None
    if header.strip().isascii() and header.strip().isdecimal():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):  # OverflowError: a year or an offset beyond what datetime holds
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - current()) / timedelta(seconds=1), 0.0)
