"""The DNS server over a Route 53 in memory, asked by a real resolver over UDP and TCP on loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from local_cloud.dns_records import parse_character_strings, parse_name
from local_cloud.dns_server import DnsServer
from tests.fake_route53 import FakeRoute53


@pytest.fixture
def route53() -> FakeRoute53:
    fake = FakeRoute53()
    fake.add_zone("example.org.")
    zone = fake.add_zone("example.com.")
    child = fake.add_zone("home.example.com.")
    private = fake.add_zone("deep.home.example.com.", private=True)
    fake.put(private, "deep.home.example.com.", "TXT", '"private"')
    fake.put(child, "nas.home.example.com.", "A", "192.0.2.9")
    fake.put(zone, "example.com.", "A", "192.0.2.1", "192.0.2.2")
    fake.put(zone, "example.com.", "AAAA", "2001:db8::1")
    fake.put(zone, "example.com.", "CAA", '0 issue "letsencrypt.org"', '128 iodef "mailto:a@example.com"')
    fake.put(zone, "_acme-challenge.example.com.", "TXT", '"one"', '"two"')
    fake.put(zone, "strings.example.com.", "TXT", '"first" "with \\"quotes\\" and \\101"')
    fake.put(zone, "\\052.example.com.", "TXT", '"wildcard"')
    fake.put(zone, "host.below.example.com.", "A", "192.0.2.3")
    fake.put(zone, "\\052.alias.example.com.", "CNAME", "Nas.Home.example.com.")
    fake.put(zone, "outward.example.com.", "CNAME", "elsewhere.test.")
    fake.put(zone, "dangling.example.com.", "CNAME", "absent.home.example.com.")
    fake.put(zone, "loop.example.com.", "CNAME", "loop.example.com.")
    fake.put(zone, "away.example.com.", "NS", "ns.elsewhere.test.")
    fake.put(zone, "long.example.com.", "TXT", *(f'"{number}{"x" * 240}"' for number in range(9)))
    fake.put(zone, "multi.example.com.", "A", "192.0.2.4", SetIdentifier="a", MultiValueAnswer=True)
    fake.put(zone, "multi.example.com.", "A", "192.0.2.5", SetIdentifier="b", MultiValueAnswer=True)
    target = {"HostedZoneId": "Z", "DNSName": "nas.home.example.com.", "EvaluateTargetHealth": False}
    fake.put(zone, "r53alias.example.com.", "A", AliasTarget=target)
    fake.put(zone, "broken.example.com.", "A", "not an address")
    return fake


@pytest.fixture
def server(route53: FakeRoute53) -> Iterator[DnsServer]:
    with DnsServer(route53) as started:  # type: ignore[arg-type]
        yield started


def ask(server: DnsServer, name: str, kind: str, *, tcp: bool = False, **options: Any) -> dns.message.Message:
    query = dns.message.make_query(name, kind, **options)
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query, "127.0.0.1", port=server.port, timeout=5)


def values(message: dns.message.Message) -> set[str]:
    return {record.to_text() for answer in message.answer for record in answer}


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("example.com", "A", {"192.0.2.1", "192.0.2.2"}),
        ("example.com", "AAAA", {"2001:db8::1"}),
        ("example.com", "NS", {"ns-1.example.net.", "ns-2.example.net."}),
        ("example.com", "SOA", {"ns-1.example.net. hostmaster.example.net. 1 7200 900 1209600 300"}),
        ("example.com", "CAA", {'0 issue "letsencrypt.org"', '128 iodef "mailto:a@example.com"'}),
        ("_acme-challenge.example.com", "TXT", {'"one"', '"two"'}),
        ("_ACME-challenge.EXAMPLE.com", "TXT", {'"one"', '"two"'}),
        ("strings.example.com", "TXT", {'"first" "with \\"quotes\\" and A"'}),
        ("anything.example.com", "TXT", {'"wildcard"'}),
        ("a.b.c.example.com", "TXT", {'"wildcard"'}),
        ("*.example.com", "TXT", {'"wildcard"'}),
        ("nas.home.example.com", "A", {"192.0.2.9"}),
        ("x.alias.example.com", "A", {"nas.home.example.com.", "192.0.2.9"}),
        ("x.alias.example.com", "CNAME", {"nas.home.example.com."}),
        ("outward.example.com", "A", {"elsewhere.test."}),
        ("multi.example.com", "A", {"192.0.2.4", "192.0.2.5"}),
        ("r53alias.example.com", "A", {"192.0.2.9"}),
    ],
)
def test_answers(server: DnsServer, name: str, kind: str, expected: set[str], tcp: bool) -> None:
    message = ask(server, name, kind, tcp=tcp)
    assert message.rcode() == dns.rcode.NOERROR
    assert message.flags & dns.flags.AA
    assert not message.flags & dns.flags.RA
    assert values(message) == expected


@pytest.mark.parametrize(
    ("name", "kind", "rcode", "soa"),
    [
        ("example.com", "TXT", dns.rcode.NOERROR, "example.com."),
        ("below.example.com", "A", dns.rcode.NOERROR, "example.com."),
        ("below.example.com", "TXT", dns.rcode.NOERROR, "example.com."),
        ("anything.example.com", "A", dns.rcode.NOERROR, "example.com."),
        ("example.com", "MX", dns.rcode.NOERROR, "example.com."),
        ("x.below.example.com", "TXT", dns.rcode.NXDOMAIN, "example.com."),
        ("x._acme-challenge.example.com", "TXT", dns.rcode.NXDOMAIN, "example.com."),
        ("absent.home.example.com", "A", dns.rcode.NXDOMAIN, "home.example.com."),
        ("deep.home.example.com", "TXT", dns.rcode.NXDOMAIN, "home.example.com."),
        ("dangling.example.com", "A", dns.rcode.NXDOMAIN, "home.example.com."),
        ("absent.example.org", "A", dns.rcode.NXDOMAIN, "example.org."),
    ],
)
def test_negative_answers_carry_the_soa(
    server: DnsServer, name: str, kind: str, rcode: dns.rcode.Rcode, soa: str
) -> None:
    message = ask(server, name, kind)
    assert message.rcode() == rcode
    assert message.flags & dns.flags.AA
    assert [(one.name.to_text(), one.rdtype, one.ttl) for one in message.authority] == [
        (soa, dns.rdatatype.SOA, 300)
    ]


@pytest.mark.parametrize("name", ["com", "badexample.com", "example.net", "."])
def test_names_in_no_zone_are_refused(server: DnsServer, name: str) -> None:
    message = ask(server, name, "A")
    assert message.rcode() == dns.rcode.REFUSED
    assert not message.flags & dns.flags.AA


def test_a_name_below_a_delegation_is_referred(server: DnsServer) -> None:
    message = ask(server, "nas.away.example.com", "A")
    assert message.rcode() == dns.rcode.NOERROR
    assert not message.answer
    assert not message.flags & dns.flags.AA
    assert message.authority[0].to_text() == "away.example.com. 60 IN NS ns.elsewhere.test."


@pytest.mark.parametrize("name", ["loop.example.com", "broken.example.com"])
def test_what_cannot_be_answered_is_servfail(server: DnsServer, name: str) -> None:
    assert ask(server, name, "A").rcode() == dns.rcode.SERVFAIL


def test_a_change_is_seen_by_the_next_query(server: DnsServer, route53: FakeRoute53) -> None:
    zone = route53.add_zone("example.net.")
    assert ask(server, "new.example.net", "TXT").rcode() == dns.rcode.NXDOMAIN
    route53.put(zone, "new.example.net.", "TXT", '"now"')
    assert values(ask(server, "new.example.net", "TXT")) == {'"now"'}
    route53.put(zone, "new.example.net.", "TXT")
    assert ask(server, "new.example.net", "TXT").rcode() == dns.rcode.NXDOMAIN


def test_a_long_answer_is_truncated_over_udp_and_whole_over_tcp(server: DnsServer) -> None:
    cut = ask(server, "long.example.com", "TXT")
    assert cut.flags & dns.flags.TC
    assert not cut.answer
    assert len(values(ask(server, "long.example.com", "TXT", tcp=True))) == 9


def test_edns_is_answered_and_case_is_kept(server: DnsServer) -> None:
    message = ask(server, "eXample.COM", "A", use_edns=0, payload=4096)
    assert message.edns == 0
    assert message.answer[0].name.to_text() == "eXample.COM."


def test_other_opcodes_classes_and_noise(server: DnsServer) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(b"noise", ("127.0.0.1", server.port))
    query = dns.message.make_query("example.com", "A")
    query.set_opcode(dns.opcode.STATUS)
    assert dns.query.udp(query, "127.0.0.1", port=server.port, timeout=5).rcode() == dns.rcode.NOTIMP
    chaos = dns.message.make_query("example.com", "TXT", rdclass="CH")
    assert dns.query.udp(chaos, "127.0.0.1", port=server.port, timeout=5).rcode() == dns.rcode.REFUSED


def test_stop_frees_the_port(route53: FakeRoute53) -> None:
    first = DnsServer(route53).start()  # type: ignore[arg-type]
    first.stop()
    with DnsServer(route53, first.port) as second:  # type: ignore[arg-type]
        assert values(ask(second, "nas.home.example.com", "A")) == {"192.0.2.9"}


def test_texts_of_route53() -> None:
    assert parse_name("a\\056b.\\052.Example.COM") == (b"a.b", b"*", b"example", b"com")
    assert parse_character_strings('""') == [b""]
    assert parse_character_strings('"a\\\\b" bare') == [b"a\\b", b"bare"]
    with pytest.raises(ValueError, match="255"):
        parse_character_strings('"' + "x" * 256 + '"')
