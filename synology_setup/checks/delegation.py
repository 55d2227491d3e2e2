"""Whether the Internet knows the hosted zone: its parent must name the servers that Route 53 gave it."""

from __future__ import annotations

from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver

from .finding import Finding, bad, good, untold
from .resolvers import Resolvers, ask
from .zones import HostedZone, plain

_SERVERS_ASKED = 2
_TRY_SECONDS = 2.0


@dataclass(frozen=True)
class Seen:
    """What DNS says of a zone.

    Attributes:
        servers: the name servers that it is delegated to; empty where it is not.
        rcode: of the answer; empty where nothing answered.
        by: who said so.
    """

    servers: frozenset[str]
    rcode: str
    by: str


def check_delegation(zone: HostedZone, resolvers: Resolvers) -> Finding:
    """Compare the name servers that DNS has for the zone with Route 53's."""
    what = _what(zone)
    if zone.absent:
        return bad(
            what,
            f"Route 53 has no hosted zone {zone.zone_id}",
            "the zone was deleted, or is another account's. Make a public hosted zone (Route 53 > Hosted "
            f"zones > Create: {zone.name}), enter its name servers at the registrar, and run `pulumi up`",
        )
    if zone.name_servers is None:
        return untold(what, zone.problem)
    if zone.private:
        return bad(
            what,
            f"the hosted zone {zone.zone_id} is private: it answers inside its VPC only",
            f"make a public hosted zone {zone.name} (Route 53 > Hosted zones > Create), and run `pulumi up`",
        )
    seen = _seen_at_parent(zone.name, resolvers.public) or _seen_by_resolver(zone.name, resolvers.public)
    return judge_delegation(zone, zone.name_servers, seen)


def judge_delegation(zone: HostedZone, wanted: frozenset[str], seen: Seen) -> Finding:
    """Judge what was seen; `wanted` is Route 53's delegation set."""
    what, right = _what(zone), _listed(wanted)
    enter = (
        f"at the registrar of {zone.name} (or, if it is a part of a domain, as the NS records of {zone.name} "
        f"in the zone above it) enter exactly these name servers: {right}"
    )
    if seen.servers and seen.servers <= wanted:
        return good(what, f"{_listed(seen.servers)}, says {seen.by}")
    if seen.servers:
        return bad(
            what,
            f"{seen.by} has {_listed(seen.servers)}; Route 53 gave the zone {zone.zone_id} {right}",
            f"the domain leads to another zone or provider: {enter}. If another hosted zone of that name in "
            "Route 53 has those servers, keep only the one that the stack uses",
        )
    if seen.rcode in {"NOERROR", "NXDOMAIN"}:
        return bad(what, f"{seen.by} has no name servers for it ({seen.rcode})", enter)
    if seen.rcode == "SERVFAIL":
        return bad(
            what,
            f"{seen.by} gets no good answer for it (SERVFAIL)",
            f"it leads to servers that do not know it, as after the zone was made anew: {enter}. If they are "
            "entered, take DNSSEC's DS record at the registrar away: it belongs to the zone before",
        )
    said = f"answers {seen.rcode}" if seen.rcode else "does not answer"
    return untold(
        what, f"{seen.by} {said}", f"look whether a firewall cuts port 53. The name servers are to be {right}"
    )


def _what(zone: HostedZone) -> str:
    return f"the hosted zone {zone.name} is delegated to Route 53"


def _listed(servers: frozenset[str]) -> str:
    return ", ".join(sorted(servers))


def _seen_by_resolver(zone: str, resolver: dns.resolver.Resolver) -> Seen:
    """Ask a resolver for the NS records, which it finds by way of the parent's (RFC 1034 section 5.3.3)."""
    answer = ask(resolver, zone, "NS")
    servers = frozenset(plain(record.target) for record in answer.records)
    return Seen(servers, answer.rcode, f"the public resolver {resolver.nameservers[0]}")


def _seen_at_parent(zone: str, resolver: dns.resolver.Resolver) -> Seen | None:
    """Ask name servers of the zone above; None where they cannot be asked or do not tell.

    Only this sees the entry at the registrar where the servers in it do not answer for the zone.
    """
    try:
        name = dns.name.from_text(zone)
        parent = dns.resolver.zone_for_name(name.parent(), resolver=resolver, lifetime=resolver.lifetime)
    except dns.exception.DNSException:
        return None
    by = f"the zone above, {parent.to_text(omit_final_dot=True) or '.'},"
    for server in ask(resolver, parent.to_text(), "NS").records[:_SERVERS_ASKED]:
        for address in ask(resolver, str(server.target), "A").records[:1]:
            seen = _ask_server(name, str(address), resolver.port, by)
            if seen is not None:
                return seen
    return None


def _ask_server(zone: dns.name.Name, address: str, port: int, by: str) -> Seen | None:
    query = dns.message.make_query(zone, dns.rdatatype.NS)
    query.flags &= ~dns.flags.RD
    try:
        reply, _ = dns.query.udp_with_fallback(query, address, timeout=_TRY_SECONDS, port=port)
    except (dns.exception.DNSException, OSError):
        return None
    servers = frozenset(
        plain(record.target)
        for rrset in (*reply.authority, *reply.answer)
        if rrset.rdtype == dns.rdatatype.NS and rrset.name == zone
        for record in rrset
    )
    rcode = dns.rcode.to_text(reply.rcode())
    absent = rcode in {"NOERROR", "NXDOMAIN"} and reply.flags & dns.flags.AA
    return Seen(servers, rcode, by) if servers or absent else None
