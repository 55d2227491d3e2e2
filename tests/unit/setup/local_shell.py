"""A shell at this machine in place of the NAS's: scripts run for real, on a tree of the test's own."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence

from synology_setup.remote import Result


class LocalShell:
    """Runs what a root shell would run; `BEFORE` is put before each script."""

    BEFORE = ""

    def run(self, command: Sequence[str] | str, stdin: bytes = b"", *, seconds: float = 120.0) -> Result:
        script = command if isinstance(command, str) else shlex.join(command)
        done = subprocess.run(
            ["sh", "-c", self.BEFORE + script], input=stdin, capture_output=True, timeout=seconds, check=False
        )
        return Result(done.returncode, done.stdout, done.stderr)
