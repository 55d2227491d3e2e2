"""The checks on Windows and macOS: no module that only some systems have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[3]
_IMPORT = """
import sys
for name in ("fcntl", "pwd", "grp", "termios", "tty", "pty", "resource"):
    sys.modules[name] = None
from synology_setup.checks import Resolvers
print(*Resolvers.default().public.nameservers)
"""


def test_they_are_imported_without_what_windows_lacks() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1.1.1.1 8.8.8.8\n", "")
