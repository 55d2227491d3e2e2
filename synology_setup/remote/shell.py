"""Commands at the NAS, whose output is read between markers of ours: what DSM prints around it is noise.

A started shell first says that it is there, then reads the script from standard input up to a marker, runs
it with the rest of standard input, and ends both streams with a marker. Nothing but this fixed text is an
argument of a process. A script that arrives cut off is not run.
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from .connection import Connection
from .errors import CommandFailed
from .exchange import Exchange

COMMAND_SECONDS = 120.0
"""How long a command may take, unless its caller knows better."""

SHELL_SECONDS = 30.0
"""How long a shell may take to start; a disk may have to spin up first."""


@dataclass(frozen=True)
class Result:
    """What a command ended with.

    Attributes:
        status: its exit status, 0 to 255.
        stdout: what it printed, without what was printed around it.
        stderr: the same of standard error.
    """

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def said(self) -> str:
        """What it printed on both streams, as text."""
        return (self.stdout + self.stderr).decode(errors="replace").strip()

    def check(self, doing: str) -> Self:
        """Return itself where the status is 0.

        Raises:
            CommandFailed: it is not; the text says what was being done, and the command's last words.
        """
        if self.status != 0:
            words = (self.stderr.strip() or self.stdout.strip()).decode(errors="replace")
            raise CommandFailed(
                f"{doing} failed on the NAS with status {self.status}: {words[-1000:] or 'it said nothing'}"
            )
        return self


class Shell(Protocol):
    """Runs commands at the NAS, as one of its users."""

    def run(
        self, command: Sequence[str] | str, stdin: bytes = b"", *, seconds: float = COMMAND_SECONDS
    ) -> Result:
        """Run a command (a list of arguments) or a shell script (a string).

        Raises:
            ConnectionLost: the connection ended, or nothing went either way for `seconds`.
            NotAnAdministrator: there is no shell to be had.
        """


class UserShell:
    """Commands as the account that logged in."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(
        self, command: Sequence[str] | str, stdin: bytes = b"", *, seconds: float = COMMAND_SECONDS
    ) -> Result:
        """Run a command or a script; see `Shell.run`."""
        frame = Frame()
        with self._connection.channel(shlex.join(["sh", "-c", frame.bootstrap])) as channel:
            exchange = Exchange(self._connection, channel)
            exchange.wait(lambda: frame.begun(exchange), "starting a shell", seconds=SHELL_SECONDS)
            if not frame.begun(exchange):
                raise self._connection.no_shell(exchange.words())
            self._connection.proven = True
            return frame.converse(exchange, command, stdin, seconds)


class Frame:
    """The markers of one command: where its script ends, where its output begins and ends.

    What is awaited is never in the command line as it is, so that no trace or complaint that quotes the
    command line is mistaken for it.
    """

    def __init__(self) -> None:
        begin, end, self._script_end = (secrets.token_hex(12) for _ in range(3))
        self._begin = f"{begin}\n".encode()
        self._end = re.compile(rf"\n{end} (\d+)\n".encode())
        self.bootstrap = (
            f"umask 077; printf '%s%s\\n' {_halves(begin)}; printf '%s%s\\n' {_halves(begin)} >&2; "
            "n=$(printf '\\n.'); n=${n%.}; s=; e=; "
            f'while IFS= read -r l; do case $l in {self._script_end}) e=1; break;; esac; s="$s$l$n"; done; '
            'test "$e" || exit 1; (eval "$s"); r=$?; '
            f"printf '\\n%s%s %s\\n' {_halves(end)} $r; printf '\\n%s%s %s\\n' {_halves(end)} $r >&2"
        )

    def begun(self, exchange: Exchange) -> bool:
        """The shell is there, on both streams."""
        return self._begin in exchange.stdout and self._begin in exchange.stderr

    def converse(
        self, exchange: Exchange, command: Sequence[str] | str, stdin: bytes, seconds: float
    ) -> Result:
        """Send the script and its input, and return what came of it.

        Raises:
            ConnectionLost: the output ends without its marker, or nothing went either way for `seconds`.
        """
        script = command if isinstance(command, str) else shlex.join(command)
        exchange.send(f"{script}\n{self._script_end}\n".encode() + stdin, end=True)
        exchange.wait(lambda: self._ended(exchange), "running a command", seconds=seconds)
        if not self._ended(exchange):
            raise exchange.lost("running a command")
        stdout, status = self._between(exchange.stdout)
        stderr, _ = self._between(exchange.stderr)
        return Result(int(status), stdout, stderr)

    def _ended(self, exchange: Exchange) -> bool:
        return all(self._end.search(stream) for stream in (exchange.stdout, exchange.stderr))

    def _between(self, stream: bytearray) -> tuple[bytes, bytes]:
        """Return what stands between the markers, and the status that the last one carries."""
        content, status, _ = self._end.split(bytes(stream).partition(self._begin)[2], maxsplit=1)
        return content, status


def _halves(marker: str) -> str:
    middle = len(marker) // 2
    return f"{marker[:middle]} {marker[middle:]}"
