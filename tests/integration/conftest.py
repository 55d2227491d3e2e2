"""What the integration tests share: the local AWS, and the system programs."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cloud.acme import Pebble
from local_cloud.dns_server import DnsServer
from local_cloud.interpreters import DSM_PYTHON, find_python
from local_cloud.ministack.server import LocalAws
from local_cloud.system_programs import ProgramMissing, provide
from tests.renewer_bench import LIFETIME, Renewer, make_renewer

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
def dns(local_aws: LocalAws) -> Iterator[DnsServer]:
    """The name server of the local Route 53."""
    with DnsServer(local_aws.client("route53")) as server:
        yield server


@pytest.fixture(scope="session")
def server(pebble: Path, dns: DnsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """The certificate authority of the renewer's tests."""
    # Another Pebble than the machine's, for a check of versions: PEBBLE=path pytest …
    program = Path(os.environ.get("PEBBLE") or pebble)
    with Pebble(program, tmp_path_factory.mktemp("acme"), dns.port, LIFETIME, nonce_reject_percent=5) as made:
        yield made


@pytest.fixture
def renewer(local_aws: LocalAws, server: Pebble, dns: DnsServer) -> Renewer:
    """A certificate of its own, of which nothing is issued yet."""
    return make_renewer(local_aws, server, dns.port)


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
