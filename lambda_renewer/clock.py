"""The one place where the renewer reads time, and how it writes and reads moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


def to_rfc3339(moment: datetime) -> str:
    """Write an aware time as RFC 3339 in UTC with whole seconds, as `2026-11-25T02:00:00Z`."""
    # Not strftime: its %Y writes a year before 1000 without leading zeros.
    return f"{moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()}Z"


def from_rfc3339(text: str) -> datetime:
    """Read an RFC 3339 time.

    Raises:
        ValueError: it is none, or has no offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no UTC offset")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is beyond what can be told in UTC") from None


def retry_after_seconds(header: str | None) -> float | None:
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
    return max((moment - now()) / timedelta(seconds=1), 0.0)
