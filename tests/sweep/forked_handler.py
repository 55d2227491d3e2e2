"""Runs of the renewer's handler, each in a process forked from one that has imported everything.

`python -m tests.sweep.forked_handler` is that process: it reads one job a line, JSON, from its input, forks a
child that runs the handler, and prints two lines: the child's pid, and how the child ended.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from botocore.config import Config

import lambda_renewer.account
import lambda_renewer.delegation
import lambda_renewer.issue  # noqa: F401 - all that the handler imports when it is needed
from lambda_renewer import aws, clock, decide, errors
from lambda_renewer.document import Certificate
from lambda_renewer.errors import RenewerError
from lambda_renewer.handler import handler
from lambda_renewer.waiting import Deadline

_LONGEST_RUN_SECONDS = 120
_UNTIL_IT_WAITS_SECONDS = 0.1


@dataclass(frozen=True)
class Job:
    """One run of the handler.

    Attributes:
        event: the Lambda's event.
        account_secret: ARN of the account secret.
        log: file that gets the run's output, appended.
        hours: the renewer's clock is that much ahead.
        aws_attempts: how often botocore sends a request; None leaves the product's own.
        dies_at: number of the piece that it would send, from 0, before which it is killed; -1 for none.
        environment: variables of this run.
        mutation: one of MUTATIONS, a fault put into the product; empty for none.
    """

    event: dict[str, Any]
    account_secret: str
    log: str
    hours: int = 0
    aws_attempts: int | None = None
    dies_at: int = -1
    environment: dict[str, str] = field(default_factory=dict)
    mutation: str = ""


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes:
        killed: by SIGKILL.
        outcome: what the handler returned, or None.
        error: the exception's type and text, or None.
        in_our_words: the exception is a RenewerError.
    """

    killed: bool
    outcome: dict[str, Any] | None = None
    error: str | None = None
    in_our_words: bool = False


class ForkedHandler:
    """The warmed process, and the one run that it is busy with.

    Example:
        with ForkedHandler({"AWS_ENDPOINT_URL": …}) as handler:
            ending = handler.run(Job(event, account_secret, log))
    """

    def __init__(self, environment: dict[str, str]) -> None:
        """Start it with `environment`, and of this machine only where Python's cache is."""
        root = Path(__file__).resolve().parents[2]
        own = {name: value for name, value in os.environ.items() if name == "PYTHONPYCACHEPREFIX"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.sweep.forked_handler"],
            env={**own, "PYTHONPATH": str(root), **environment},
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._pid: int | None = None
        self._started = threading.Event()

    def run(self, job: Job) -> Ending:
        """Run the handler to its end."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._started.clear()
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        self._pid = int(self._process.stdout.readline())
        self._started.set()
        return Ending(**json.loads(self._process.stdout.readline()))

    def kill(self) -> None:
        """End the run at once, as when Lambda takes its sandbox away."""
        self._started.wait()
        assert self._pid is not None
        os.kill(self._pid, signal.SIGKILL)

    def give_up(self) -> None:
        """Let the request that the run waits for time out, as after its client's own seconds.

        A moment before, so that it does wait; were it still sending, its connection would break instead.
        """
        self._started.wait()
        assert self._pid is not None
        time.sleep(_UNTIL_IT_WAITS_SECONDS)
        os.kill(self._pid, signal.SIGUSR1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Serve jobs until the input ends."""
    _warm()
    gc.freeze()  # a child's first collection would copy all pages of this process
    for line in sys.stdin:
        _serve(Job(**json.loads(line)))


def _warm() -> None:
    """Let botocore read its descriptions of the services; what a run imports is imported above."""
    renewer = aws.Aws(0, Deadline(0))
    renewer.client("route53")
    renewer.client("secretsmanager")


def _serve(job: Job) -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            ending = _run(job)
            os.write(writing, json.dumps(asdict(ending)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    print(pid, flush=True)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    print(said.decode() or json.dumps(asdict(Ending(killed=killed, error=f"status {status}"))), flush=True)


def _run(job: Job) -> Ending:
    signal.alarm(_LONGEST_RUN_SECONDS)  # its default action ends the process
    signal.signal(signal.SIGUSR1, _time_out)
    log = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(job.environment, ACCOUNT_SECRET=job.account_secret)
    _patch(job)
    if job.dies_at >= 0:
        _die_before(job.dies_at)
    try:
        return Ending(killed=False, outcome=handler(job.event, _Context()))
    except Exception as error:
        ours = isinstance(error, RenewerError)
        return Ending(killed=False, error=f"{type(error).__name__}: {error}", in_our_words=ours)
    finally:
        sys.stdout.flush()


def _time_out(*_: object) -> None:
    """Raise what a socket raises whose time is up: the wait ends here, whatever the machine's load."""
    raise TimeoutError("timed out")


def _patch(job: Job) -> None:
    """Move the renewer's clock, and let botocore give up early.

    No product setting exists for these, and none is wanted. With one attempt, a fault reaches the renewer
    itself instead of botocore's retries.
    """

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(hours=job.hours)

    if job.hours:
        clock.now = now
        errors.now = now  # type: ignore[attr-defined]
    if job.mutation:
        MUTATIONS[job.mutation]()
    if job.aws_attempts is not None:
        retries: Any = {"mode": "standard", "total_max_attempts": job.aws_attempts}
        aws._CONFIG = aws._CONFIG.merge(Config(retries=retries))


def _die_before(number: int) -> None:
    """Kill this process before it sends so many pieces of requests: heads and bodies, to AWS and to ACME."""
    sent = 0

    def hook(event: str, _arguments: tuple[Any, ...]) -> None:
        nonlocal sent
        if event == "http.client.send":
            if sent == number:
                os.kill(os.getpid(), signal.SIGKILL)
            sent += 1

    sys.addaudithook(hook)


def _renew_late() -> None:
    """Decide as if a certificate were due when a tenth of its life is left, and as if nobody asked ARI."""

    def due(certificate: Certificate, window: object) -> tuple[datetime, str]:
        del window
        lifetime = certificate.not_after - certificate.not_before
        return certificate.not_after - lifetime / 10, "a tenth of its lifetime"

    decide._due = due


MUTATIONS = {"renew-late": _renew_late}


class _Context:
    def get_remaining_time_in_millis(self) -> int:
        return 120_000


if __name__ == "__main__":
    main()
