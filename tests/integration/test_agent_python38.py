"""The agent's unit tests pass under the Python that DSM ships."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
REQUIREMENTS = PROJECT / "tests" / "requirements-py38.txt"
VENV = PROJECT / "build" / "py38-venv"
TESTS = ["-m", "pytest", "-p", "no:cacheprovider", "-q", "tests/unit/agent"]


@pytest.fixture(scope="module")
def python(dsm_python: Path) -> Path:
    """The interpreter of an environment with what the tests need; made once for these requirements."""
    python, stamp = VENV / "bin" / "python", VENV / "requirements.sha256"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + str(dsm_python).encode()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    shutil.rmtree(VENV, ignore_errors=True)
    subprocess.run([dsm_python, "-m", "venv", VENV], check=True)
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", REQUIREMENTS], check=True
    )
    stamp.write_text(wanted)
    return python


def test_all_of_them_pass_under_dsms_python(python: Path) -> None:
    version = output(python, "--version")
    assert version.startswith("Python 3.8."), version
    collected = re.search(r"(\d+) tests collected", output(Path(sys.executable), *TESTS, "--collect-only"))
    assert collected, "none was collected"

    said = output(python, *TESTS)

    # Not "172 passed, 1 skipped": the line of totals names nothing but what passed, and warnings.
    totals = said.strip().splitlines()[-1]
    assert re.fullmatch(rf"{collected[1]} passed(, \d+ warnings?)? in [\d.]+s.*", totals), said


def output(python: Path, *arguments: str) -> str:
    done = subprocess.run(
        [python, *arguments],
        cwd=PROJECT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
