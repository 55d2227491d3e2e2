"""What the integration tests share: the local AWS, and the system programs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cloud.interpreters import DSM_PYTHON, find_python
from local_cloud.ministack.server import LocalAws
from local_cloud.system_programs import ProgramMissing, provide

BUILD = Path(__file__).resolve().parents[2] / "build"


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    """The local AWS, one for the whole session."""
    with LocalAws(BUILD) as aws:
        yield aws


@pytest.fixture(scope="session")
def nginx() -> Path:
    """The real nginx, from PATH or unpacked."""
    return _program("nginx")


@pytest.fixture(scope="session")
def pebble() -> Path:
    """Pebble, from PATH or unpacked."""
    return _program("pebble")


@pytest.fixture(scope="session")
def dsm_python() -> Path:
    """The Python that DSM ships."""
    python = find_python()
    if python is None:
        pytest.skip(f"needs Python {DSM_PYTHON}, on PATH or under pyenv")
    return python


def _program(name: str) -> Path:
    try:
        return provide([name], BUILD)[name]
    except ProgramMissing as error:
        pytest.skip(f"needs the package {name}: {error}")
