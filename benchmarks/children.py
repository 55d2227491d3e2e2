"""Commands as measured children: wall and CPU seconds and peak memory, as the kernel counted them."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PROGRAM = Path(__file__).with_name("measured_child.py")
_SECONDS = 600


class CommandFailed(RuntimeError):
    """A command that was to be measured failed; what it said is in the text."""


@dataclass(frozen=True)
class Usage:
    """What a command used, with all its own children.

    Attributes:
        wall: seconds on the clock.
        cpu: seconds of all processors, in user and kernel mode.
        own_cpu: those of the command's first thread, without its children.
        memory: the most resident memory of one process, in MiB, as Lambda counts.
        output: what it printed, both streams.
    """

    wall: float
    cpu: float
    own_cpu: float
    memory: float
    output: str


def run(command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path) -> Usage:
    """Run a command to its end.

    Args:
        command: the program and its arguments.
        env: its whole environment.
        cwd: where it runs.

    Raises:
        CommandFailed: its exit code is not 0.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        done = subprocess.run(
            [sys.executable, "-I", "-S", _PROGRAM, report, *command],
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_SECONDS,
            check=False,
        )
        output = done.stdout.decode(errors="replace")
        if not report.is_file():
            raise CommandFailed(f"{command[0]} could not be measured:\n{output}")
        used = json.loads(report.read_text())
    if used["code"]:
        raise CommandFailed(f"{command[0]} exited with {used['code']}:\n{output}")
    return Usage(used["wall"], used["cpu"], used["own_cpu"], used["memory"], output)
