"""Runs of the agent, each in a process forked from one that has imported everything.

`python -m tests.sweep.forked_agent` is that process: it reads one job a line, JSON, forks a child that runs
the agent, and prints how it ended. In the child each step that changes a file, makes sure that it is on disk,
or starts a command is counted, and at one of them the fault happens before the step does.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import synology_agent.aws
import synology_agent.check
import synology_agent.dsm
import synology_agent.files
import synology_agent.proof
import synology_agent.rollback
import synology_agent.run
import synology_agent.serving
import synology_agent.status
from synology_agent import cli

ERRORS = ("ENOSPC", "EROFS", "EIO")
_LONGEST_RUN_SECONDS = 60
_PROBE_PAUSE_SECONDS = 0.05
_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.chown", "os.symlink", "os.link"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True)
class Job:
    """One run of the agent.

    Attributes:
        arguments: its command line.
        log: file that gets its output, appended.
        at: number of the step before which the fault happens, from 0; -1 for none.
        fault: `kill`, or one of ERRORS, which only befalls steps on files.
        command_seconds: what a command gets; less than the agent's own where one is to hang.
        pause_seconds: between two tries of a call to AWS; None leaves the product's own.
        mutation: one of MUTATIONS, a fault put into the product; empty for none.
    """

    arguments: list[str]
    log: str
    at: int = -1
    fault: str = ""
    command_seconds: float = 60.0
    pause_seconds: float | None = None
    mutation: str = ""


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes:
        exit_code: the agent's, or None where it was killed.
        steps: what it did, in order, as far as it came.
    """

    exit_code: int | None = None
    steps: list[str] = field(default_factory=list)


class ForkedAgent:
    """The warmed process, and the one run that it is busy with."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """Start it, with `environment` besides."""
        root = Path(__file__).resolve().parents[2]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.sweep.forked_agent"],
            env={"PATH": os.defpath, "PYTHONPATH": str(root), "NO_PROXY": "*", **(environment or {})},
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, job: Job) -> Ending:
        """Run the agent to its end."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        return Ending(**json.loads(self._process.stdout.readline()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def main() -> None:
    """Serve jobs until the input ends."""
    _warm()
    gc.freeze()  # a child's first collection would copy all pages of this process
    for line in sys.stdin:
        _serve(Job(**json.loads(line)))


def _warm() -> None:
    """Let Python make what it keeps: the patterns of `strptime`, and the codec of host names."""
    for form in ("%Y%m%d%H%M%SZ", "%Y-%m-%dT%H:%M:%SZ"):
        with contextlib.suppress(ValueError):
            datetime.strptime("", form)
    "localhost".encode("idna")


def _serve(job: Job) -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        code = None
        steps: list[str] = []
        try:
            code = _run(job, steps)
        finally:
            os.write(writing, json.dumps(asdict(Ending(code, steps))).encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    print(said.decode() or json.dumps(asdict(Ending())), flush=True)


def _run(job: Job, steps: list[str]) -> int:
    signal.alarm(_LONGEST_RUN_SECONDS)  # its default action ends the process
    log = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    synology_agent.dsm.COMMAND_SECONDS = job.command_seconds  # type: ignore[assignment]
    synology_agent.serving.PROBE_PAUSE_SECONDS = _PROBE_PAUSE_SECONDS
    if job.pause_seconds is not None:
        synology_agent.aws.PAUSE_SECONDS = job.pause_seconds
    if job.mutation:
        MUTATIONS[job.mutation]()
    _watch(job, steps)
    try:
        return cli.main(job.arguments)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _blind_probe() -> None:
    """Find no port that serves another leaf than it should."""
    synology_agent.serving.stale_ports = lambda *_: []


MUTATIONS = {"blind-probe": _blind_probe}


def _watch(job: Job, steps: list[str]) -> None:
    """Count the steps, by Python's audit events; only fsync has none, and is wrapped."""

    def step(name: str) -> None:
        at = len(steps)
        steps.append(name)
        if at != job.at:
            return
        if job.fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if job.fault in ERRORS and not name.startswith("command"):
            number = getattr(errno, job.fault)
            raise OSError(number, os.strerror(number), name)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen":
            step("command " + " ".join(Path(str(word)).name for word in arguments[1][:4]))
        elif event in _CHANGES:
            step(f"{event} {arguments[0]}")
        elif event == "open" and isinstance(arguments[0], str) and arguments[2] & _WRITING:
            if arguments[0] == os.devnull:
                return
            step(f"open {arguments[0]}")

    def fsync(descriptor: int) -> None:
        step(f"fsync {descriptor}")
        really(descriptor)

    really = os.fsync
    os.fsync = fsync  # type: ignore[assignment]
    sys.addaudithook(hook)


if __name__ == "__main__":
    main()
