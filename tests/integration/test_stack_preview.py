"""Preview on the local AWS: what is refused before anything is made, in which words."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local_cloud.ministack.server import REGION, LocalAws
from local_cloud.stack import DeployError, preview
from local_cloud.stack.deploy import PROJECT, _task
from local_cloud.stack.types import Cloud
from local_cloud.stack.types.functions import answer
from tests.integration.stack_bench import DOMAIN, change_records

pytest_plugins = ("tests.integration.stack_fixtures",)


@pytest.mark.parametrize(
    ("key", "value", "shown", "allowed"),
    [
        (
            "domain",
            "Example.com",
            '"Example.com"',
            "a domain name in lower case, such as example.com, is wanted",
        ),
        ("domain", "", "null", "a domain name in lower case"),
        ("nas_address", "nas", '"nas"', "the NAS's IPv4 or IPv6 address, such as 192.168.0.10, is wanted"),
        ("key_type", "rsa1024", '"rsa1024"', "one of rsa2048, rsa3072, rsa4096, ec256, ec384 is allowed"),
        (
            "schedule",
            "cron(0 12 * * ? *)",
            '"cron(0 12 * * ? *)"',
            "such as rate(12 hours) or rate(1 hour), is",
        ),
        ("architecture", "arm", '"arm"', "one of arm64, x86_64 is allowed"),
        ("terms_agreed", False, '"false"', "accept the terms of service of the certificate authority"),
        ("services", ["a", "synology"], '["a", "synology"]', "the NAS's own name stands there again"),
    ],
)
def test_preview_with_a_wrong_value_fails_in_one_line(key: str, value: Any, shown: str, allowed: str) -> None:
    with pytest.raises(DeployError) as refused:
        preview({key: value})
    text = str(refused.value)
    assert text.startswith(f"error: synology-https:{key} is {shown}: ")
    assert allowed in text
    assert f"pulumi config set {key}" in text
    assert "\n" not in text
    assert "Traceback" not in text


def test_a_wrong_value_leaves_standard_error_empty_and_the_exit_code_one() -> None:
    """`preview` reads both streams as one; here they are told apart."""
    task = _task("http://127.0.0.1:9", {"key_type": "x"}, "dev") | {
        "local_bundle": "",
        "lambda_environment": {},
        "preview": True,
    }
    done = subprocess.run(
        [sys.executable, "-m", "local_cloud.stack.program"],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert len(done.stdout.splitlines()) == 1


def test_preview_creates_nothing(cloud: LocalAws, zone: str, config: dict[str, Any]) -> None:
    before = inventory(cloud, zone)
    preview(config, aws=cloud)
    assert inventory(cloud, zone) == before


def test_preview_fails_where_the_hosted_zone_is_missing(
    cloud: LocalAws, zone: str, config: dict[str, Any]
) -> None:
    assert zone
    with pytest.raises(DeployError) as refused:
        preview({**config, "domain": "not-here.example"}, aws=cloud)
    text = str(refused.value)
    assert text.startswith('error: synology-https:zones is "not-here.example": this account has no public')
    assert f"It has {DOMAIN}. " in text


def test_a_private_zone_is_not_taken_for_it(cloud: LocalAws, zone: str, config: dict[str, Any]) -> None:
    assert zone
    cloud.client("route53").create_hosted_zone(
        Name="private.example",
        CallerReference="private",
        VPC={"VPCRegion": "eu-central-1", "VPCId": "vpc-12345678"},
        HostedZoneConfig={"PrivateZone": True},
    )
    with pytest.raises(DeployError, match=f"no public hosted zone of that name. It has {DOMAIN}. "):
        preview({**config, "domain": "private.example"}, aws=cloud)


@contextmanager
def record_in(cloud: LocalAws, zone: str, record: dict[str, Any]) -> Iterator[None]:
    """Have a record set in the zone for a while."""
    for action in ("CREATE", "DELETE"):
        change_records(cloud.client("route53"), zone, [{"Action": action, "ResourceRecordSet": record}])
        if action == "CREATE":
            yield


def test_records_of_a_routing_policy_fail_preview(cloud: LocalAws, zone: str, config: dict[str, Any]) -> None:
    weighted = {
        "Name": f"synology.{DOMAIN}",
        "Type": "A",
        "SetIdentifier": "blue",
        "Weight": 1,
        "TTL": 60,
        "ResourceRecords": [{"Value": "192.168.0.5"}],
    }
    with (
        record_in(cloud, zone, weighted),
        pytest.raises(DeployError, match=r"is one of several by a routing policy \(blue\): delete them"),
    ):
        preview(config, aws=cloud)
    preview(config, aws=cloud)


def test_an_alias_is_seen_with_its_target(cloud: LocalAws, zone: str) -> None:
    """What the warning about a record that is replaced is made of."""
    target = {"DNSName": "x.example.net.", "HostedZoneId": "Z32O12XQLNTSW2", "EvaluateTargetHealth": False}
    alias = {"Name": f"synology.{DOMAIN}", "Type": "A", "AliasTarget": target}
    asked = {"zoneId": zone, "nameRegex": f"^synology.{DOMAIN}.$"}
    with record_in(cloud, zone, alias):
        looked = answer(Cloud(cloud.client, REGION, Path(), {}), "aws:route53/getRecords:getRecords", asked)
    (found,) = looked["resourceRecordSets"]
    assert (found["type"], found["resourceRecords"], found["setIdentifier"]) == ("A", [], "")
    assert found["aliasTarget"]["dnsName"] == "x.example.net."


def inventory(aws: LocalAws, zone: str) -> dict[str, Any]:
    """Return what a deployment would add to."""
    iam = aws.client("iam")
    return {
        "records": aws.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"],
        "secrets": [one["Name"] for one in aws.client("secretsmanager").list_secrets()["SecretList"]],
        "roles": [one["RoleName"] for one in iam.list_roles()["Roles"]],
        "users": [one["UserName"] for one in iam.list_users()["Users"]],
        "functions": [one["FunctionName"] for one in aws.client("lambda").list_functions()["Functions"]],
        "schedules": [one["Name"] for one in aws.client("scheduler").list_schedules()["Schedules"]],
        "logs": [one["logGroupName"] for one in aws.client("logs").describe_log_groups()["logGroups"]],
    }
