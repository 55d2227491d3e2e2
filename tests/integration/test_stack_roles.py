"""What the roles and the user of a stack that was applied may do: each condition and statement is needed."""

from __future__ import annotations

import copy
import json
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_cloud.demo.permissions import Attempt, attempts
from tests.integration.stack_bench import (
    DOMAIN,
    ROUTE53,
    Deployed,
    Document,
    agent_config,
    change,
    change_records,
    invoke,
)

pytest_plugins = ("tests.integration.stack_fixtures",)


def test_without_its_txt_permission_the_renewer_fails_and_names_it(stack: Deployed) -> None:
    iam, role = stack.client("iam"), stack.renewer_role
    name, policy = stack.role_policy(role)
    event = json.loads(stack.schedule()["Target"]["Input"]) | {"key_type": "ec384"}
    current = stack.client("secretsmanager").get_secret_value(SecretId=event["secret"])["VersionId"]
    less = {
        **policy,
        "Statement": [one for one in policy["Statement"] if one["Sid"] != "ChangeOwnChallengeRecords"],
    }
    assert len(less["Statement"]) == len(policy["Statement"]) - 1
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(less))
    try:
        outcome = invoke(stack, event)
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))
    assert "route53:ChangeResourceRecordSets" in outcome["errorMessage"]
    assert "run `pulumi up` to restore it" in outcome["errorMessage"]
    after = stack.client("secretsmanager").get_secret_value(SecretId=event["secret"])["VersionId"]
    assert after == current  # the current certificate stays
    assert invoke(stack, event)["renewed"] is True  # the statement was all that was missing


def nas_attempts(stack: Deployed, policy: Document, user: str) -> tuple[list[Attempt], list[Attempt]]:
    """Try what a key with `policy` may do: a user of its own, so that the NAS's stays without a key."""
    other = stack.client("secretsmanager").create_secret(Name=f"other/{user}", SecretString="{}")["ARN"]
    try:
        return attempts(
            stack.aws,
            stack.aws.user(user, policy),
            secret=stack.secret("certificate")["ARN"],
            other_secrets={"the account": stack.secret("account")["ARN"], "another": other},
            namespace=agent_config(stack.outputs)["metric_namespace"],
            zone=stack.zone,
        )
    finally:
        stack.client("secretsmanager").delete_secret(SecretId=other, ForceDeleteWithoutRecovery=True)


def test_the_nass_policy_allows_what_the_agent_needs_and_nothing_else_that_is_tried(stack: Deployed) -> None:
    needed, forbidden = nas_attempts(stack, stack.nas_policy(), "nas-intact")
    assert [one for one in needed if not one.allowed] == []
    assert [one for one in forbidden if one.allowed] == []
    assert len(forbidden) >= 10


@pytest.mark.parametrize(
    ("sid", "key", "passes"),
    [
        (
            "ReadCurrentCertificate",
            "secretsmanager:VersionStage",
            {"GetSecretValue AWSPENDING", "GetSecretValue by VersionId", "GetSecretValue of no named stage"},
        ),
        ("ReportOwnMetrics", "cloudwatch:namespace", {"PutMetricData to another namespace"}),
    ],
)
def test_each_condition_of_the_nass_policy_is_needed(
    stack: Deployed, sid: str, key: str, passes: set[str]
) -> None:
    policy = stack.nas_policy()
    assert [one["Sid"] for one in policy["Statement"] if "Condition" in one] == [
        "ReadCurrentCertificate",
        "ReportOwnMetrics",
    ]
    (statement,) = [one for one in policy["Statement"] if one["Sid"] == sid]
    assert statement["Condition"].keys() == {"StringEquals"}
    del statement["Condition"]["StringEquals"][key]
    needed, forbidden = nas_attempts(stack, policy, f"nas-without-condition-{sid}")
    assert all(one.allowed for one in needed)
    assert {one.what for one in forbidden if one.allowed} == passes


@pytest.mark.parametrize("sid", ["ReadCurrentCertificate", "SeeWhetherItChanged", "ReportOwnMetrics"])
def test_each_statement_of_the_nass_policy_is_needed(stack: Deployed, sid: str) -> None:
    policy = stack.nas_policy()
    policy["Statement"] = [one for one in policy["Statement"] if one["Sid"] != sid]
    needed, _ = nas_attempts(stack, policy, f"nas-without-{sid}")
    assert len([one for one in needed if not one.allowed]) == 1


OWN = f"_acme-challenge.{DOMAIN}"
CREATE_OWN = change(OWN, "TXT", "CREATE", '"value"')
DELETE_OWN = change(OWN, "TXT", "DELETE", '"value"')
# What the renewer must not do: the changes of each batch, and the condition key that forbids it.
FORBIDDEN: dict[str, tuple[list[Document], str]] = {
    "an A record": ([change(OWN, "A", "CREATE", "192.0.2.1")], "RecordTypes"),
    "a CAA record": ([change(OWN, "CAA", "CREATE", '0 issue "other.example"')], "RecordTypes"),
    "a TXT at the apex": ([change(DOMAIN, "TXT", "CREATE", '"v=spf1 -all"')], "NormalizedRecordNames"),
    "a TXT below": ([change(f"x.{OWN}", "TXT", "CREATE", '"v"')], "NormalizedRecordNames"),
    "another host's TXT": (
        [change(f"_acme-challenge.nas.{DOMAIN}", "TXT", "CREATE", '"v"')],
        "NormalizedRecordNames",
    ),
    "a wildcard TXT": ([change(f"*.{DOMAIN}", "TXT", "CREATE", '"v"')], "NormalizedRecordNames"),
    "an UPSERT": ([change(OWN, "TXT", "UPSERT", '"value"')], "Actions"),
    "a foreign change beside an own one": (
        [CREATE_OWN, change(f"www.{DOMAIN}", "TXT", "CREATE", '"v"')],
        "NormalizedRecordNames",
    ),
}
OTHER_ZONE = "the own name in another zone"


def neighbours(stack: Deployed, key: tuple[str, ...], other_zone: str) -> dict[str, bool]:
    """Try the renewer's own change and each forbidden one; return what was allowed, and leave nothing."""
    route53, root = stack.aws.client("route53", *key), stack.client("route53")
    allowed = {}
    batches = {"its own": [CREATE_OWN], **{what: batch for what, (batch, _) in FORBIDDEN.items()}}
    for what, batch in batches.items():
        allowed[what] = tried(partial(change_records, route53, stack.zone, batch))
        if allowed[what]:
            undo = [{**one, "Action": "DELETE"} for one in batch]
            change_records(root, stack.zone, undo)
    elsewhere = [change("_acme-challenge.other.example", "TXT", "CREATE", '"v"')]
    allowed[OTHER_ZONE] = tried(partial(change_records, route53, other_zone, elsewhere))
    return allowed


def tried(call: Any) -> bool:
    """Tell whether AWS allowed the call; any error but a denial fails the test."""
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return False
    return True


def test_the_renewers_role_may_change_its_own_challenge_record_only(stack: Deployed, other_zone: str) -> None:
    """With the role's own credentials, as the Lambda has them."""
    credentials = stack.client("sts").assume_role(RoleArn=stack.renewer["Role"], RoleSessionName="neighbours")
    made = credentials["Credentials"]
    key = (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    allowed = neighbours(stack, key, other_zone)
    assert [what for what, passed in allowed.items() if passed] == ["its own"]
    # Deleting exactly what it made is its own too, and both in one batch, as the renewer swaps.
    route53 = stack.aws.client("route53", *key)
    change_records(route53, stack.zone, [CREATE_OWN])
    change_records(route53, stack.zone, [DELETE_OWN, change(OWN, "TXT", "CREATE", '"other"')])
    change_records(route53, stack.zone, [change(OWN, "TXT", "DELETE", '"other"')])
    for what, call in {
        "all zones": route53.list_hosted_zones,
        "another zone's records": partial(route53.list_resource_record_sets, HostedZoneId=other_zone),
        "a secret of another": partial(
            stack.aws.client("secretsmanager", *key).create_secret, Name="mine", SecretString="{}"
        ),
        "deleting its secret": partial(
            stack.aws.client("secretsmanager", *key).delete_secret,
            SecretId=stack.secret("certificate")["ARN"],
        ),
    }.items():
        with pytest.raises(ClientError) as denied:
            call()
        assert denied.value.response["Error"]["Code"].startswith("AccessDenied"), what


@pytest.mark.parametrize("key", ["NormalizedRecordNames", "RecordTypes", "Actions"])
def test_each_condition_of_the_renewers_policy_is_needed(stack: Deployed, other_zone: str, key: str) -> None:
    _, policy = stack.role_policy(stack.renewer_role)
    less = copy.deepcopy(policy)
    condition = less["Statement"][0]["Condition"]
    assert condition["ForAllValues:StringEquals"].keys() == condition["Null"].keys()
    assert len(condition["Null"]) == 3
    del condition["ForAllValues:StringEquals"][f"{ROUTE53}{key}"]
    allowed = neighbours(stack, stack.aws.user(f"renewer-without-{key}", less), other_zone)
    passed = {what for what, passed in allowed.items() if passed}
    assert passed == {"its own"} | {what for what, (_, by) in FORBIDDEN.items() if by == key}


def test_the_zone_in_the_renewers_policy_is_needed(stack: Deployed, other_zone: str) -> None:
    _, policy = stack.role_policy(stack.renewer_role)
    less = copy.deepcopy(policy)
    statement = less["Statement"][0]
    statement["Resource"] = "arn:aws:route53:::hostedzone/*"
    statement["Condition"]["ForAllValues:StringEquals"][f"{ROUTE53}NormalizedRecordNames"].append(
        "_acme-challenge.other.example"
    )
    allowed = neighbours(stack, stack.aws.user("renewer-without-zone", less), other_zone)
    assert {what for what, passed in allowed.items() if passed} == {"its own", OTHER_ZONE}
