"""Route 53: hosted zones and record sets."""

from __future__ import annotations

from typing import Any

from .resource_type import Cloud, Created, Inputs, ResourceType, State, removed_tags, tag_list, tag_map


def _record_set(inputs: Inputs) -> dict[str, Any]:
    # The provider puts the quotes around a TXT's text.
    quote = '"' if inputs["type"] == "TXT" else ""
    return {
        "Name": inputs["name"],
        "Type": inputs["type"],
        "TTL": inputs["ttl"],
        "ResourceRecords": [{"Value": f"{quote}{value}{quote}"} for value in inputs["records"]],
    }


def _change(cloud: Cloud, zone: str, action: str, record_set: dict[str, Any]) -> None:
    cloud.client("route53").change_resource_record_sets(
        HostedZoneId=zone,
        ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": record_set}]},
    )


def _create_record(cloud: Cloud, inputs: Inputs) -> Created:
    # The provider creates, and never overwrites unless allowOverwrite is set.
    action = "UPSERT" if inputs.get("allowOverwrite") else "CREATE"
    _change(cloud, inputs["zoneId"], action, _record_set(inputs))
    return f"{inputs['zoneId']}_{inputs['name']}_{inputs['type']}", {"fqdn": inputs["name"]}


def _find_record(cloud: Cloud, state: State) -> dict[str, Any] | None:
    found = cloud.client("route53").list_resource_record_sets(
        HostedZoneId=state["zoneId"],
        StartRecordName=state["name"],
        StartRecordType=state["type"],
        MaxItems="1",
    )["ResourceRecordSets"]
    for one in found:
        name = one["Name"].rstrip(".").replace("\\052", "*")
        if (name, one["Type"]) == (state["name"].rstrip("."), state["type"]):
            return dict(one)
    return None


def _read_record(cloud: Cloud, _id: str, state: State) -> State | None:
    found = _find_record(cloud, state)
    if found is None:
        return None
    values = [one["Value"] for one in found.get("ResourceRecords", [])]
    if state["type"] == "TXT":
        values = [value.removeprefix('"').removesuffix('"') for value in values]
    known = list(state.get("records", []))
    return {"ttl": found.get("TTL"), "records": known if sorted(known) == sorted(values) else values}


def _update_record(cloud: Cloud, _id: str, old: State, new: Inputs) -> State:
    _change(cloud, old["zoneId"], "UPSERT", _record_set(new))
    return {}


def _delete_record(cloud: Cloud, _id: str, state: State) -> None:
    found = _find_record(cloud, state)
    if found is not None:
        _change(cloud, state["zoneId"], "DELETE", found)


def _create_zone(cloud: Cloud, inputs: Inputs) -> Created:
    made = cloud.client("route53").create_hosted_zone(
        Name=inputs["name"],
        CallerReference=f"pulumi {inputs['name']}",
        HostedZoneConfig={"Comment": inputs.get("comment", "Managed by Pulumi"), "PrivateZone": False},
    )
    zone = made["HostedZone"]["Id"].rsplit("/", 1)[-1]
    if inputs.get("tags"):
        cloud.client("route53").change_tags_for_resource(
            ResourceType="hostedzone", ResourceId=zone, AddTags=tag_list(inputs)
        )
    return zone, {
        "zoneId": zone,
        "arn": f"arn:aws:route53:::hostedzone/{zone}",
        "nameServers": made["DelegationSet"]["NameServers"],
        "primaryNameServer": made["DelegationSet"]["NameServers"][0],
    }


def _read_zone(cloud: Cloud, zone: str, state: State) -> State:
    found = cloud.client("route53").get_hosted_zone(Id=zone)
    tags = cloud.client("route53").list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone)
    comment = found["HostedZone"]["Config"].get("Comment")
    read: State = {"nameServers": found["DelegationSet"]["NameServers"]}
    if "comment" in state:
        read["comment"] = comment
    return read | {"tags": tag_map(tags["ResourceTagSet"]["Tags"])}


def _update_zone(cloud: Cloud, zone: str, old: State, new: Inputs) -> State:
    route53 = cloud.client("route53")
    route53.update_hosted_zone_comment(Id=zone, Comment=new.get("comment", "Managed by Pulumi"))
    changes: dict[str, Any] = {}
    if new.get("tags"):
        changes["AddTags"] = tag_list(new)
    if removed_tags(old, new):
        changes["RemoveTagKeys"] = removed_tags(old, new)
    if changes:
        route53.change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone, **changes)
    return {}


def _delete_zone(cloud: Cloud, zone: str, state: State) -> None:
    if state.get("forceDestroy"):
        pages = cloud.client("route53").get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone)
        for one in [one for page in pages for one in page["ResourceRecordSets"]]:
            if one["Type"] not in {"NS", "SOA"} or one["Name"].rstrip(".") != state["name"].rstrip("."):
                _change(cloud, zone, "DELETE", one)
    cloud.client("route53").delete_hosted_zone(Id=zone)


TYPES = (
    ResourceType(
        token="aws:route53/record:Record",  # noqa: S106 - a type's name
        carried=("zoneId", "name", "type", "ttl", "records", "allowOverwrite"),
        fixed=("zoneId", "name", "type"),
        source="ChangeResourceRecordSets: a set is known by zone, name and type",
        create=_create_record,
        read=_read_record,
        update=_update_record,
        delete=_delete_record,
        auto_named=None,
        unread=("allowOverwrite",),
    ),
    ResourceType(
        token="aws:route53/zone:Zone",  # noqa: S106
        carried=("name", "comment", "forceDestroy", "tags"),
        fixed=("name",),
        source="UpdateHostedZoneComment changes the comment, and no call the name",
        create=_create_zone,
        read=_read_zone,
        update=_update_zone,
        delete=_delete_zone,
        auto_named=None,
        unread=("forceDestroy",),
    ),
)
