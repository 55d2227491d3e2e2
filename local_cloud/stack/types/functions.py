"""The provider's functions that the stack uses, such as looking up a zone."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .resource_type import Cloud, Inputs, UnknownTypeError

Answer = dict[str, Any]


def answer(cloud: Cloud, function: str, inputs: Inputs) -> Answer:
    """Answer a provider function such as `aws:route53/getZone:getZone`.

    Raises:
        UnknownTypeError: there is no such function.
        LookupError: AWS has nothing that fits.
    """
    call = FUNCTIONS.get(function)
    if call is None:
        raise UnknownTypeError(f"the local provider has no function {function}")
    return call(cloud, inputs)


def _zones(cloud: Cloud) -> list[dict[str, Any]]:
    pages = cloud.client("route53").get_paginator("list_hosted_zones").paginate()
    return [zone for page in pages for zone in page["HostedZones"]]


def _get_zone(cloud: Cloud, inputs: Inputs) -> Answer:
    private = inputs.get("privateZone", False)
    for zone in _zones(cloud):
        zone_id = zone["Id"].rsplit("/", 1)[-1]
        name = zone["Name"].rstrip(".")
        is_private = zone["Config"].get("PrivateZone", False)
        if "zoneId" in inputs:  # the provider looks at privateZone only where it searches by name
            wanted = zone_id == inputs["zoneId"]
        else:
            wanted = name == inputs["name"].rstrip(".") and is_private == private
        if wanted:
            delegation = cloud.client("route53").get_hosted_zone(Id=zone_id).get("DelegationSet", {})
            return {
                "id": zone_id,
                "zoneId": zone_id,
                "name": name,
                "privateZone": is_private,
                "arn": f"arn:aws:route53:::hostedzone/{zone_id}",
                "comment": zone["Config"].get("Comment", ""),
                "nameServers": delegation.get("NameServers", []),
            }
    wanted_text = inputs.get("name") or inputs.get("zoneId")
    raise LookupError(f"no matching Route 53 Hosted Zone found: {wanted_text}")


def _get_zones(cloud: Cloud, _: Inputs) -> Answer:
    return {"id": cloud.region, "ids": [zone["Id"].rsplit("/", 1)[-1] for zone in _zones(cloud)]}


def _get_records(cloud: Cloud, inputs: Inputs) -> Answer:
    pages = (
        cloud.client("route53")
        .get_paginator("list_resource_record_sets")
        .paginate(HostedZoneId=inputs["zoneId"])
    )
    pattern = re.compile(inputs.get("nameRegex", ""))
    found = [
        {
            "name": one["Name"],
            "type": one["Type"],
            "ttl": one.get("TTL", 0),
            "resourceRecords": [{"value": record["Value"]} for record in one.get("ResourceRecords", [])],
            "setIdentifier": one.get("SetIdentifier", ""),
            "aliasTarget": _alias(one),
        }
        for page in pages
        for one in page["ResourceRecordSets"]
        if pattern.search(one["Name"])
    ]
    return {"id": inputs["zoneId"], **inputs, "resourceRecordSets": found}


def _alias(record: dict[str, Any]) -> Answer | None:
    target = record.get("AliasTarget")
    if target is None:
        return None
    return {
        "dnsName": target["DNSName"],
        "hostedZoneId": target["HostedZoneId"],
        "evaluateTargetHealth": target["EvaluateTargetHealth"],
    }


def _get_caller_identity(cloud: Cloud, _: Inputs) -> Answer:
    identity = cloud.client("sts").get_caller_identity()
    account = identity["Account"]
    return {"accountId": account, "arn": identity["Arn"], "userId": identity["UserId"], "id": account}


def _get_region(cloud: Cloud, _: Inputs) -> Answer:
    return {"region": cloud.region, "name": cloud.region, "id": cloud.region}


def _get_partition(_cloud: Cloud, _: Inputs) -> Answer:
    return {
        "partition": "aws",
        "dnsSuffix": "amazonaws.com",
        "id": "aws",
        "reverseDnsPrefix": "com.amazonaws",
    }


FUNCTIONS: dict[str, Callable[[Cloud, Inputs], Answer]] = {
    "aws:route53/getZone:getZone": _get_zone,
    "aws:route53/getZones:getZones": _get_zones,
    "aws:route53/getRecords:getRecords": _get_records,
    "aws:index/getCallerIdentity:getCallerIdentity": _get_caller_identity,
    "aws:index/getRegion:getRegion": _get_region,
    "aws:index/getPartition:getPartition": _get_partition,
}
