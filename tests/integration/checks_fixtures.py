"""The fixtures of the checks' tests: a world in which everything is well."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cloud.dns_server import DnsServer
from local_cloud.dsm import SimulatedDsm
from local_cloud.dsm.issuing import Issuer
from local_cloud.ministack.server import LocalAws
from local_cloud.processes import LOOPBACK
from synology_setup.checks import Resolvers
from tests.dns_table import resolver_at
from tests.integration.checks_world import (
    EVERYTHING,
    NAS,
    NOWHERE,
    ZONE,
    AcmeDirectory,
    KeepingAws,
    World,
    acme_directory,
    empty,
    environment,
    make_stack,
)

BUILD = Path(__file__).resolve().parents[2] / "build"


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AcmeDirectory]:
    with acme_directory(tmp_path_factory.mktemp("acme"), "letsencrypt.org") as made:
        yield made


@pytest.fixture(scope="module")
def dsm(nginx: Path, ca: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedDsm]:
    folder = tmp_path_factory.mktemp("dsm") / "nas"
    with SimulatedDsm(folder, nginx=nginx, names=[ZONE, f"*.{ZONE}"], issuer=ca, proxies=()).create() as made:
        yield made


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """A local AWS of these tests' own: each empties it."""
    with KeepingAws(BUILD) as made:
        yield made


@pytest.fixture
def world(
    aws: LocalAws,
    dsm: SimulatedDsm,
    acme: AcmeDirectory,
    root_ca: Issuer,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """A world in which everything is well, and the operator's machine set for it."""
    empty(aws)
    with (
        DnsServer(aws.client("route53")) as dns,
        socket.create_server((LOOPBACK, 0)) as ssh,
    ):
        for name, value in environment(aws, aws.user("operator", EVERYTHING)).items():
            monkeypatch.setenv(name, value)
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        outputs = make_stack(aws, acme, dsm.https_port)
        resolvers = Resolvers(resolver_at(dns.port), resolver_at(dns.port), NOWHERE, nowhere_seconds=0.1)
        made = World(aws, outputs, resolvers, ssh.getsockname()[1], root_ca.certificate.decode())
        made.record(NAS, "A", LOOPBACK)
        yield made
