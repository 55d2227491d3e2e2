"""`make year`, or `python -m tests.year --lifetimes 45 --seeds 1` for one of its years.

The years are told by lifetime in days, or `drop`, and by seed: the same two are the same year. Seeds are not
chosen: 1, 2, 3 and so on; odd ones have ACME Renewal Information, even ones do not.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from rich.console import Console
from rich.table import Table

from local_cloud.processes import ServiceError
from local_cloud.system_programs import ProgramMissing
from tests.year.years import BUILD, DROP, Lived, live_all, scenario_of

LIFETIMES = ("6", "45", "64", "90", DROP)
SEEDS = (1, 2)
_SHOWN = 10
_WIDTH = 200  # where nobody looks, so that a log has the whole table


def main() -> int:
    """Live the years; the exit code says whether everything held in each."""
    parser = argparse.ArgumentParser(description="The renewer and the agent through a year.")
    parser.add_argument("--lifetimes", nargs="*", default=LIFETIMES, help="in days, or drop (default: all)")
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS, help="of the chaos (default: 1 2)")
    parser.add_argument("--days", type=int, default=365, help="of a year (default: 365)")
    parser.add_argument("--workers", type=int, default=2 * (os.cpu_count() or 1), help="years at a time")
    options = parser.parse_args()
    scenarios = [
        scenario_of(lifetime, seed, days=options.days)
        for lifetime in options.lifetimes or LIFETIMES
        for seed in options.seeds or SEEDS
    ]
    folder = BUILD / "year"
    folder.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDTH)
    began, years = time.monotonic(), []
    console.print(f"{len(scenarios)} years: {', '.join(one.title for one in scenarios)}")
    try:
        for lived in live_all(scenarios, workers=options.workers, folder=folder):
            years.append(lived)
            _tell(console, lived)
    except (ProgramMissing, ServiceError) as error:
        console.print(f"error: {error}", markup=False)
        return 1
    console.print(_table(sorted(years, key=lambda one: scenarios.index(one.scenario))))
    console.print(f"{time.monotonic() - began:.0f} s; pictures and their data are in {folder}")
    return int(any(one.broken for one in years))


def _tell(console: Console, lived: Lived) -> None:
    mark = "✗" if lived.broken else "✓"
    console.print(f"{mark} {lived.scenario.title}: {lived.record.seconds:.0f} s", markup=False)
    for text in lived.broken[:_SHOWN]:
        console.print(f"  {text}", markup=False)
    if len(lived.broken) > _SHOWN:
        console.print(f"  and {len(lived.broken) - _SHOWN} more")


def _table(years: list[Lived]) -> Table:
    table = Table(
        "lifetime", "seed", "ARI", "outages", "runs", "failed", "died", "issued", "least left", "alarms on"
    )
    for one in years:
        runs, figures = one.record.runs, one.figures()
        alarms = figures["alarms went on"]
        assert isinstance(alarms, dict)
        table.add_row(
            one.scenario.name,
            str(one.scenario.seed),
            "yes" if one.scenario.renewal_info else "no",
            str(figures["outages"]),
            str(len(runs)),
            str(sum(run.ended == "failed" for run in runs)),
            str(sum(run.ended == "died" for run in runs)),
            f"{figures['issued']} of {figures['at most needed']}",
            f"{figures['least share left served']:.1%}",
            ", ".join(f"{name} {most}/{least}" for name, (most, least) in sorted(alarms.items()) if most),
        )
    return table


if __name__ == "__main__":
    os.environ["NO_PROXY"] = "*"
    sys.exit(main())
