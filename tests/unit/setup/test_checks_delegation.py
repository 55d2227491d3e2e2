"""The hosted zone's delegation: whose servers the parent names."""

from __future__ import annotations

import pytest

from synology_setup.checks.delegation import Seen, check_delegation, judge_delegation
from synology_setup.checks.resolvers import Resolvers, ask, intercepted_by
from synology_setup.checks.zones import HostedZone
from tests.dns_table import REFERRAL, Table, resolver_at, serving

OURS = frozenset({"ns-1.awsdns-1.com", "ns-2.awsdns-2.net"})
ZONE = HostedZone("example.com", "Z1", OURS)
# What a resolver, and the servers of com as well, answer of com.
COM = {
    ("com", "SOA"): "com. 60 IN SOA ns.com. root.com. 1 60 60 60 60",
    ("com", "NS"): "com. 60 IN NS ns.com.",
    ("ns.com", "A"): "ns.com. 60 IN A 127.0.0.1",
}


def ns_lines(*servers: str) -> str:
    return "\n".join(f"example.com. 60 IN NS {server}." for server in servers)


@pytest.mark.parametrize(
    ("seen", "rcode", "ok"),
    [
        (OURS, "NOERROR", True),
        ({"ns-1.awsdns-1.com"}, "NOERROR", True),
        ({"ns-1.awsdns-1.com", "ns.parking.example"}, "NOERROR", False),
        ({"ns-7.awsdns-7.com", "ns-8.awsdns-8.net"}, "NOERROR", False),
        (set(), "NOERROR", False),
        (set(), "NXDOMAIN", False),
        (set(), "SERVFAIL", False),
        (set(), "REFUSED", None),
        (set(), "", None),
    ],
)
def test_what_was_seen_is_judged(seen: set[str], rcode: str, ok: bool | None) -> None:
    finding = judge_delegation(ZONE, OURS, Seen(frozenset(seen), rcode, "the resolver"))
    assert finding.ok is ok
    if ok is False:
        assert "ns-1.awsdns-1.com, ns-2.awsdns-2.net" in finding.advice
        assert all(server in finding.measured for server in seen)


def test_zones_of_route_53_are_judged_before_dns_is_asked() -> None:
    resolvers = Resolvers(resolver_at(1, seconds=0.01), None)
    absent = HostedZone("example.com", "Z1", problem="AWS answers NoSuchHostedZone", absent=True)
    unknown = HostedZone("example.com", "Z1", problem="AWS could not be asked")
    private = HostedZone("example.com", "Z1", frozenset(), private=True)
    assert [check_delegation(zone, resolvers).ok for zone in (absent, unknown, private)] == [
        False,
        None,
        False,
    ]


PARENTS: list[tuple[Table, bool | None, str]] = [
    # The parent's word counts, not the zone's own: here the servers that the registrar has do not answer.
    ({("example.com", "NS"): REFERRAL + ns_lines("ns-9.awsdns-9.org")}, False, "ns-9.awsdns-9.org"),
    ({("example.com", "NS"): REFERRAL + ns_lines(*OURS)}, True, "the zone above, com,"),
    ({}, False, "the zone above, com, has no name servers for it (NXDOMAIN)"),
    ({("example.com", "NS"): "SERVFAIL"}, False, "SERVFAIL"),
]


@pytest.mark.parametrize(("table", "ok", "words"), PARENTS)
def test_the_zone_above_is_asked(table: Table, ok: bool | None, words: str) -> None:
    with serving({**COM, **table}) as port:
        finding = check_delegation(ZONE, Resolvers(resolver_at(port), None))
    assert (finding.ok, words in finding.measured) == (ok, True), finding


def test_a_resolver_is_believed_where_the_zone_above_cannot_be_asked() -> None:
    lonely = {("example.com", "NS"): ns_lines("ns-9.awsdns-9.org"), ("com", "SOA"): "REFUSED"}
    with serving(lonely) as port:
        finding = check_delegation(ZONE, Resolvers(resolver_at(port), None))
    assert finding.ok is False
    assert "the public resolver 127.0.0.1 has ns-9.awsdns-9.org" in finding.measured


def test_where_udp_is_cut_tcp_is_asked() -> None:
    with serving({("example.com", "NS"): ns_lines(*OURS)}, tcp_only=True) as port:
        answer = ask(resolver_at(port, seconds=3), "example.com", "NS")
    assert {str(record.target) for record in answer.records} == {f"{server}." for server in OURS}


def test_what_answers_where_nobody_is_stands_between() -> None:
    with serving({}, ["127.0.0.1", "127.0.0.9"]) as port:
        shown = intercepted_by(Resolvers(resolver_at(port), None, "127.0.0.9", nowhere_seconds=20))
    assert shown == "127.0.0.9, where there is no name server, answers NXDOMAIN"
    with serving({}) as port:
        assert intercepted_by(Resolvers(resolver_at(port), None, "127.0.0.9", nowhere_seconds=0.2)) is None
