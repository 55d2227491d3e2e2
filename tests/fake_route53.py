"""Route 53 in memory: the two calls that the DNS server makes, paginated as AWS paginates them."""

from __future__ import annotations

from typing import Any

SOA = "ns-1.example.net. hostmaster.example.net. 1 7200 900 1209600 300"


class FakeRoute53:
    """Zones and record sets in the form of boto3's answers; small pages, so that every test pages."""

    def __init__(self, page_size: int = 2) -> None:
        self._page_size = page_size
        self._zones: dict[str, dict[str, Any]] = {}
        self._records: dict[str, list[dict[str, Any]]] = {}
        self.calls = 0

    def add_zone(self, name: str, *, private: bool = False) -> str:
        zone_id = f"/hostedzone/Z{len(self._zones):04}"
        self._zones[zone_id] = {
            "Id": zone_id,
            "Name": name,
            "CallerReference": name,
            "Config": {"PrivateZone": private},
        }
        self._records[zone_id] = []
        self.put(zone_id, name, "NS", "ns-1.example.net.", "ns-2.example.net.")
        self.put(zone_id, name, "SOA", SOA, ttl=900)
        return zone_id

    def put(
        self, zone_id: str, name: str, record_type: str, *values: str, ttl: int = 60, **more: Any
    ) -> None:
        """Set a record set, as UPSERT does; without values it is removed."""
        same = (name, record_type, more.get("SetIdentifier"))
        kept = [
            one
            for one in self._records[zone_id]
            if (one["Name"], one["Type"], one.get("SetIdentifier")) != same
        ]
        if values:
            records = [{"Value": value} for value in values]
            kept.append({"Name": name, "Type": record_type, "TTL": ttl, "ResourceRecords": records, **more})
        elif more:
            kept.append({"Name": name, "Type": record_type, **more})
        self._records[zone_id] = sorted(kept, key=lambda one: (one["Name"], one["Type"]))

    def list_hosted_zones(self, Marker: str | None = None) -> dict[str, Any]:  # noqa: N803
        self.calls += 1
        zones = list(self._zones.values())
        start = next((i for i, zone in enumerate(zones) if zone["Id"] == Marker), 0)
        page, rest = zones[start : start + self._page_size], zones[start + self._page_size :]
        answer: dict[str, Any] = {"HostedZones": page, "IsTruncated": bool(rest), "MaxItems": "2"}
        if rest:
            answer["NextMarker"] = rest[0]["Id"]
        return answer

    def list_resource_record_sets(self, HostedZoneId: str, **start: str) -> dict[str, Any]:  # noqa: N803
        self.calls += 1
        records = self._records[HostedZoneId]
        first = 0
        if start:
            wanted = tuple(start.get(f"StartRecord{part}") for part in ("Name", "Type", "Identifier"))
            first = next(i for i, one in enumerate(records) if _position(one) == wanted)
        page, rest = records[first : first + self._page_size], records[first + self._page_size :]
        answer: dict[str, Any] = {"ResourceRecordSets": page, "IsTruncated": bool(rest), "MaxItems": "2"}
        if rest:
            parts = zip(("Name", "Type", "Identifier"), _position(rest[0]), strict=True)
            answer |= {f"NextRecord{part}": value for part, value in parts if value is not None}
        return answer


def _position(record: dict[str, Any]) -> tuple[str, str, str | None]:
    return record["Name"], record["Type"], record.get("SetIdentifier")
