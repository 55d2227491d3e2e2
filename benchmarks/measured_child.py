"""Runs one command and tells what it used: `python -I -S measured_child.py REPORT COMMAND …`.

A program of its own, and a small one: Linux counts the memory that a process had before its exec as its own
(`getrusage(2)`, ru_maxrss), so a child of the benchmark itself could never seem smaller than that.
"""

import json
import os
import sys
import time

_NO_SUCH_PROGRAM = 127


def main() -> None:
    """Run the command; write seconds, peak memory in MiB and the exit code to REPORT as JSON."""
    report, command = sys.argv[1], sys.argv[2:]
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        try:
            os.execvp(command[0], command)  # noqa: S606
        finally:
            os._exit(_NO_SUCH_PROGRAM)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    # What its children used is not in it: nanoseconds of its first thread (the kernel's sched-stats.rst).
    with open(f"/proc/{child}/schedstat", encoding="ascii") as file:  # noqa: PTH123 - pathlib costs memory
        own = int(file.read().split()[0]) / 1e9
    _, status, used = os.wait4(child, 0)
    measured = {
        "wall": time.monotonic() - began,
        "cpu": used.ru_utime + used.ru_stime,
        "own_cpu": own,
        "memory": used.ru_maxrss / 1024,
        "code": os.waitstatus_to_exitcode(status),
    }
    with open(report, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs memory
        json.dump(measured, file)


main()
