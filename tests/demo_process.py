"""The demo as a process, interrupted while everything runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

PROJECT = Path(__file__).parents[1]


def interrupt(number: signal.Signals, log: Path, *options: str) -> None:
    """Start the demo, send it a signal while the Lambda works, and see that nothing is left."""
    with log.open("w") as output:
        demo = subprocess.Popen(
            [sys.executable, "-m", "local_cloud.demo", *options],
            cwd=PROJECT,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 120
        while "creating aws:lambda/invocation" not in log.read_text():
            assert demo.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        time.sleep(0.4)  # the Lambda is at work
        children = psutil.Process(demo.pid).children(recursive=True)
        assert len(children) >= 3, "the local AWS, the ACME server and nginx are up"
        demo.send_signal(number)
        assert demo.wait(30) == 130, log.read_text()
    finally:
        demo.kill()
    assert not [child for child in children if child.is_running()]
    assert "no process is left" in log.read_text()
    assert "Traceback" not in log.read_text()
