"""Names within AWS's limits, tags, and what each NAS's user and the schedules' role are tied to."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.stack.program_settings import (
    EVERYTHING,
    SCHEDULE,
)
from tests.unit.stack.recorded_program import ACCOUNT
from tests.unit.stack.recording import record, several

AUTO_NAMED = len("-1234567")  # what Pulumi's auto-naming adds
LONGEST = {  # IAM User Guide, "IAM and AWS STS quotas"; API references of the others
    "aws:iam/role:Role": 64,
    "aws:iam/user:User": 64,
    "aws:iam/rolePolicy:RolePolicy": 128,
    "aws:iam/userPolicy:UserPolicy": 128,
    "aws:scheduler/schedule:Schedule": 64,
    "aws:lambda/function:Function": 64,
    "aws:cloudwatch/metricAlarm:MetricAlarm": 255,
    "aws:sns/topic:Topic": 256,
    "aws:budgets/budget:Budget": 100,
}
# Those of our types that AWS, or the provider, gives no tags; a schedule's are its group's.
UNTAGGED = {
    "aws:route53/record:Record",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/userPolicy:UserPolicy",
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
    "aws:lambda/invocation:Invocation",
    "aws:scheduler/schedule:Schedule",
    "aws:sns/topicPolicy:TopicPolicy",
    "aws:sns/topicSubscription:TopicSubscription",
    "aws:cloudwatch/dashboard:Dashboard",
}


def test_set_ups_tags_of_the_user_are_left_alone() -> None:
    """IAM's console and set-up say in the user's tags what each access key is for."""
    assert {"tags", "tagsAll"} <= set(record().one("aws:iam/user:User")["ignored"])
    assert not record().one("aws:iam/role:Role", "renewer")["ignored"]


def test_the_bundle_is_for_the_functions_own_processor() -> None:
    for architecture in ("arm64", "x86_64"):
        made = record({"architecture": architecture}).one("aws:lambda/function:Function")["inputs"]
        assert made["architectures"] == [architecture]
        assert Path(str(made["code"])).name == f"{architecture}.zip"


def test_the_schedules_role_trusts_the_scheduler_for_this_stacks_group_alone() -> None:
    made = record()
    trust = json.loads(made.one("aws:iam/role:Role", "schedule")["inputs"]["assumeRolePolicy"])
    assert trust["Statement"][0]["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": "arn:aws:x:::certificates"}
    }
    assert trust["Statement"][0]["Principal"] == {"Service": "scheduler.amazonaws.com"}
    group = made.one("aws:scheduler/scheduleGroup:ScheduleGroup")["name"]
    assert made.one(SCHEDULE)["inputs"]["groupName"] == f"{group}-1234567"


@pytest.mark.parametrize(
    "settings",
    [
        EVERYTHING,
        {"domain": ".".join(["a" * 60] * 3), "nas_name": "n" * 60, "services": ["s" * 60]}
        | {"alarm_email": "me@example.com"},
    ],
)
def test_names_stay_within_awss_limits(settings: dict[str, Any]) -> None:
    zones = {settings["domain"] or "example.com": "Z0123456789"}
    made = record(settings, zones=zones)
    assert made.error is None
    for resource in made.resources:
        longest = LONGEST.get(resource["type"])
        if longest is not None:
            assert len(resource["name"]) + AUTO_NAMED <= longest, resource["type"]
            assert re.fullmatch(r"[A-Za-z0-9._-]+", resource["name"])


def test_long_names_that_differ_at_their_end_stay_apart() -> None:
    base = f"{'a' * 60}.example.com"
    certificates = {
        f"{base}.{one}": {"domains": [f"{one}.example.com"], "zone": "example.com"} for one in ("x", "y")
    }
    nas = {"rack": {"address": "10.0.0.5", "certificates": [f"{base}.x"]}}
    names = [one["name"] for one in record(several(certificates, nas)).all(SCHEDULE)]
    assert len(set(names)) == 2


def test_everything_that_can_be_tagged_is() -> None:
    made = record(EVERYTHING)
    assert {one["type"] for one in made.resources} >= UNTAGGED
    for one in made.resources:
        if one["type"] not in UNTAGGED:
            tags = one["inputs"]["tags"]
            assert (tags["project"], tags["stack"]) == ("synology-https", "dev"), one["type"]


def test_no_access_key_is_a_resource_and_nothing_is_kept_in_a_secrets_value() -> None:
    made = record(EVERYTHING)
    assert not [one for one in made.resources if "accessKey" in one["type"] or "secretVersion" in one["type"]]
    users = made.all("aws:iam/user:User")
    assert {one["name"] for one in users} == {"nas-attic", "nas-rack"}
    assert all(one["inputs"]["forceDestroy"] is True for one in users)


def test_each_nass_policy_has_its_own_secrets_and_namespace() -> None:
    made = record(EVERYTHING)
    for nas, secrets in {"attic": ["home"], "rack": ["home", "office"]}.items():
        policy = json.loads(made.one("aws:iam/userPolicy:UserPolicy", f"nas-{nas}")["inputs"]["policy"])
        read, _, report = policy["Statement"]
        assert read["Resource"] == [f"arn:aws:x:::certificate-{name}" for name in secrets]
        assert report["Condition"]["StringEquals"]["cloudwatch:namespace"] == f"synology-https/dev/{nas}"


def test_secrets_that_do_not_fit_into_a_nass_policy_are_known_by_tag() -> None:
    names = [f"c{number:02}" for number in range(30)]
    certificates = {
        one: {"domains": [f"{one}.example.com"], "zone": "example.com"} for one in [*names, "other"]
    }
    services = [f"{one}.example.com" for one in names[1:]]
    nas = {
        "rack": {"address": "10.0.0.5", "certificates": names, "services": services},
        "attic": {"address": "10.0.0.6", "certificates": ["other"]},
    }
    made = record(several(certificates, nas))
    secrets = made.all("aws:secretsmanager/secret:Secret")
    tagged = [one["name"] for one in secrets if one["inputs"]["tags"].get("nas:rack") == "reads"]
    assert tagged == [f"certificate-{one}" for one in names]
    (policy,) = [
        json.loads(one["inputs"]["policy"])
        for one in made.all("aws:iam/userPolicy:UserPolicy")
        if one["name"] == "nas-rack"
    ]
    for one in policy["Statement"][:2]:
        prefix = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:synology-https/dev/certificate"
        assert one["Resource"] == [f"{prefix}/*"]
        assert one["Condition"]["StringEquals"]["aws:ResourceTag/nas:rack"] == "reads"
