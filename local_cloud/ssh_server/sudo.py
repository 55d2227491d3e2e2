"""A sudo as DSM's, put first in PATH: what it does is chosen by the test."""

from __future__ import annotations

import json
import shlex
import sys
from enum import Enum
from pathlib import Path

_PROGRAM = Path(__file__).with_name("sudo_program.py")


class SudoMode(Enum):
    """What sudo does for the account."""

    PASSWORD = "password"  # noqa: S105
    NO_PASSWORD = "no password"  # noqa: S105 - NOPASSWD in sudoers(5)
    CACHED = "cached"  # a timestamp is fresh; -k ignores it
    CACHED_ALWAYS = "cached, whatever -k says"
    NOT_IN_SUDOERS = "not in sudoers"
    REQUIRES_TERMINAL = "requires a terminal"
    ASKS_SOMETHING_ELSE = "asks something else"  # a PAM module's prompt replaces that of -p


class SimulatedSudo:
    """The program, in a folder of its own that stands first in PATH.

    Attributes:
        folder: holds `sudo`, and what it keeps.
    """

    def __init__(self, folder: Path, password: str, mode: SudoMode = SudoMode.PASSWORD) -> None:
        """Write the program; `password` is what it accepts."""
        self.folder = folder
        self._settings = {"password": password, "lecture": True, "tries": 3, "delay": 0.2}
        folder.mkdir(parents=True)
        program = folder / "sudo"
        argv = [sys.executable, "-IS", str(_PROGRAM), str(folder)]
        program.write_text(f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n')
        program.chmod(0o755)
        self.set(mode)

    def set(self, mode: SudoMode, *, lecture: bool = True, tries: int = 3) -> None:
        """Choose what it does from the next call on.

        Args:
            mode: what it does.
            lecture: print the lecture at each call, as DSM does, instead of at the first only.
            tries: how many passwords it takes.
        """
        self._settings |= {"mode": mode.value, "lecture": lecture, "tries": tries}
        (self.folder / "settings.json").write_text(json.dumps(self._settings))

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of each call so far."""
        file = self.folder / "calls.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def wrong_passwords(self) -> int:
        """How many wrong passwords were tried so far."""
        file = self.folder / "wrong"
        return len(file.read_text()) if file.exists() else 0
