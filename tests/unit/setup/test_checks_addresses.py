"""The NAS's names: what the public resolvers, and this machine's, should answer."""

from __future__ import annotations

import pytest

from synology_setup.checks.addresses import Addresses, judge_own, judge_public, resolve
from synology_setup.checks.zones import HostedZone, Published, zone_of
from tests.dns_table import resolver_at, serving

NAS = "nas.example.com"
HOME, MOVED, WIDE = "192.168.0.10", "192.168.0.99", "198.41.0.4"
REBINDING = "DNS rebinding protection"
UNKNOWN = Published(None, "AWS could not be asked")


def seen(*addresses: str, rcode: str = "NOERROR") -> Addresses:
    return Addresses(frozenset(addresses), rcode, 300 if addresses else 0)


def published(*addresses: str) -> Published:
    return Published(frozenset(addresses))


SILENT = seen(rcode="")


@pytest.mark.parametrize(
    ("expected", "public", "ok"),
    [
        (published(HOME), seen(HOME), True),
        (published(HOME), seen(MOVED), False),
        (published(HOME), seen(HOME, MOVED), False),
        (published(HOME, "fd00::2"), seen(HOME), False),
        (published(HOME), seen(), False),
        (published(HOME), seen(rcode="NXDOMAIN"), False),
        (published(HOME), seen(rcode="SERVFAIL"), False),
        (published(HOME), SILENT, None),
        (published(HOME), seen(rcode="REFUSED"), None),
        (UNKNOWN, seen(HOME), None),
    ],
)
def test_the_public_answer_must_be_route_53s(expected: Published, public: Addresses, ok: bool | None) -> None:
    assert judge_public(NAS, expected, public).ok is ok


@pytest.mark.parametrize(
    ("expected", "public", "own", "ok", "rebinding"),
    [
        (published(HOME), seen(HOME), seen(HOME), True, False),
        # Routers answer nothing, NXDOMAIN, a refusal, or a placeholder.
        (published(HOME), seen(HOME), seen(), False, True),
        (published(HOME), seen(HOME), seen(rcode="NXDOMAIN"), False, True),
        (published(HOME), seen(HOME), seen(rcode="REFUSED"), False, True),
        (published(HOME), seen(HOME), seen("0.0.0.0"), False, True),  # noqa: S104
        (published(HOME), seen(HOME), seen("127.0.0.1"), False, True),
        # The public IPv6 address comes through, the private IPv4 address does not.
        (published(HOME, "2001:500:2::c"), seen(HOME, "2001:500:2::c"), seen("2001:500:2::c"), False, True),
        # It drops what public resolvers cannot be asked for.
        (published(HOME), None, seen(), False, True),
        (published(HOME), SILENT, seen(), False, True),
        # Route 53 could not be asked: then the public answer is what should be.
        (UNKNOWN, seen(HOME), seen(), False, True),
        (UNKNOWN, seen(HOME), seen(HOME), True, False),
        (UNKNOWN, None, seen(HOME), None, False),
        # Another reason: an old answer, a local entry, nobody knows it, a public address.
        (published(HOME), seen(HOME), seen(MOVED), False, False),
        (published(HOME), seen(rcode="NXDOMAIN"), seen(rcode="NXDOMAIN"), False, False),
        (published(HOME), seen(MOVED), seen(MOVED), False, False),
        (published(WIDE), seen(WIDE), seen(), False, False),
        (published(HOME), seen(HOME), SILENT, None, False),
    ],
)
def test_a_private_address_that_is_dropped_is_rebinding_protection(
    expected: Published, public: Addresses | None, own: Addresses, ok: bool | None, rebinding: bool
) -> None:
    finding = judge_own(NAS, "example.com", expected, public, own)
    assert finding.ok is ok
    assert (REBINDING in finding.measured, "rebind-domain-ok" in finding.advice) == (rebinding, rebinding)


def test_the_advice_has_the_lines_to_enter() -> None:
    finding = judge_own(NAS, "example.com", published(HOME), seen(HOME), seen())
    for line in (
        f"DNS-Rebind-Schutz): enter example.com and {NAS}",
        "rebind_domain='example.com'",
        "rebind-domain-ok=/example.com/",
        'private-domain: "example.com"',
        f"{NAS} -> {HOME}",
    ):
        assert line in finding.advice


def test_both_kinds_of_address_are_asked_for() -> None:
    table = {
        (NAS, "A"): f"{NAS}. 60 IN A {HOME}",
        (NAS, "AAAA"): f"{NAS}. 90 IN AAAA fd00::2",
        ("only6.example.com", "A"): "NOERROR",
        ("only6.example.com", "AAAA"): "only6.example.com. 60 IN AAAA fd00::3",
    }
    with serving(table) as port:
        resolver = resolver_at(port)
        assert resolve(resolver, NAS) == Addresses(frozenset({HOME, "fd00::2"}), "NOERROR", 90)
        assert resolve(resolver, "only6.example.com").found == {"fd00::3"}
        assert resolve(resolver, "absent.example.com") == Addresses(frozenset(), "NXDOMAIN", 0)
    assert resolve(None, NAS) == SILENT


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("nas.home.example.com", "home.example.com"),
        ("Example.com.", "example.com"),
        ("nas.myexample.com", None),
        ("com", None),
    ],
)
def test_the_longest_zone_on_a_label_boundary_holds_a_name(name: str, zone: str | None) -> None:
    zones = [HostedZone("example.com", "Z1"), HostedZone("home.example.com", "Z2")]
    found = zone_of(name, zones)
    assert (found.name if found else None) == zone
