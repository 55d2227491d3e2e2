"""Child processes of the embedded cloud: started on loopback, watched, and always torn down."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

LOOPBACK = "127.0.0.1"
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_TERMINATE_SECONDS = 5.0


class ServiceError(RuntimeError):
    """A service of the embedded cloud did not start, or ended while it was needed."""


def free_port() -> int:
    """Return a TCP port on 127.0.0.1 that is free at this moment, for UDP as well."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            tcp.bind((LOOPBACK, 0))
            port: int = tcp.getsockname()[1]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                try:
                    udp.bind((LOOPBACK, port))
                except OSError:
                    continue
            return port


def accepts_connections(port: int) -> bool:
    """Tell whether something listens on 127.0.0.1:`port`."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], *, what: str, seconds: float, log: Path | None = None) -> None:
    """Poll `condition` until it holds.

    Raises:
        ServiceError: it did not hold within `seconds`; the text ends with the tail of `log`.
    """
    deadline = time.monotonic() + seconds
    pause = 0.01
    while not condition():
        if time.monotonic() > deadline:
            raise ServiceError(f"{what} did not happen within {seconds:g} s{_tail(log)}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Keep other processes that name the same lock file waiting while the context lasts."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def child(argv: Sequence[str | Path], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a process with a group of its own; whatever ends the context ends the whole group at once.

    Args:
        argv: the command.
        options: further arguments of `subprocess.Popen`.
    """
    process = subprocess.Popen(
        [str(part) for part in argv],
        text=True,
        process_group=0,
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        **options,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            _signal_group(process.pid, signal.SIGKILL)
        process.wait()


def adopt_orphans() -> None:
    """Have the kernel (Linux) make orphaned descendants children of this process: none goes unseen."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def reap_orphans() -> None:
    """Take leave of adopted descendants that have ended; only when no child of one's own is waited for."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


class Startable(ABC):
    """What is started and stopped, by hand or by a `with` block."""

    @abstractmethod
    def start(self) -> Self:
        """Start it, and return when it is ready."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it, and return when it has ended; harmless if it was not started."""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Service:
    """A child process with a log file, ended with its whole process group.

    It has a process group of its own, so Ctrl-C reaches only the parent, which then tears down in order;
    on Linux the kernel ends it should the parent die first.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Describe the process; `start` starts it."""
        self.name = name
        self.log = log
        self._argv = [str(part) for part in argv]
        self._env = dict(os.environ if env is None else env)
        self._cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id.

        Raises:
            ServiceError: the process was not started.
        """
        if self._process is None:
            raise ServiceError(f"{self.name} is not started")
        return self._process.pid

    def start(self, *, ready: Callable[[], bool], seconds: float = 30) -> Self:
        """Start the process and wait until `ready()` holds.

        Raises:
            ServiceError: it ended at once or was not ready within `seconds`; the log's tail is in the text.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self._cwd,
                process_group=0,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
            )
        try:
            wait_until(
                lambda: self._ended() or ready(), what=f"{self.name}: ready", seconds=seconds, log=self.log
            )
            if self._ended():
                raise ServiceError(f"{self.name} ended with code {self._process.returncode}{_tail(self.log)}")
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the process and all its children: SIGTERM, then SIGKILL after five seconds."""
        if self._process is None:
            return
        process, self._process = self._process, None
        _signal_group(process.pid, signal.SIGTERM)
        try:
            process.wait(_TERMINATE_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _signal_group(process.pid, signal.SIGKILL)
            process.wait()

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _tail(log: Path | None, lines: int = 15) -> str:
    if log is None or not log.exists():
        return ""
    text = log.read_text(errors="replace").splitlines()[-lines:]
    return f"; the end of {log}:\n" + "\n".join(text)
