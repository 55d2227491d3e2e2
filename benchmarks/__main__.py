"""`make bench`, or `python -m benchmarks [--runs N]`: every benchmark, in `build/bench/report.{json,md}`."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import psutil

from benchmarks import agent, growth, issuance, lambda_start, spreading
from benchmarks.cloud import BUILD
from benchmarks.command_line import parse_runs
from benchmarks.figures import Part
from local_cloud.processes import adopt_orphans

_PARTS = (issuance, agent, lambda_start, growth, spreading)


def main() -> int:
    """Run all of them; the exit code is 0 even where an aim is missed: the report says so."""
    runs, began = parse_runs(), time.monotonic()
    adopt_orphans()
    parts = []
    loads = [os.getloadavg()[0]]
    for benchmark in _PARTS:
        print(f"… {benchmark.__name__}", file=sys.stderr, flush=True)
        parts.append(benchmark.measure(runs))
        loads.append(os.getloadavg()[0])
    machine = _machine(loads)
    versions = _versions(parts)
    folder = BUILD / "bench"
    seconds = round(time.monotonic() - began)
    report = {
        "runs": runs,
        "seconds": seconds,
        "machine": machine,
        "versions": versions,
        "parts": [part.as_json() for part in parts],
    }
    (folder / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    text = _markdown(parts, machine, versions, runs)
    (folder / "report.md").write_text(text)
    print(text)
    print(f"{seconds} s; the same in build/bench/report.md and, with every single value, in report.json")
    return 0


def _machine(loads: list[float]) -> dict[str, str]:
    return {
        "processors": f"{os.cpu_count()}, {platform.machine()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": _system(),
        "load average": f"{min(loads):.1f} to {max(loads):.1f} during the run",
    }


def _system() -> str:
    try:
        named = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        named = ""
    return f"{named or platform.system()}, Linux {platform.release().split('-')[0]}"


def _versions(parts: list[Part]) -> dict[str, str]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    found = {"this project": commit or "unknown", "Python": platform.python_version()}
    for part in parts:
        found |= part.versions
    return found


def _markdown(parts: list[Part], machine: dict[str, str], versions: dict[str, str], runs: int) -> str:
    lines = [
        f"Measured by `make bench RUNS={runs}`: medians of {runs} runs, their spread in brackets; ratios are "
        "of medians of one run of the benchmark.",
        "",
        "; ".join(f"{name}: {value}" for name, value in {**machine, **versions}.items()) + ".",
        "",
    ]
    return "\n".join(lines) + "\n" + "\n".join(part.markdown() for part in parts)


if __name__ == "__main__":
    sys.exit(main())
