"""The A and AAAA records that lead to a NAS."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from .certificate_settings import zone_of
from .hosted_zones import HostedZone
from .nas_settings import NasSettings
from .setting_values import Address

_TTL_SECONDS = 300
_TYPES = {4: "A", 6: "AAAA"}


class RecordInTheWayError(Exception):
    """A CNAME stands where an address record should: Route 53 refuses both under one name."""


@dataclass(frozen=True)
class NasRecordsArgs:
    """What to publish, and where.

    Attributes:
        host_names: full names, each with a record set for each family of addresses.
        addresses: the NAS's addresses.
        zones: the hosted zones to publish in, by name; those of another account are left out.
    """

    host_names: tuple[str, ...]
    addresses: tuple[Address, ...]
    zones: Mapping[str, HostedZone]


class NasRecords(pulumi.ComponentResource):
    """One record set a host name and family.

    One that is there already, as one made by hand, is taken over.
    """

    def __init__(self, name: str, args: NasRecordsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Publish the records; a host name in none of the zones is told, and left to the user."""
        super().__init__("synology-https:index:NasRecords", name, {}, opts)
        for host_name in args.host_names:
            zone = zone_of(host_name, args.zones)
            for kind, values in record_sets(args.addresses).items():
                if zone is None or args.zones[zone].role is not None:
                    where = "no hosted zone of this stack" if zone is None else "another AWS account's zone"
                    pulumi.log.warn(
                        f"{host_name} is in {where}: make its {kind} record there, {' '.join(values)}", self
                    )
                    continue
                aws.route53.Record(
                    host_name if kind == "A" else f"{host_name}-{kind}",
                    zone_id=args.zones[zone].id,
                    name=host_name,
                    type=kind,
                    ttl=_TTL_SECONDS,
                    records=values,
                    allow_overwrite=True,
                    opts=pulumi.ResourceOptions(parent=self),
                )
        self.register_outputs({})


def record_sets(addresses: Sequence[Address]) -> dict[str, list[str]]:
    """Return record type -> the values, in order."""
    found: dict[str, list[str]] = {}
    for address in sorted(addresses, key=lambda one: (one.version, int(one))):
        found.setdefault(_TYPES[address.version], []).append(str(address))
    return found


def replaced_records(nases: Sequence[NasSettings], zones: Mapping[str, HostedZone]) -> list[str]:
    """Return a line for each record set that is in Route 53 with another value than the stack will give it.

    Raises:
        RecordInTheWayError: a CNAME, or several records by a routing policy, have one of the names.
    """
    lines = []
    for zone in zones.values():
        wanted = {
            (host_name, kind): values
            for nas in nases
            for host_name in nas.host_names
            if zone_of(host_name, zones) == zone.name
            for kind, values in record_sets(nas.addresses).items()
        }
        if not wanted or zone.is_new or zone.role is not None:
            continue
        for (host_name, kind), found in _present(zone, wanted.keys()).items():
            if kind == "CNAME":
                raise RecordInTheWayError(
                    f"CNAME {host_name} leads to {' '.join(found)}: delete that record in the hosted zone "
                    f"{zone.name}, and the stack makes an address record in its place"
                )
            values = wanted.get((host_name, kind), found)
            if sorted(values) != sorted(found):
                lines.append(f"{kind} {host_name}: {' '.join(found)} -> {' '.join(values)}")
    return sorted(lines)


def _present(zone: HostedZone, wanted: Set[tuple[str, str]]) -> dict[tuple[str, str], list[str]]:
    """Return the record sets under the names of those that are wanted, by name and type."""
    host_names = {name for name, _ in wanted}
    pattern = "|".join(re.escape(name) for name in sorted(host_names))
    try:  # a failed call raises Exception itself; the update goes on without the look
        found = aws.route53.get_records(zone_id=str(zone.id), name_regex=f"^({pattern})\\.?$")
    except Exception as error:
        pulumi.log.warn(f"whether records of {zone.name} are replaced could not be looked up: {error}")
        return {}
    present = {}
    for one in found.resource_record_sets:
        name = one.name.rstrip(".")
        if name not in host_names:
            continue
        if one.set_identifier and (one.type == "CNAME" or (name, one.type) in wanted):
            raise RecordInTheWayError(
                f"{one.type} {name} is one of several by a routing policy ({one.set_identifier}): delete "
                f"them in the hosted zone {zone.name}, and the stack makes a simple one in their place"
            )
        target = one.alias_target.dns_name.rstrip(".") if one.alias_target else ""
        values = [record.value for record in one.resource_records]
        present[name, one.type] = [f"alias of {target}"] if target else values
    return present
