"""Time that is moved, in a process: the clock and OpenSSL's look at it jump, what waits does not."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local_cloud.system_programs import ProgramMissing
from tests.year.moved_time import MovedTime
from tests.year.years import BUILD

PROGRAM = """
import os, subprocess, sys, threading, time
from datetime import UTC, datetime

def say(): print(datetime.now(UTC).isoformat(), flush=True); sys.stdin.readline()
def waits(wait):
    began = time.monotonic(); wait(0.2); took = time.monotonic() - began
    assert 0.19 < took, took
say()
for wait in (time.sleep, threading.Event().wait): waits(wait)
lock = threading.Lock(); lock.acquire()
waits(lambda seconds: lock.acquire(timeout=seconds))
began = time.monotonic()
say()
assert time.monotonic() - began < 3600
if os.fork() == 0:
    say(); os._exit(0)
os.wait()
print(subprocess.run(["date", "-u", "+%F"], capture_output=True, text=True).stdout.strip(), flush=True)
"""


@pytest.fixture
def clock(tmp_path: Path) -> MovedTime:
    try:
        return MovedTime.provided(tmp_path / "now", BUILD)
    except ProgramMissing as missing:
        pytest.skip(str(missing))


def test_it_jumps_for_a_process_its_children_and_its_commands(clock: MovedTime) -> None:
    clock.move_to(datetime(2027, 1, 1, 3, tzinfo=UTC))
    environment = {"PATH": os.environ["PATH"], **clock.environment}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        for moment in ("2027-01-01T03:00:00", "2027-08-01T04:05:06", "2028-02-29T00:00:00"):
            clock.move_to(datetime.fromisoformat(f"{moment}+00:00"))
            if moment.startswith("2027-01"):
                assert process.stdout.readline().strip() == f"{moment}+00:00"
            else:
                process.stdin.write("\n")
                process.stdin.flush()
                assert process.stdout.readline().strip() == f"{moment}+00:00"
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline().strip() == "2028-02-29"
    assert process.returncode == 0
