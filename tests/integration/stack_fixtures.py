"""The fixtures of the stack's tests: a local AWS of each module's own, and the stack on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infrastructure.bundle import LOCAL, build_bundle
from local_cloud.acme import Pebble
from local_cloud.dns_server import DnsServer
from local_cloud.ministack.server import LocalAws
from local_cloud.processes import LOOPBACK
from local_cloud.stack import deploy
from tests.integration.stack_bench import (
    BUILD,
    DOMAIN,
    LIFETIME,
    Deployed,
    settings_of,
)


@pytest.fixture(scope="module")
def bundle() -> Path:
    return build_bundle(LOCAL, BUILD)


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalAws]:
    with LocalAws(BUILD) as started:
        yield started


@pytest.fixture(scope="module")
def zone(cloud: LocalAws) -> str:
    made = cloud.client("route53").create_hosted_zone(Name=DOMAIN, CallerReference="the user's domain")
    return str(made["HostedZone"]["Id"]).rsplit("/", 1)[-1]


@pytest.fixture(scope="module")
def cloud_dns(cloud: LocalAws) -> Iterator[DnsServer]:
    with DnsServer(cloud.client("route53")) as server:
        yield server


@pytest.fixture(scope="module")
def resolver(cloud_dns: DnsServer) -> str:
    """The renewer's resolver."""
    return f"{LOOPBACK}:{cloud_dns.port}"


@pytest.fixture(scope="module")
def config(
    cloud_dns: DnsServer, pebble: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """Settings for a certificate authority that asks this Route 53."""
    with Pebble(pebble, tmp_path_factory.mktemp("acme"), cloud_dns.port, LIFETIME) as acme:
        yield settings_of(acme)


@pytest.fixture(scope="module")
def stack(cloud: LocalAws, zone: str, config: dict[str, Any], bundle: Path, resolver: str) -> Deployed:
    created: list[str] = []
    outputs = deploy(cloud, config, local_bundle=bundle, resolver=resolver, progress=created.append)
    keys = cloud.client("iam").list_access_keys(UserName=outputs["nas"]["synology"]["user"])[
        "AccessKeyMetadata"
    ]
    return Deployed(cloud, zone, config, outputs, created, keys)


@pytest.fixture(scope="module")
def other_zone(stack: Deployed) -> str:
    made = stack.client("route53").create_hosted_zone(Name="other.example", CallerReference="another domain")
    return str(made["HostedZone"]["Id"]).rsplit("/", 1)[-1]
