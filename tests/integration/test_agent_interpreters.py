"""The agent's unit tests pass under every Python that it may meet, the one that DSM ships first."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local_cloud.interpreters import find_python

PROJECT = Path(__file__).parents[2]
BUILD = PROJECT / "build"
TESTS = ["-m", "pytest", "-p", "no:cacheprovider", "-q", "tests/unit/agent"]
# The last releases for 3.8 do not all run on later ones.
REQUIREMENTS = {
    "3.8": "requirements-py38.txt",
    "3.9": "requirements-py39.txt",
    "3.13": "requirements-py39.txt",
}


@pytest.fixture(params=sorted(REQUIREMENTS))
def python(request: pytest.FixtureRequest) -> Path:
    """The interpreter of an environment with what the tests need; made once for these requirements."""
    version = request.param
    found = find_python(version)
    if found is None:
        pytest.skip(f"needs Python {version}, on PATH or under pyenv")
    venv = BUILD / f"py{version.replace('.', '')}-venv"
    python, stamp = venv / "bin" / "python", venv / "requirements.sha256"
    requirements = PROJECT / "tests" / REQUIREMENTS[version]
    wanted = hashlib.sha256(requirements.read_bytes() + str(found).encode()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    shutil.rmtree(venv, ignore_errors=True)
    subprocess.run([found, "-m", "venv", venv], check=True)
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", requirements], check=True
    )
    stamp.write_text(wanted)
    return python


def test_all_of_them_pass(python: Path) -> None:
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
