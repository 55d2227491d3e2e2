"""The checks in a world of real parts: each trap of DNS is made, and seen red with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_cloud.acme import Pebble
from local_cloud.processes import LOOPBACK, free_port
from synology_setup.checks import Resolvers
from synology_setup.checks.authority import read_authority
from synology_setup.stack_outputs import NasOutputs
from tests.dns_table import resolver_at, serving
from tests.integration.checks_world import (
    BETWEEN,
    CAA,
    CAA_WILD,
    DELEGATED,
    NAS,
    NOWHERE,
    OWN,
    PUBLIC,
    ZONE,
    World,
    only_red,
    red,
    untold,
)

pytest_plugins = ("tests.integration.checks_fixtures",)


def test_a_zone_that_is_not_delegated(world: World) -> None:
    with serving({}) as port:
        world.public_resolver(port)
        found = world.check()
    assert red(found) == {DELEGATED, PUBLIC}
    assert "ns-1.awsdns-1.com, ns-2.awsdns-2.net" in found[DELEGATED].advice
    assert "delegation" in found[PUBLIC].advice


def test_a_delegation_to_another_zones_servers_shows_both_sets(world: World) -> None:
    world.record(ZONE, "NS", "ns-7.awsdns-7.org.", "ns-8.awsdns-8.co.uk.")
    finding = only_red(world, DELEGATED)
    assert "ns-7.awsdns-7.org, ns-8.awsdns-8.co.uk" in finding.measured
    assert "ns-1.awsdns-1.com, ns-2.awsdns-2.net" in finding.measured
    assert "exactly these name servers: ns-1.awsdns-1.com" in finding.advice


def test_a_hosted_zone_that_was_deleted(world: World) -> None:
    world.change_request(zones={ZONE: {"id": "Z0000000000000000000"}})
    found = world.check()
    assert red(found) == {DELEGATED}
    assert "no hosted zone Z0000000000000000000" in found[DELEGATED].measured


@pytest.mark.parametrize(
    ("values", "reds"),
    [
        (('0 issue "other.example"',), {CAA, CAA_WILD}),
        (('0 issue "letsencrypt.org"', '0 issuewild "other.example"'), {CAA_WILD}),
        (('0 issue "letsencrypt.org"', '128 tbs "unknown"'), {CAA, CAA_WILD}),
        (('0 issue "letsencrypt.org; validationmethods=dns-01"',), set()),
    ],
)
def test_caa_that_forbids_the_authority(world: World, values: tuple[str, ...], reds: set[str]) -> None:
    world.record(ZONE, "CAA", *values)
    found = world.check()
    assert red(found) == reds
    assert all(ZONE in found[what].advice for what in reds)


def test_caa_above_the_zone_counts_where_the_zone_has_none(world: World) -> None:
    route53 = world.aws.client("route53")
    above = next(zone["Id"] for zone in route53.list_hosted_zones()["HostedZones"] if zone["Name"] == "test.")
    records = {
        "Name": "test",
        "Type": "CAA",
        "TTL": 60,
        "ResourceRecords": [{"Value": '0 issue "other.example"'}],
    }
    changes = [{"Action": "CREATE", "ResourceRecordSet": records}]
    route53.change_resource_record_sets(HostedZoneId=above, ChangeBatch={"Changes": changes})
    found = world.check()
    assert red(found) == {CAA, CAA_WILD}
    assert 'to the CAA records of test add: 0 issue "letsencrypt.org"' in found[CAA].advice


def test_an_authority_that_cannot_be_reached_leaves_caa_open(world: World) -> None:
    directory = f"https://{LOOPBACK}:{free_port()}/dir"
    world.change_request(directory=directory)
    found = world.check()
    assert (red(found), untold(found)) == (set(), {f"CAA lets the authority at {directory} issue"})


def test_a_real_authority_is_read(pebble: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", LOOPBACK)
    with Pebble(pebble, tmp_path, free_port(), 86_400, caa_identity="ca.example") as server:
        authority = read_authority(server.directory_url, server.ca_root.read_text())
        named = "caaIdentities" in server.directory()["meta"]
        distrusted = read_authority(server.directory_url, None)
    assert authority.identities == (("ca.example",) if named else ())
    assert authority.problem.endswith("" if named else "names no CAA identity")
    assert "certificate verify failed" in distrusted.problem


@pytest.mark.parametrize("answer", ["NOERROR", "NXDOMAIN", "REFUSED", f"{NAS}. 60 IN A 0.0.0.0"])
def test_rebinding_protection(world: World, answer: str) -> None:
    with serving({(NAS, "A"): answer, (NAS, "AAAA"): "NOERROR"}) as port:
        world.own_resolver(port)
        finding = only_red(world, OWN)
    assert "DNS rebinding protection" in finding.measured
    assert f"rebind-domain-ok=/{ZONE}/" in finding.advice


def test_an_old_answer_is_not_called_rebinding_protection(world: World) -> None:
    with serving({(NAS, "A"): f"{NAS}. 77 IN A 10.9.9.9", (NAS, "AAAA"): "NOERROR"}) as port:
        world.own_resolver(port)
        finding = only_red(world, OWN)
    assert "rebind" not in finding.measured + finding.advice
    assert "wait 77 s" in finding.advice


def test_an_intercepted_port_53_is_not_misread(world: World) -> None:
    with serving({}, [LOOPBACK, NOWHERE]) as port:
        world.resolvers = Resolvers(resolver_at(port), world.resolvers.own, NOWHERE, nowhere_seconds=20)
        found = world.check()
    assert (red(found), untold(found)) == ({BETWEEN}, {DELEGATED, CAA, CAA_WILD, PUBLIC})
    assert f"{NOWHERE}, where there is no name server, answers" in found[BETWEEN].measured
    assert "says something between" in found[DELEGATED].measured


def test_a_router_that_intercepts_and_drops_private_addresses(world: World) -> None:
    with serving({(NAS, "A"): "NOERROR", (NAS, "AAAA"): "NOERROR"}, [LOOPBACK, NOWHERE]) as port:
        world.resolvers = Resolvers(resolver_at(port), resolver_at(port), NOWHERE, nowhere_seconds=20)
        found = world.check()
    assert red(found) == {BETWEEN, OWN}
    assert "rebind-domain-ok" in found[OWN].advice


def test_a_name_without_record_and_one_that_a_wildcard_serves(world: World) -> None:
    nas = world.outputs.nases["synology"]
    names = [NAS, f"music.{ZONE}"]
    agent = {"certificates": [{**nas.agent_config["certificates"][0], "names": names}]}
    world.change(nases={"synology": NasOutputs(nas.name, nas.user, nas.url, agent)})
    finding = only_red(world, f"Route 53 has an address for music.{ZONE}")
    assert "pulumi up" in finding.advice
    world.record(f"*.{ZONE}", "A", "10.1.2.3")
    assert world.check()[f"public resolvers know music.{ZONE}"].measured == "10.1.2.3"
