"""One stack on the real engine, with a local AWS and a certificate authority of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infrastructure.bundle import LOCAL, build_bundle
from local_cloud.acme import Pebble
from local_cloud.dns_server import DnsServer
from local_cloud.engine.cli import provide_cli
from local_cloud.engine.stack import PROJECT, EngineStack
from local_cloud.ministack.server import LocalAws
from local_cloud.processes import LOOPBACK
from local_cloud.system_programs import ProgramMissing, provide

BUILD = PROJECT / "build"
DOMAIN = "example.com"


@pytest.fixture(scope="session")
def cli() -> Path:
    return provide_cli(BUILD)


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws(BUILD) as started:
        started.client("route53").create_hosted_zone(Name=DOMAIN, CallerReference="the user's domain")
        yield started


@pytest.fixture(scope="module")
def dns(aws: LocalAws) -> Iterator[DnsServer]:
    with DnsServer(aws.client("route53")) as server:
        yield server


@pytest.fixture(scope="module")
def acme(dns: DnsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    try:
        program = provide(["pebble"], BUILD)["pebble"]
    except ProgramMissing as error:
        pytest.skip(f"needs the package pebble: {error}")
    with Pebble(program, tmp_path_factory.mktemp("acme"), dns.port, 90 * 86_400) as server:
        yield server


@pytest.fixture(scope="module")
def settings(acme: Pebble) -> dict[str, Any]:
    """Settings for a certificate authority that asks this Route 53."""
    return {"directory": acme.directory_url, "ca_root": acme.ca_root.read_text(), "key_type": "ec256"}


@pytest.fixture(scope="module")
def stack(cli: Path, aws: LocalAws, dns: DnsServer, settings: dict[str, Any]) -> EngineStack:
    folder = BUILD / "engine"
    shutil.rmtree(folder, ignore_errors=True)
    made = EngineStack(
        cli,
        folder,
        aws.endpoint,
        local_bundle=build_bundle(LOCAL, BUILD),
        resolver=f"{LOOPBACK}:{dns.port}",
    )
    made.configure(settings)
    return made
