"""Waits that end in time: every pause is measured against the run's deadline."""

from __future__ import annotations

import time
from collections.abc import Iterator

from .errors import DeadlineExceeded, retry_time


class Deadline:
    """A moment after which no new wait may begin, so that clean-up still has its time."""

    def __init__(self, seconds: float) -> None:
        """Set the deadline `seconds` from now, on the monotonic clock."""
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Return the seconds left; negative once it has passed."""
        return self._end - time.monotonic()

    def sleep(self, seconds: float, *, waiting_for: str, asked: bool = False) -> None:
        """Sleep, unless that would pass the deadline.

        Args:
            seconds: how long.
            waiting_for: what, for a person.
            asked: the authority asked for the wait: should it be too long, the next run heeds it.

        Raises:
            DeadlineExceeded: less than `seconds` are left.
        """
        if seconds > self.remaining():
            error = DeadlineExceeded(
                f"no time left to wait for {waiting_for}: {seconds:.1f} s are needed and "
                f"{max(self.remaining(), 0):.1f} s remain. The schedule tries again by itself."
            )
            error.retry_at = retry_time(seconds) if asked else None
            raise error
        time.sleep(seconds)


def back_off(first: float, cap: float, factor: float = 1.6) -> Iterator[float]:
    """Yield pauses in seconds: `first`, growing by `factor` up to `cap`, without end."""
    pause = first
    while True:
        yield pause
        pause = min(pause * factor, cap)
