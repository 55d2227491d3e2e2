"""Hosted zones as an authoritative DNS server sees them, read from Route 53 for every query.

Nothing is cached: a change that Route 53 calls INSYNC is seen by the next query.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local_cloud.dns_records import Name, parse_name

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client

_WILDCARD = b"*"


@dataclass(frozen=True)
class RecordSet:
    """All values of one type at one name; an alias has a target instead of values."""

    ttl: int
    values: tuple[str, ...]
    alias: Name | None = None


Node = dict[str, RecordSet]
"""The record sets at one name, by their type."""


@dataclass
class Zone:
    """One hosted zone: its apex and the nodes that have records."""

    apex: Name
    nodes: dict[Name, Node] = field(default_factory=dict)

    def find(self, name: Name) -> Node | None:
        """Return the record sets for `name`, by wildcard too, or None if the name does not exist.

        A name without records that has names below it exists, empty (RFC 8020); a wildcard stands in only
        directly below the closest name that exists (RFC 4592 section 3.3.1).
        """
        if self._exists(name):
            return self.nodes.get(name, {})
        encloser = name[1:]
        while not self._exists(encloser):
            encloser = encloser[1:]
        return self.nodes.get((_WILDCARD, *encloser))

    def find_delegation(self, name: Name) -> tuple[Name, RecordSet] | None:
        """Return the topmost NS record set between the apex and `name`: the zone ends there."""
        for length in range(len(self.apex) + 1, len(name) + 1):
            cut = name[-length:]
            if "NS" in self.nodes.get(cut, {}):
                return cut, self.nodes[cut]["NS"]
        return None

    def _exists(self, name: Name) -> bool:
        return name == self.apex or any(_is_within(node, name) for node in self.nodes)


def find_zone(client: Route53Client, name: Name) -> Zone | None:
    """Read the public hosted zone that holds `name`: the longest apex that ends it on a label boundary.

    Of zones with the same name the first listed is taken.
    """
    candidates = [(apex, zone_id) for apex, zone_id in _list_zones(client) if _is_within(name, apex)]
    if not candidates:
        return None
    apex, zone_id = max(candidates, key=lambda candidate: len(candidate[0]))
    zone = Zone(apex)
    for item in _list_record_sets(client, zone_id):
        node = zone.nodes.setdefault(parse_name(item["Name"]), {})
        node[item["Type"]] = _merge(node.get(item["Type"]), item)
    return zone


def _is_within(name: Name, apex: Name) -> bool:
    return len(name) >= len(apex) and name[len(name) - len(apex) :] == apex


def _merge(known: RecordSet | None, item: dict[str, Any]) -> RecordSet:
    """Add a record set to those of the same name and type, which differ by their SetIdentifier."""
    values: Sequence[str] = [record["Value"] for record in item.get("ResourceRecords", ())]
    alias = parse_name(item["AliasTarget"]["DNSName"]) if "AliasTarget" in item else None
    if known is None:
        return RecordSet(int(item.get("TTL", 60)), tuple(values), alias)
    return RecordSet(known.ttl, known.values + tuple(values), known.alias or alias)


def _list_zones(client: Route53Client) -> Iterator[tuple[Name, str]]:
    page: dict[str, Any] = {}
    while True:
        answer = client.list_hosted_zones(**page)
        for zone in answer["HostedZones"]:
            if not zone.get("Config", {}).get("PrivateZone", False):
                yield parse_name(zone["Name"]), zone["Id"]
        if not answer["IsTruncated"]:
            return
        page = {"Marker": answer["NextMarker"]}


def _list_record_sets(client: Route53Client, zone_id: str) -> Iterator[dict[str, Any]]:
    page: dict[str, Any] = {}
    while True:
        answer: Any = client.list_resource_record_sets(HostedZoneId=zone_id, **page)
        yield from answer["ResourceRecordSets"]
        if not answer["IsTruncated"]:
            return
        page = {
            f"StartRecord{part}": answer[f"NextRecord{part}"]
            for part in ("Name", "Type", "Identifier")
            if answer.get(f"NextRecord{part}")
        }
