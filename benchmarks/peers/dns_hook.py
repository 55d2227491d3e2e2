"""The DNS hook of dehydrated and of lego's `exec`: TXT values in the local Route 53, with boto3.

See https://github.com/dehydrated-io/dehydrated/blob/master/docs/dns-verification.md and
https://go-acme.github.io/lego/dns/exec/.
"""

import os
import sys
from typing import Any

import boto3


def main(command: str, *words: str) -> None:
    """Carry out one call of the hook; ZONE_ID names the hosted zone. Other calls are of no interest."""
    if command == "deploy_challenge":
        _change(f"_acme-challenge.{words[0]}", words[2])
    elif command == "present":
        _change(words[0], words[1])
    elif command == "clean_challenge":
        _change(f"_acme-challenge.{words[0]}", None)
    elif command == "cleanup":
        _change(words[0], None)


def _change(name: str, value: str | None) -> None:
    """Add a value to the name's set; with None take the set away."""
    route53, zone = boto3.client("route53"), os.environ["ZONE_ID"]
    name = name.rstrip(".") + "."
    sets = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    old = next((one for one in sets if one["Name"] == name and one["Type"] == "TXT"), None)
    if value is None:
        if old is not None:
            _send(route53, zone, "DELETE", old)
        return
    records = [*(old["ResourceRecords"] if old else []), {"Value": f'"{value}"'}]
    _send(route53, zone, "UPSERT", {"Name": name, "Type": "TXT", "TTL": 60, "ResourceRecords": records})


def _send(route53: Any, zone: str, action: Any, record_set: Any) -> None:
    batch: Any = {"Changes": [{"Action": action, "ResourceRecordSet": record_set}]}
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)


main(*sys.argv[1:])
