"""The demo as a process: what Ctrl-C leaves behind. (`make demo` itself is run by .ci/run.)"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.demo_process import interrupt


@pytest.mark.usefixtures("nginx", "pebble")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_everything_runs_it_leaves_no_process(
    tmp_path: Path, number: signal.Signals
) -> None:
    interrupt(number, tmp_path / "demo.log", "--mocks")
