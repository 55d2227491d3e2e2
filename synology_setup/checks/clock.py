"""Whether DSM's clock is right: after a power cut a NAS may wake in the year 2000."""

from __future__ import annotations

from datetime import datetime, timedelta

from .finding import Finding, bad, good, untold

_MOST = timedelta(
    minutes=5
)  # AWS refuses a signature that is older: docs.aws.amazon.com/IAM, "Signature Version 4"


def judge_clock(nas: str, date: datetime | None, now: datetime) -> Finding:
    """Compare the clock of the NAS with this machine's."""
    what = f"the clock of the NAS {nas} is right"
    if date is None:
        return untold(what, "DSM's page does not say the time")
    off = date - now
    seconds = round(abs(off.total_seconds()))
    side = "ahead of" if off > timedelta() else "behind"
    measured = f"{_shown(date)}, {seconds} s {side} this machine"
    if abs(off) <= _MOST:
        return good(what, measured)
    return bad(
        what,
        measured,
        f"this machine says {_shown(now)}. If that is right: Control Panel > Regional Options > Time > "
        "Synchronize with NTP server; with a wrong clock AWS and certificates fail on the NAS. If it is not, "
        "set this machine's clock",
    )


def _shown(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"
