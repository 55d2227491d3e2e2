"""What lets each program of the simulation go wrong on demand, as `Switches.faults` says."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from local_cloud.dsm.switches import take_fault
from local_cloud.dsm.tree import DsmTree

Main: TypeAlias = Callable[[str, Sequence[str]], int]
"""A program: from its path in the tree and its arguments to its exit code."""


def can_fail(*, lie: str = "") -> Callable[[Main], Main]:
    """Wrap a program's main; `lie` is what it prints to pass for a success without effect."""

    def wrap(main: Main) -> Main:
        @functools.wraps(main)
        def wrapped(program: str, arguments: Sequence[str]) -> int:
            fault = take_fault(DsmTree.containing(program), Path(program).name, list(arguments))
            if fault is None:
                return main(program, arguments)
            if fault.kind == "fail":
                sys.stderr.write(fault.printed)
                return fault.exit_code
            if fault.kind == "lie":
                sys.stdout.write(lie)
                return 0
            if fault.kind == "hang":
                time.sleep(fault.seconds)
            sys.stdout.write(fault.printed)
            return main(program, arguments)

        return wrapped

    return wrap
