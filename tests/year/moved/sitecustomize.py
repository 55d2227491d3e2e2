"""Read by every Python whose time libfaketime moves: its path is put before all others.

libfaketime 0.9.10 takes the deadline of Python's `time.sleep`, which is on the monotonic clock, for one that
it fakes, although FAKETIME_DONT_FAKE_MONOTONIC is set; the call fails with EINVAL. `select` is left alone.
"""

import select
import time
from typing import SupportsIndex


def _sleep(seconds: SupportsIndex | float, /) -> None:
    select.select([], [], [], float(seconds))


time.sleep = _sleep
