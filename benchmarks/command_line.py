"""The command line of every benchmark that is run alone."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from benchmarks.figures import Part
from local_cloud.processes import adopt_orphans

RUNS = 3


def parse_runs() -> int:
    """Return how often each thing is to be measured."""
    parser = argparse.ArgumentParser(description="Measures, and prints what it measured as Markdown.")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"of each thing (default: {RUNS})")
    runs: int = parser.parse_args().runs
    return runs


def print_part(measure: Callable[[int], Part]) -> None:
    """Measure, and print the part."""
    runs = parse_runs()
    adopt_orphans()
    print(measure(runs).markdown())
