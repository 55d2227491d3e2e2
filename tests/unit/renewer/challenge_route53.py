"""Route 53 in memory as the renewer uses it: batches applied as a whole, or refused with AWS's reason."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError


class InvalidChangeBatch(Exception):
    pass


class ChallengeRoute53:
    """Zones by id; `before_change` holds what others do just before the next change batches arrive.

    Attributes:
        batches: (zone id, changes) of each batch, refused ones included.
        refused: the reasons of the refused ones.
        sets: zone id -> (name, type) -> record set.
    """

    exceptions = SimpleNamespace(InvalidChangeBatch=InvalidChangeBatch)

    def __init__(self, *zone_ids: str, pending_polls: int = 0) -> None:
        self.sets: dict[str, dict[tuple[str, str], dict[str, Any]]] = {zone: {} for zone in zone_ids}
        self.batches: list[tuple[str, list[dict[str, Any]]]] = []
        self.refused: list[str] = []
        self.before_change: list[Callable[[], None]] = []
        self._pending_polls = pending_polls
        self._polls: dict[str, int] = {}

    def put(self, zone: str, name: str, *values: str, ttl: int = 60, kind: str = "TXT") -> None:
        self.sets[zone][name, kind] = {
            "Name": f"{name}.",
            "Type": kind,
            "TTL": ttl,
            "ResourceRecords": [{"Value": value} for value in values],
        }

    def values(self, zone: str, name: str) -> set[str]:
        found = self.sets[zone].get((name, "TXT"), {"ResourceRecords": []})
        return {record["Value"] for record in found["ResourceRecords"]}

    def polls(self) -> list[int]:
        return list(self._polls.values())

    def list_resource_record_sets(
        self,
        HostedZoneId: str,  # noqa: N803
        StartRecordName: str,  # noqa: N803
        StartRecordType: str,  # noqa: N803
        MaxItems: str,  # noqa: N803
    ) -> dict[str, Any]:
        """List from the start on, in Route 53's order: labels from the right."""
        ordered = sorted(self.sets[HostedZoneId], key=_order)
        after = [key for key in ordered if _order(key) >= _order((StartRecordName, StartRecordType))]
        page = [self.sets[HostedZoneId][key] for key in after[: int(MaxItems)]]
        return {"ResourceRecordSets": copy.deepcopy(page)}

    def change_resource_record_sets(self, HostedZoneId: str, ChangeBatch: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        if self.before_change:
            self.before_change.pop(0)()
        changes = copy.deepcopy(ChangeBatch["Changes"])
        self.batches.append((HostedZoneId, changes))
        sets = copy.deepcopy(self.sets[HostedZoneId])
        try:
            for change in changes:
                _apply(sets, change["Action"], change["ResourceRecordSet"])
        except InvalidChangeBatch as error:
            self.refused.append(str(error))
            raise
        self.sets[HostedZoneId] = sets
        change_id = f"/change/C{len(self.batches)}"
        self._polls[change_id] = 0
        return {"ChangeInfo": {"Id": change_id, "Status": "PENDING"}}

    def get_change(self, Id: str) -> dict[str, Any]:  # noqa: N803
        self._polls[Id] += 1
        insync = self._polls[Id] > self._pending_polls
        return {"ChangeInfo": {"Id": Id, "Status": "INSYNC" if insync else "PENDING"}}


def _apply(sets: dict[tuple[str, str], dict[str, Any]], action: str, record_set: dict[str, Any]) -> None:
    key = (record_set["Name"].rstrip("."), record_set["Type"])
    values = [record["Value"] for record in record_set["ResourceRecords"]]
    if not values or len(set(values)) != len(values):
        raise InvalidChangeBatch("no value, or one twice")
    if action == "DELETE":
        there = sets.get(key)
        if there is None or (there["TTL"], _values(there)) != (record_set["TTL"], sorted(values)):
            raise InvalidChangeBatch("the values provided do not match the current values")
        del sets[key]
    elif action == "CREATE":
        if key in sets:
            raise InvalidChangeBatch("it already exists")
        sets[key] = {**record_set, "Name": f"{key[0]}."}
    else:
        raise InvalidChangeBatch(f"the renewer may not {action}")


def _values(record_set: dict[str, Any]) -> Sequence[str]:
    return sorted(record["Value"] for record in record_set["ResourceRecords"])


def _order(key: tuple[str, str]) -> tuple[list[str], str]:
    return key[0].rstrip(".").split(".")[::-1], key[1]


def deny(*_: object, **__: object) -> None:
    """Refuse as Route 53 does where the policy does not allow it."""
    raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ChangeResourceRecordSets")
