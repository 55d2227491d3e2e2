"""In CI a skipped test is a failed run: there every system program is installed."""

import os
from pathlib import Path

import pytest

os.environ.setdefault(
    "HYPOTHESIS_STORAGE_DIRECTORY", str(Path(__file__).resolve().parents[1] / "build" / "hypothesis")
)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the session for its skipped tests where CI is set."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
