"""The real `__main__.py` on Pulumi's real engine: real engine, provider ours.

The tests are one story, in their order, of one stack. What is not proven of the real aws provider stands in
local_cloud/engine/rules.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from pulumi.automation import CommandError

from local_cloud.engine.stack import EngineStack, Operation
from local_cloud.ministack.server import LocalAws
from local_cloud.stack.types import TYPES

APEX = {"domains": ["example.com", "*.example.com"]}
PHOTOS = {"domains": ["photos.example.com"], "zone": "example.com"}
SERVICE = "aws:route53/record:Record music.example.com"


def nas(*services: str) -> dict[str, Any]:
    about = {"address": "192.168.0.10", "certificates": ["apex"], "services": list(services)}
    return {"synology": about}


def of_aws(done: Operation) -> dict[str, str]:
    return {what: step for what, step in done.steps.items() if what.split()[0] in TYPES}


def records(aws: LocalAws) -> set[str]:
    route53 = aws.client("route53")
    (zone,) = route53.list_hosted_zones()["HostedZones"]
    found = route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
    return {one["Name"].rstrip(".") for one in found if one["Type"] == "A"}


def secrets(aws: LocalAws) -> list[str]:
    return [one["Name"] for one in aws.client("secretsmanager").list_secrets()["SecretList"]]


def test_preview_plans_every_resource_and_makes_none(stack: EngineStack, aws: LocalAws) -> None:
    one_nas = {"domain": None, "nas_address": None, "services": None, "certificates": {"apex": APEX}}
    told = {"alarm_email": "admin@example.com", "budget_usd": "5"}
    stack.configure({**one_nas, **told, "nas": nas("navidrome")})
    planned = of_aws(stack.preview())
    assert set(planned.values()) == {"create"}
    assert len(planned) >= 10
    assert not [line for line in stack.said if "could not be looked up" in line]
    assert not secrets(aws)
    assert not aws.client("iam").list_roles()["Roles"]


def test_up_makes_what_was_planned_and_ends_with_a_certificate(stack: EngineStack, aws: LocalAws) -> None:
    planned = of_aws(stack.preview())
    done = stack.up()
    assert of_aws(done) == planned
    first: dict[str, Any] = json.loads(done.outputs["certificates"]["apex"]["first_renewal"])
    assert first["renewed"] is True
    assert "synology.example.com" in records(aws)


def test_up_again_changes_nothing(stack: EngineStack) -> None:
    assert not stack.up().steps


def test_refresh_sees_no_drift(stack: EngineStack) -> None:
    assert not stack.refresh().steps
    assert not stack.up().steps


def test_refresh_sees_drift_and_up_mends_it(stack: EngineStack, aws: LocalAws) -> None:
    logs = aws.client("logs")
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/synology-https/")["logGroups"]
    logs.put_retention_policy(logGroupName=group["logGroupName"], retentionInDays=1)
    assert of_aws(stack.refresh()) == {"aws:cloudwatch/logGroup:LogGroup renewer": "update"}
    assert of_aws(stack.up()) == {"aws:cloudwatch/logGroup:LogGroup renewer": "update"}
    (mended,) = logs.describe_log_groups(logGroupNamePrefix="/synology-https/")["logGroups"]
    assert mended["retentionInDays"] == group["retentionInDays"]


def test_a_changed_setting_touches_only_what_it_is_about(stack: EngineStack, aws: LocalAws) -> None:
    stack.configure({"nas": nas("navidrome", "music")})
    assert of_aws(stack.up()) == {SERVICE: "create"}
    assert "music.example.com" in records(aws)


def test_a_certificate_is_added_and_removed(stack: EngineStack, aws: LocalAws) -> None:
    before = secrets(aws)
    stack.configure({"certificates": {"apex": APEX, "photos": PHOTOS}})
    added = stack.up()
    made = {what for what, step in of_aws(added).items() if step == "create"}
    assert {
        "aws:secretsmanager/secret:Secret certificate-photos",
        "aws:scheduler/schedule:Schedule photos",
        "aws:lambda/invocation:Invocation photos",
    } <= made
    assert not [what for what in of_aws(added) if what.endswith(" apex")]
    first = json.loads(added.outputs["certificates"]["photos"]["first_renewal"])
    assert first["renewed"] is True
    stack.configure({"certificates": {"apex": APEX}})
    removed = of_aws(stack.up())
    assert {what for what, step in removed.items() if step == "delete"} == made
    assert sorted(secrets(aws)) == sorted(before)


def test_after_a_failure_in_the_middle_up_goes_on(stack: EngineStack, aws: LocalAws) -> None:
    stack.configure({"profile": "nothing-of-the-kind", "nas": nas("navidrome")})
    with pytest.raises(CommandError) as failed:
        stack.up()
    assert "profile is 'nothing-of-the-kind'" in str(failed.value)
    stack.configure({"profile": "classic"})
    stack.up()
    assert not stack.up().steps
    assert "music.example.com" not in records(aws)


def test_destroy_removes_all_and_up_makes_it_again(stack: EngineStack, aws: LocalAws) -> None:
    """Also the user, although set-up made it a key that the engine does not know."""
    (user,) = aws.client("iam").list_users()["Users"]
    aws.client("iam").create_access_key(UserName=user["UserName"])
    stack.destroy()
    assert not secrets(aws)
    assert not records(aws)
    for left in (
        aws.client("iam").list_roles()["Roles"],
        aws.client("iam").list_users()["Users"],
        aws.client("lambda").list_functions()["Functions"],
        aws.client("scheduler").list_schedules()["Schedules"],
        aws.client("logs").describe_log_groups(logGroupNamePrefix="/synology-https/")["logGroups"],
    ):
        assert not left
    done = stack.up()
    assert json.loads(done.outputs["certificates"]["apex"]["first_renewal"])["renewed"] is True


def test_no_private_key_is_in_the_state_or_in_what_was_said(stack: EngineStack, aws: LocalAws) -> None:
    client = aws.client("secretsmanager")
    keys = []
    for one in client.list_secrets()["SecretList"]:
        document = json.loads(client.get_secret_value(SecretId=one["ARN"])["SecretString"])
        if "private_key" in document:
            keys.append(document["private_key"].splitlines()[1])
    assert keys
    written = [path.read_text(errors="replace") for path in stack.state_files] + stack.said
    assert not [key for key in keys if any(key in text for text in written)]
