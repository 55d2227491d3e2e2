"""dns-01 through Route 53: the TXT record sets of one issuance, changed by compare-and-swap.

A set is changed by a DELETE of exactly what was read plus a CREATE of the new one, in one change batch a
zone, which Route 53 applies as a whole or refuses with InvalidChangeBatch (ChangeResourceRecordSets, API
reference). So the values of other clients in the same set are never lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from .clock import Deadline, back_off
from .errors import ZoneError

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_route53.type_defs import (
        ChangeTypeDef,
        ResourceRecordSetOutputTypeDef,
        ResourceRecordSetTypeDef,
    )

_TTL_SECONDS = 60
_SWAP_TRIES = 10
# INSYNC takes about half a minute at AWS, and Route 53 allows five requests a second an account.
_FIRST_POLL_SECONDS = 0.1
_LONGEST_POLL_SECONDS = 5.0
_SWAP_PAUSE_SECONDS = (0.1, 2.0)
# Of the time that the handler keeps for the end: clean-up comes after the deadline of the waits, too.
_REMOVE_SECONDS = 30.0


def challenge_name(domain: str) -> str:
    """Return the name of the TXT record for `domain`; apex and wildcard share it (RFC 8555 section 8.4)."""
    return f"_acme-challenge.{domain.removeprefix('*.')}"


def zone_of(name: str, zones: Mapping[str, str]) -> str:
    """Return the id of the zone with the longest name that holds `name`, on a label boundary.

    Raises:
        ZoneError: no zone holds it.
    """
    labels = name.split(".")
    for start in range(len(labels)):
        zone = ".".join(labels[start:])
        if zone in zones:
            return zones[zone]
    raise ZoneError(
        f"{name} is in none of the hosted zones {', '.join(sorted(zones))}: add its zone to the settings"
    )


class ChallengeRecords:
    """The TXT values of one issuance: present them, wait for them, take them away."""

    def __init__(self, route53: Route53Client, zones: Mapping[str, str], deadline: Deadline) -> None:
        """Use `zones` (hosted zone name -> id) through the boto3 client `route53`."""
        self._client = route53
        self._zones = zones
        self._deadline = deadline
        self._ours: dict[str, set[str]] = {}  # quoted, as Route 53 keeps them

    def present(self, values: Mapping[str, set[str]]) -> None:
        """Add `values` (record name -> TXT values) and wait until Route 53's servers all answer them.

        Raises:
            ZoneError: a name is in no zone, or its set kept changing under us.
            DeadlineExceeded: Route 53 took too long.
        """
        zones = {name: zone_of(name, self._zones) for name in values}
        self._ours = {name: {f'"{value}"' for value in added} for name, added in values.items()}
        changes = self._change(zones, lambda name, found: found | self._ours[name], self._deadline)
        for change in changes:
            self._await_insync(change)

    def remove(self) -> None:
        """Take our values away, also after the deadline; what others put there stays."""
        zones = {name: zone_of(name, self._zones) for name in self._ours}
        self._change(zones, lambda name, found: found - self._ours[name], Deadline(_REMOVE_SECONDS))
        self._ours = {}

    def _change(
        self, zones: Mapping[str, str], wanted: Callable[[str, set[str]], set[str]], deadline: Deadline
    ) -> list[str]:
        names_by_zone: dict[str, list[str]] = defaultdict(list)
        for name, zone in zones.items():
            names_by_zone[zone].append(name)
        changes = [self._swap(zone, names, wanted, deadline) for zone, names in sorted(names_by_zone.items())]
        return [change for change in changes if change]

    def _swap(
        self,
        zone: str,
        names: list[str],
        wanted: Callable[[str, set[str]], set[str]],
        deadline: Deadline,
    ) -> str | None:
        """Change the sets of `names` in one batch; return the change id, or None if nothing was to change."""
        pauses = back_off(*_SWAP_PAUSE_SECONDS)
        for _ in range(_SWAP_TRIES):
            batch: list[ChangeTypeDef] = []
            for name in names:
                found = self._read(zone, name)
                before = {record["Value"] for record in found["ResourceRecords"]} if found else set()
                after = wanted(name, before)
                if after == before:
                    continue
                if found:
                    batch.append({"Action": "DELETE", "ResourceRecordSet": found})
                if after:
                    ttl = found["TTL"] if found else _TTL_SECONDS
                    batch.append({"Action": "CREATE", "ResourceRecordSet": _txt_set(name, ttl, after)})
            if not batch:
                return None
            try:
                answer = self._client.change_resource_record_sets(
                    HostedZoneId=zone, ChangeBatch={"Comment": "dns-01", "Changes": batch}
                )
            except self._client.exceptions.InvalidChangeBatch:
                deadline.sleep(next(pauses), waiting_for="a record set that others change")
                continue
            return answer["ChangeInfo"]["Id"]
        raise ZoneError(f"the TXT record sets {', '.join(names)} kept changing while they were written")

    def _read(self, zone: str, name: str) -> ResourceRecordSetOutputTypeDef | None:
        sets = self._client.list_resource_record_sets(
            HostedZoneId=zone, StartRecordName=name, StartRecordType="TXT", MaxItems="1"
        )["ResourceRecordSets"]
        if sets and sets[0]["Name"].rstrip(".").lower() == name and sets[0]["Type"] == "TXT":
            return sets[0]
        return None

    def _await_insync(self, change: str) -> None:
        pauses = back_off(_FIRST_POLL_SECONDS, _LONGEST_POLL_SECONDS)
        while self._client.get_change(Id=change)["ChangeInfo"]["Status"] != "INSYNC":
            self._deadline.sleep(next(pauses), waiting_for=f"Route 53's change {change} to be INSYNC")


def _txt_set(name: str, ttl: int, values: set[str]) -> ResourceRecordSetTypeDef:
    return {
        "Name": name,
        "Type": "TXT",
        "TTL": ttl,
        "ResourceRecords": [{"Value": value} for value in sorted(values)],
    }
