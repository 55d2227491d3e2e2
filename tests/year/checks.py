"""What must hold in a year: each check returns what did not, in sentences."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from tests.year.plan import DAY, LONGEST_OUTAGE, START, Part, Plan, is_down
from tests.year.record import Issued, Record, Run, Sight, moment_of, seconds_of
from tests.year.stack import Stack

LEAST_SHARE = 0.1
LEAST_OF_SHORT = DAY  # where the lifetime is under ten days
AGENT_EVERY = DAY / 4
_SHORT = 10 * DAY
# Part of the lifetime after which a certificate may be renewed: the renewer's own rule, and the begin of the
# window that the year's authority answers (local_cloud.acme.acme2certifier).
_OWN_SHARE, _OWN_SHARE_OF_SHORT = 2 / 3, 1 / 2
_ASKED_SHARE, _ASKED_SHARE_OF_SHORT = 0.66, 0.49
_LONGEST_POLL = DAY  # RFC 9773 section 4.3.2
_NEEDED: dict[str, tuple[Part, ...]] = {
    "renewer": ("ca", "route53", "secretsmanager"),
    "agent": ("secretsmanager", "nas"),
}


def check_year(record: Record, plan: Plan, stack: Stack) -> list[str]:
    """Return all that did not hold, but for the alarms."""
    return [
        *check_served(record, plan),
        *check_revoked(record, plan, stack),
        *check_issued(record, plan, stack),
        *check_runs(record, plan),
    ]


def check_served(record: Record, plan: Plan) -> Iterator[str]:
    """Say where a certificate was served that had too little life left, or none that a browser takes."""
    seen = 0
    for sight in in_charge(record, plan):
        seen += 1
        when = f"{moment_of(sight.at):%Y-%m-%d %H:%M} at {sight.place}"
        if sight.error:
            yield f"{when}: a gap: {sight.error}"
            continue
        left, life = (timedelta(seconds=sight.end - one) for one in (sight.at, sight.begin))
        if left < (LEAST_OF_SHORT if life < _SHORT else life * LEAST_SHARE):
            yield f"{when}: {left / DAY:.2f} of {life / DAY:.0f} days are left"
    if seen < plan.scenario.days:
        yield f"there were only {seen} looks at what is served"


def check_revoked(record: Record, plan: Plan, stack: Stack) -> Iterator[str]:
    """Say where a certificate that the authority revoked was served for longer than asking anew takes.

    That is until the next time to ask, two runs of the renewer and of the agent (one may die), and an outage.
    """
    if plan.revoked is None:
        return
    patience = _LONGEST_POLL + 2 * (stack.interval + stack.window) + 2 * AGENT_EVERY + LONGEST_OUTAGE
    revoked = seconds_of(plan.revoked)
    doomed = {one.serial for one in record.issued if one.begin <= revoked}
    late = revoked + patience.total_seconds()
    for sight in in_charge(record, plan):
        if sight.serial in doomed and sight.at > late:
            yield f"{moment_of(sight.at):%Y-%m-%d %H:%M} at {sight.place}: revoked, and still served"


def check_issued(record: Record, plan: Plan, stack: Stack) -> Iterator[str]:
    """Say which certificate nobody needed: neither due, nor to replace a revoked one, nor ever current."""
    if not record.issued:
        yield "nothing was issued"
    for one in record.issued:
        if not one.current:
            yield f"{moment_of(one.begin):%Y-%m-%d %H:%M}: {one.serial} was issued and never became current"
    shares = (_ASKED_SHARE, _ASKED_SHARE_OF_SHORT)
    shares = shares if plan.scenario.renewal_info else (_OWN_SHARE, _OWN_SHARE_OF_SHORT)
    ahead = (stack.interval + stack.window).total_seconds()
    revoked = seconds_of(plan.revoked) if plan.revoked else None
    for old, new in pairwise(record.issued):
        life = old.end - old.begin
        due = old.begin + life * shares[life < _SHORT.total_seconds()] - ahead
        was_revoked = revoked is not None and old.begin <= revoked <= new.begin
        if new.begin < due and not was_revoked:
            yield (
                f"{moment_of(new.begin):%Y-%m-%d %H:%M}: issued {(due - new.begin) / 3600:.1f} hours before "
                f"the one before it could be due"
            )


def check_runs(record: Record, plan: Plan) -> Iterator[str]:
    """Say which run failed though all that it needs was there, or died though none was to die."""
    doomed = {(one.kind, seconds_of(one.at)) for one in plan.events if one.dies is not None}
    for run in record.runs:
        if run.ended == "failed" and not _explained(run, plan):
            yield f"{moment_of(run.at):%Y-%m-%d %H:%M}: the {run.who} failed for no reason: {run.said}"
        if run.ended == "died" and (run.who, run.at) not in doomed:
            yield f"{moment_of(run.at):%Y-%m-%d %H:%M}: the {run.who} died, though none killed it"
    for who in _NEEDED:
        if not any(run.who == who and run.ended == "well" for run in record.runs):
            yield f"no run of the {who} ended well"


def in_charge(record: Record, plan: Plan) -> Iterator[Sight]:
    """Yield what was seen while the NAS was up, from the end of the agent's first run since it is."""
    downs = [one for one in plan.outages if one.part == "nas"]
    awake = [seconds_of(START), *(seconds_of(one.end) for one in downs)]
    runs = [run.at for run in record.runs if run.who == "agent" and run.ended != "died"]
    for sight in record.sights:
        if is_down(downs, "nas", moment_of(sight.at)):
            continue
        since = awake[bisect_right(awake, sight.at) - 1]
        first = bisect_right(runs, since - 1)
        if first < len(runs) and runs[first] < sight.at:
            yield sight


def current_at(record: Record, at: float) -> Issued | None:
    """Return the certificate that was AWSCURRENT at a moment."""
    known = [one for one in record.issued if one.current and one.current <= at]
    return max(known, key=lambda one: one.current, default=None)


def needed(plan: Plan, stack: Stack) -> int:
    """Return how many certificates a year takes at most if each is renewed as soon as it may be."""
    shares = (_ASKED_SHARE, _ASKED_SHARE_OF_SHORT)
    shares = shares if plan.scenario.renewal_info else (_OWN_SHARE, _OWN_SHARE_OF_SHORT)
    at, count = START, 0
    while at < plan.end:
        days = [days for day, days in plan.scenario.lifetimes if START + day * DAY <= at][-1]
        at += days * DAY * shares[days * DAY < _SHORT] - stack.interval - stack.window
        count += 1
    return count + (plan.revoked is not None)


def _explained(run: Run, plan: Plan) -> bool:
    at = moment_of(run.at)
    return any(is_down(plan.outages, part, at) for part in _NEEDED[run.who])
