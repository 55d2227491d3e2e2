"""What the integration tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cloud.ministack.server import LocalAws

BUILD = Path(__file__).resolve().parents[2] / "build"


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    """The local AWS, one for the whole session."""
    with LocalAws(BUILD) as aws:
        yield aws
