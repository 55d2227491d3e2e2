"""The hosted zones of the stack, as Route 53 has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from synology_setup.stack_outputs import StackOutputs

from .aws import AWS_ERRORS, Aws, explain, is_absent

ADDRESS_TYPES = ("A", "AAAA")


@dataclass(frozen=True)
class HostedZone:
    """A hosted zone.

    Attributes:
        name: such as example.com.
        zone_id: such as Z08012345ABC.
        name_servers: those that Route 53 gave it; None where Route 53 could not be asked.
        problem: why not, or what is wrong with it; empty otherwise.
        absent: Route 53 has no such zone.
        private: it answers inside a VPC only.
    """

    name: str
    zone_id: str
    name_servers: frozenset[str] | None = None
    problem: str = ""
    absent: bool = False
    private: bool = False


@dataclass(frozen=True)
class Published:
    """The addresses that Route 53 has for a name; None where they could not be read or stand elsewhere."""

    addresses: frozenset[str] | None
    problem: str = ""


def plain(name: object) -> str:
    """Return a name in lower case and without its last dot."""
    return str(name).rstrip(".").lower()


def read_zones(aws: Aws | None, outputs: StackOutputs) -> list[HostedZone]:
    """Read each zone that a certificate of the stack needs, once."""
    named = {
        (plain(name), str(about["id"])): about.get("role")
        for request in outputs.requests.values()
        for name, about in request["zones"].items()
    }
    return [_read(aws, name, zone_id, role) for (name, zone_id), role in sorted(named.items())]


def zone_of(name: str, zones: Iterable[HostedZone]) -> HostedZone | None:
    """Return the zone that holds the name: the longest that ends it on a label boundary."""
    holding = [zone for zone in zones if f".{plain(name)}".endswith(f".{zone.name}")]
    return max(holding, key=lambda zone: len(zone.name), default=None)


def published_addresses(aws: Aws | None, zone: HostedZone | None, name: str) -> Published:
    """Read the A and AAAA records of a name, or of the wildcard that stands in for it."""
    if zone is None:
        return Published(None, "it is in none of the stack's zones")
    if aws is None or zone.name_servers is None:
        return Published(None, zone.problem or "AWS could not be asked")
    try:
        for candidate in _owners(plain(name), zone.name):
            kinds = dict(_records(aws, zone, candidate))
            if "CNAME" in kinds or None in kinds.values():
                return Published(None, "Route 53 refers to another name for it")
            if kinds:
                values = (value for kind in ADDRESS_TYPES for value in kinds.get(kind) or ())
                return Published(frozenset(values))
    except AWS_ERRORS as error:
        return Published(None, explain(error)[0])
    return Published(frozenset())


def _read(aws: Aws | None, name: str, zone_id: str, role: str | None) -> HostedZone:
    if aws is None:
        return HostedZone(name, zone_id, problem="AWS could not be asked")
    try:
        answer = aws.client("route53").get_hosted_zone(Id=zone_id)
    except AWS_ERRORS as error:
        if role is not None:
            return HostedZone(name, zone_id, problem=f"it is another account's, reached by {role} only")
        return HostedZone(name, zone_id, problem=explain(error)[0], absent=is_absent(error))
    private = bool(answer["HostedZone"].get("Config", {}).get("PrivateZone"))
    servers = answer.get("DelegationSet", {}).get("NameServers", [])
    return HostedZone(name, zone_id, frozenset(map(plain, servers)), private=private)


def _owners(name: str, apex: str) -> Iterator[str]:
    r"""Yield the name, then the wildcards above it, as Route 53 writes them: `\052` is the asterisk."""
    yield name
    while name != apex:
        name = name.partition(".")[2]
        yield f"\\052.{name}"


def _records(aws: Aws, zone: HostedZone, name: str) -> Iterator[tuple[str, tuple[str, ...] | None]]:
    """Yield type and values of each record set at the name; None for an alias."""
    pages = aws.client("route53").get_paginator("list_resource_record_sets")
    for page in pages.paginate(HostedZoneId=zone.zone_id, StartRecordName=name):
        for found in page["ResourceRecordSets"]:
            if plain(found["Name"]) != name:
                return
            alias = "AliasTarget" in found
            if alias and found["Type"] not in ADDRESS_TYPES:
                continue
            values = tuple(record["Value"] for record in found.get("ResourceRecords", ()))
            yield found["Type"], None if alias else values
