"""The streams of one running command: both are read while input is sent, so that neither side can block."""

from __future__ import annotations

import time
from collections.abc import Callable

import paramiko  # type: ignore[import-untyped,unused-ignore]

from .connection import Connection
from .errors import ConnectionLost, WentSilent

_CHUNK = 32_768  # an SSH packet's usual most (RFC 4253, section 6.1)
_PAUSE_SECONDS = 0.005
_NO_MORE_THAN = 4_000


class Exchange:
    """What a command has printed so far, and what it is still to be sent.

    Attributes:
        stdout: everything so far.
        stderr: everything so far.
    """

    def __init__(self, connection: Connection, channel: paramiko.Channel) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self._connection = connection
        self._channel = channel
        self._unsent = memoryview(b"")
        self._end = False

    def send(self, content: bytes, *, end: bool = False) -> None:
        """Have `content` sent while waiting; `end` closes the command's standard input after it."""
        self._unsent = memoryview(bytes(self._unsent) + content)
        self._end = end

    def wait(self, condition: Callable[[], bool], doing: str, *, seconds: float) -> None:
        """Send and receive until the condition holds, or the command has ended and all its output is here.

        Raises:
            ConnectionLost: the connection ended.
            WentSilent: nothing went either way for `seconds`.
        """
        heard = time.monotonic()
        try:
            while not condition():
                ended = self._channel.closed  # asked before reading: what came before the end is still read
                if self._receive() or self._send():
                    heard = time.monotonic()
                elif ended:
                    break
                elif time.monotonic() - heard > seconds:
                    raise self._silent(doing, seconds)
                else:
                    time.sleep(_PAUSE_SECONDS)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self.lost(doing) from error
        if not condition() and not self._connection.outlived():
            raise self.lost(doing)

    def lost(self, doing: str) -> ConnectionLost:
        """Return the error for an exchange that ended too early."""
        return self._connection.lost(doing)

    def words(self) -> str:
        """Return what was printed so far, as one line for an error's text."""
        said = bytes(self.stderr + b"\n" + self.stdout)[-_NO_MORE_THAN:].decode(errors="replace")
        return " / ".join(line.strip() for line in said.splitlines() if line.strip())

    def _receive(self) -> bool:
        received = 0
        while self._channel.recv_ready():
            received += self._add(self.stdout, self._channel.recv(_CHUNK))
        while self._channel.recv_stderr_ready():
            received += self._add(self.stderr, self._channel.recv_stderr(_CHUNK))
        return received > 0

    @staticmethod
    def _add(stream: bytearray, data: bytes) -> int:
        stream += data
        return len(data)

    def _send(self) -> bool:
        """Send what the window takes; that a command has stopped reading is told by its status."""
        if self._channel.closed:
            return False
        if self._unsent and self._channel.send_ready():
            self._unsent = self._unsent[self._channel.send(self._unsent[:_CHUNK].tobytes()) :]
            return True
        if self._end and not self._unsent:
            self._end = False
            self._channel.shutdown_write()
            return True
        return False

    def _silent(self, doing: str, seconds: float) -> WentSilent:
        return WentSilent(
            f"{self._connection.target} was silent for {seconds:g} s while {doing}"
            f"{': ' + self.words() if self.words() else ''}. It may be overloaded or asleep, or the network "
            "is gone; what the NAS did of it is not known. Start again: nothing has to be undone"
        )
