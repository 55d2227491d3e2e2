"""A real account of this machine with a password, made for a test by root and removed after it."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import subprocess
from pathlib import Path
from typing import Self

import psutil

from local_cloud.processes import Startable, wait_until
from local_cloud.system_programs import find

_HOME = "/var/services/homes"  # DSM's, which does not exist here: sshd complains as on a NAS without homes
_SUDOERS = Path("/etc/sudoers.d")
_NEEDED = {"useradd": "passwd", "userdel": "passwd", "chpasswd": "passwd", "sudo": "sudo", "visudo": "sudo"}


class Account(Startable):
    """An account named `nas…`, which may use the machine's own sudo.

    Attributes:
        name: the account.
        password: its password.
    """

    def __init__(self, rule: str | None = "ALL=(ALL:ALL) ALL") -> None:
        """Describe the account; `rule` is what sudoers(5) says of it, None nothing."""
        self.name = f"nas{secrets.token_hex(4)}"
        self.password = secrets.token_urlsafe(12)
        self._rule = rule

    @staticmethod
    def lacking() -> str | None:
        """Return why no account can be made here, with the Debian package to install, or None."""
        if os.geteuid() != 0:
            return "an account is made by root only"
        missing = {package for program, package in _NEEDED.items() if find(program) is None}
        return f"needs the Debian packages {', '.join(sorted(missing))}" if missing else None

    def start(self) -> Self:
        """Make it."""
        _run(
            "useradd",
            "--no-create-home",
            "--home-dir",
            f"{_HOME}/{self.name}",
            "--shell",
            "/bin/sh",
            self.name,
        )
        try:
            _run("chpasswd", stdin=f"{self.name}:{self.password}\n")
            if self._rule is not None:
                self.allow(self._rule)
        except BaseException:
            self.stop()
            raise
        return self

    def allow(self, rule: str) -> None:
        """Have sudoers(5) say `rule` of it from now on; a faulty one is refused before it is in place."""
        rules = f"{self.name} {rule}\n"
        _run("visudo", "--check", "--quiet", "--file=-", stdin=rules)
        temporary = _SUDOERS / f".{self.name}~"  # sudo passes over names with a dot or a tilde
        temporary.write_text(rules)
        temporary.chmod(0o440)
        temporary.replace(_SUDOERS / self.name)

    def stop(self) -> None:
        """Remove it, with what sudo keeps of it; harmless if it was not made.

        Raises:
            ServiceError: a process of it does not end.
        """
        (_SUDOERS / self.name).unlink(missing_ok=True)
        try:
            uid = pwd.getpwnam(self.name).pw_uid
        except KeyError:
            return
        for process in _processes(uid):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        wait_until(lambda: not _processes(uid), what=f"the end of {self.name}'s processes", seconds=10)
        for kept in ("/var/lib/sudo/lectured", "/run/sudo/ts"):
            for name in (self.name, str(uid)):
                (Path(kept) / name).unlink(missing_ok=True)
        _run("userdel", self.name)


def _processes(uid: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess):
            if uid in process.uids() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _run(program: str, *arguments: str, stdin: str = "") -> None:
    subprocess.run(
        [find(program) or program, *arguments], input=stdin, text=True, check=True, capture_output=True
    )
