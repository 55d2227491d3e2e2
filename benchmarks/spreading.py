"""When do renewals together pass Route 53's limit? A simulation: `python -m benchmarks.spreading`.

Route 53 allows five API requests a second an account
(https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html). Every certificate has a
schedule of its own, twice a day with a flexible window of half of that, in which AWS chooses a moment; all
schedules begin in the same minute, that of one `pulumi up`, which is the worst case. What an issuance asks of
Route 53, and when, is the renewer's own: its changes, and GetChange by its own back-off until INSYNC.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.command_line import print_part
from benchmarks.figures import Part, sample
from lambda_renewer import dns01
from lambda_renewer.waiting import back_off

LIMIT = 5
COUNTS = (1, 10, 100, 1_000, 10_000)
_DAY_SECONDS = 86_400
_INTERVAL_SECONDS, _WINDOW_SECONDS = 12 * 3_600, 6 * 3_600
_RENEWED_AFTER_SECONDS = 30 * _DAY_SECONDS  # two thirds of 45 days
_ANSWER_SECONDS = 0.05  # of a request to AWS from within AWS
_INSYNC_SECONDS = 30.0  # AWS says that changes are everywhere "within 60 seconds"
_VALIDATION_SECONDS = 2.0


def moments() -> list[float]:
    """Return when one issuance asks Route 53, in seconds from its first request.

    List and change, then GetChange until INSYNC, then list and change once more to take the records away.
    """
    pauses = back_off(dns01.FIRST_POLL_SECONDS, dns01.LONGEST_POLL_SECONDS)
    asked = [0.0, _ANSWER_SECONDS, 2 * _ANSWER_SECONDS]
    while asked[-1] < _INSYNC_SECONDS:
        asked.append(asked[-1] + next(pauses) + _ANSWER_SECONDS)
    end = asked[-1] + _VALIDATION_SECONDS
    return [*asked, end, end + _ANSWER_SECONDS]


@dataclass(frozen=True)
class Load:
    """What Route 53 is asked.

    Attributes:
        busiest: the most requests in one second.
        over: how many seconds had more than the limit.
    """

    busiest: int
    over: int


def load(starts: Sequence[float], pattern: Sequence[float]) -> Load:
    """Return the load of issuances that start so, by seconds of the clock."""
    seconds = Counter(int(start + moment) for start in starts for moment in pattern)
    return Load(max(seconds.values()), sum(count > LIMIT for count in seconds.values()))


def usual_month(count: int, chance: random.Random) -> list[float]:
    """Return when the issuances of a month start: each certificate was first made on a day of its own."""
    starts = []
    for _ in range(count):
        due = chance.uniform(0, _RENEWED_AFTER_SECONDS)
        starts.append(due - due % _INTERVAL_SECONDS + chance.uniform(0, _WINDOW_SECONDS))
    return starts


def all_in_one_window(count: int, chance: random.Random) -> list[float]:
    """Return when they start if the authority revokes all of them: each at its next run."""
    return [chance.uniform(0, _WINDOW_SECONDS) for _ in range(count)]


def measure(runs: int) -> Part:
    """Simulate with so many seeds, 1, 2, 3, …; the worst of each is shown."""
    part = Part("The schedules' spreading")
    pattern = moments()
    alone = load([0.0], pattern)
    part.add("requests of one issuance in its busiest second", sample([alone.busiest]), at_most=LIMIT)
    lines = [
        "| certificates | usual month: busiest second | seconds over the limit | all at once: busiest second "
        "| seconds over the limit |",
        "|---:|---:|---:|---:|---:|",
    ]
    for count in COUNTS:
        cells = []
        for starts in (usual_month, all_in_one_window):
            found = [load(starts(count, random.Random(seed)), pattern) for seed in range(1, runs + 1)]  # noqa: S311
            cells += [str(max(one.busiest for one in found)), f"{max(one.over for one in found):,}"]
        lines.append(f"| {count:,} | {' | '.join(cells)} |")
    part.tables.append("\n".join(lines))
    part.notes += [
        f"Route 53 allows {LIMIT} requests a second an account. One issuance makes {len(pattern)}, most of "
        f"them GetChange until INSYNC after {_INSYNC_SECONDS:.0f} s, and asks for each {_ANSWER_SECONDS} s.",
        f"A usual month: 45-day certificates, renewed after {_RENEWED_AFTER_SECONDS // _DAY_SECONDS} days, "
        "first made on days spread over the month. All at once: the authority revokes all of them, and each "
        f"is renewed at its next run, within one window of {_WINDOW_SECONDS // 3_600} hours.",
        f"The worst of {runs} seeds. A request over the limit is answered with Throttling, and the renewer's "
        "client slows down and asks again (retries in adaptive mode): a second over the limit is a delay.",
    ]
    return part


if __name__ == "__main__":
    print_part(measure)
