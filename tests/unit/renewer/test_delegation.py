"""Whether a zone is delegated to Route 53, as the world's resolvers see it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import dns.resolver
import pytest

from lambda_renewer import delegation
from lambda_renewer.delegation import awaited_name_servers, public_name_servers
from lambda_renewer.errors import ZoneError
from local_cloud.dns_server import DnsServer
from local_cloud.processes import LOOPBACK
from tests.fake_route53 import FakeRoute53
from tests.unit.renewer.samples import request

OURS = ["ns-1.example.net", "ns-2.example.net"]  # what the fake puts at every zone's apex


class HostedZones:
    """GetHostedZone: a zone's name servers, as AWS answers them."""

    def __init__(self, *servers: str, private: bool = False) -> None:
        self.servers, self.private, self.asked = servers, private, list[str]()

    def get_hosted_zone(self, Id: str) -> dict[str, Any]:  # noqa: N803
        self.asked.append(Id)
        zone = {"Id": Id, "Config": {"PrivateZone": self.private}}
        if self.private:
            return {"HostedZone": zone}  # a private zone has no delegation set
        return {"HostedZone": zone, "DelegationSet": {"NameServers": list(self.servers)}}


@pytest.fixture
def world() -> FakeRoute53:
    return FakeRoute53()


@pytest.fixture(autouse=True)
def resolver(world: FakeRoute53, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with DnsServer(world) as server:  # type: ignore[arg-type]
        monkeypatch.setenv(delegation.RESOLVER, f"{LOOPBACK}:{server.port}")
        yield


def awaited(route53: HostedZones, **changes: Any) -> dict[str, list[str]]:
    return awaited_name_servers(public_name_servers(request(**changes), lambda _: route53))  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    "servers", [OURS, ["NS-1.Example.NET."], ["elsewhere.example.org", "ns-2.example.net."]]
)
def test_a_zone_that_is_delegated(world: FakeRoute53, servers: list[str]) -> None:
    world.add_zone("example.com.")
    assert awaited(HostedZones(*servers)) == {}


def test_a_zone_at_other_name_servers(world: FakeRoute53) -> None:
    world.add_zone("example.com.")
    route53 = HostedZones("ns-9.awsdns.org", "NS-8.awsdns.com.")
    assert awaited(route53) == {"example.com": ["ns-8.awsdns.com", "ns-9.awsdns.org"]}


def test_a_zone_that_does_not_exist(world: FakeRoute53) -> None:
    world.add_zone("com.")
    assert awaited(HostedZones(*OURS)) == {"example.com": OURS}


def test_a_name_without_name_servers(world: FakeRoute53) -> None:
    zone = world.add_zone("com.")
    world.put(zone, "example.com.", "TXT", '"here, and nowhere delegated"')
    assert awaited(HostedZones(*OURS)) == {"example.com": OURS}


def test_a_resolver_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known then: the authority's own look-up decides."""
    monkeypatch.setattr(delegation, "_LOOKUP_SECONDS", 0.2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((LOOPBACK, 0))
        monkeypatch.setenv(delegation.RESOLVER, f"{LOOPBACK}:{silent.getsockname()[1]}")
        assert awaited(HostedZones(*OURS)) == {}


def test_a_resolver_that_refuses(world: FakeRoute53) -> None:
    world.add_zone("another.test.")
    assert awaited(HostedZones(*OURS)) == {}


def test_the_systems_resolver_is_asked_where_none_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(delegation.RESOLVER)
    asked: list[tuple[Any, ...]] = []

    def resolve(_: dns.resolver.Resolver, *arguments: Any, **__: Any) -> None:
        asked.append(arguments)
        raise dns.resolver.NXDOMAIN

    monkeypatch.setattr(dns.resolver.Resolver, "resolve", resolve)
    assert awaited(HostedZones(*OURS)) == {"example.com": OURS}
    assert asked == [("example.com", "NS")]


def test_a_private_zone_is_refused() -> None:
    with pytest.raises(ZoneError, match=r"the hosted zone example\.com \(Z1\) is private: name the public"):
        awaited(HostedZones(private=True))


def test_only_zones_that_are_needed_are_asked_about(world: FakeRoute53) -> None:
    world.add_zone("example.com.")
    world.add_zone("acme.example.net.")
    zones = {
        "example.com": {"id": "Z1"},
        "acme.example.net": {"id": "Z2"},
        "other.example": {"id": "Z3"},
    }
    route53 = HostedZones(*OURS)
    assert awaited(route53, zones=zones) == {}
    assert route53.asked == ["Z1"]
    route53.asked.clear()
    assert awaited(route53, zones=zones, delegations={"example.com": "nas.acme.example.net"}) == {}
    assert route53.asked == ["Z2"]


def test_a_name_in_no_zone() -> None:
    with pytest.raises(ZoneError, match="is in none of the hosted zones"):
        awaited(HostedZones(*OURS), domains=["nas.example.org"])
