"""The IAM policies as documents: what they say."""

from __future__ import annotations

import json
import re

import pytest

from infrastructure.policies import (
    renewer_policy,
    topic_policy,
    trust_policy,
    zone_role_trust,
)
from tests.unit.stack.policy_samples import (
    ACCOUNT,
    ACME_ACCOUNT,
    BY_PATTERN,
    CERTIFICATE,
    CERTIFICATES,
    CHANGE,
    DOMAIN,
    EAB,
    FUNCTION,
    LOG_GROUP,
    NAMESPACE,
    NAMESPACE_KEY,
    NAS,
    OTHER_TXT,
    OTHER_ZONE,
    PERMISSIONS,
    REGION,
    REGION_KEY,
    RENEWER,
    ROUTE53,
    SCHEDULER,
    TAG,
    TOPIC,
    TXT,
    ZONE,
    ZONE_ROLE,
    ZONE_ROLE_POLICY,
    as_list,
    by_sid,
    condition_holds,
    statements,
)


@pytest.mark.parametrize(
    ("sid", "zone", "name"),
    [("ChangeOwnChallengeRecords", ZONE, TXT), ("ChangeOwnChallengeRecords1", OTHER_ZONE, OTHER_TXT)],
)
def test_the_renewer_may_change_its_own_challenge_records_only(sid: str, zone: str, name: str) -> None:
    assert by_sid(RENEWER)[sid] == {
        "Sid": sid,
        "Effect": "Allow",
        "Action": ROUTE53,
        "Resource": [zone],
        "Condition": {
            "ForAllValues:StringEquals": {
                f"{ROUTE53}NormalizedRecordNames": [name],
                f"{ROUTE53}RecordTypes": ["TXT"],
                f"{ROUTE53}Actions": ["CREATE", "DELETE"],
            },
            "Null": {
                f"{ROUTE53}NormalizedRecordNames": "false",
                f"{ROUTE53}RecordTypes": "false",
                f"{ROUTE53}Actions": "false",
            },
        },
    }


def test_where_names_do_not_fit_the_renewer_may_change_any_challenge_of_its_zones() -> None:
    changes = [one for one in BY_PATTERN["Statement"] if one["Action"] == ROUTE53]
    assert [one["Resource"] for one in changes] == [[ZONE]]
    condition = changes[0]["Condition"]
    assert condition["ForAllValues:StringLike"] == {
        f"{ROUTE53}NormalizedRecordNames": ["_acme-challenge.*", "home.acme.example.co.uk"],
        f"{ROUTE53}RecordTypes": ["TXT"],
        f"{ROUTE53}Actions": ["CREATE", "DELETE"],
    }
    for name, allowed in {
        f"_acme-challenge.7.{DOMAIN}": True,
        "home.acme.example.co.uk": True,
        DOMAIN: False,
        f"www.{DOMAIN}": False,
        f"x._acme-challenge.{DOMAIN}": False,
        rf"\052.{DOMAIN}": False,
    }.items():
        assert condition_holds(condition, {**CHANGE, f"{ROUTE53}NormalizedRecordNames": [name]}) is allowed


def test_the_rest_of_what_the_renewer_may_do() -> None:
    rest = {
        sid: (one["Action"], one["Resource"], one.get("Condition"))
        for sid, one in by_sid(RENEWER).items()
        if one["Action"] != ROUTE53
    }
    stage = "secretsmanager:VersionStage"
    read, put = "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"
    assert rest == {
        "ReadZone": (["route53:GetHostedZone", "route53:ListResourceRecordSets"], [ZONE, OTHER_ZONE], None),
        "WaitForChange": ("route53:GetChange", "arn:aws:route53:::change/*", None),
        "KeepSecrets": (
            read,
            [ACME_ACCOUNT, CERTIFICATES],
            {"StringEquals": {stage: ["AWSCURRENT", "AWSPENDING"]}},
        ),
        "StoreSecrets": (put, [ACME_ACCOUNT, CERTIFICATES], None),
        "ReadExternalAccount": (read, [EAB], {"StringEquals": {stage: "AWSCURRENT"}}),
        "ReachZonesOfOthers": ("sts:AssumeRole", [ZONE_ROLE], None),
        "WriteLog": (["logs:CreateLogStream", "logs:PutLogEvents"], f"{LOG_GROUP}:*", None),
        "TellOfFailure": ("sns:Publish", TOPIC, None),
    }


def test_the_role_of_a_zone_in_another_account_may_do_there_what_the_renewer_may_here() -> None:
    own = renewer_policy(
        certificate_arn=CERTIFICATES,
        account_arn=ACME_ACCOUNT,
        log_group_arn=LOG_GROUP,
        challenges={ZONE: [TXT]},
    )
    here = [one for one in own["Statement"] if "route53" in str(one["Action"])]
    assert ZONE_ROLE_POLICY["Statement"] == here


@pytest.mark.parametrize(
    ("caller", "trusted"),
    [
        ("role/renewer-ea97c4d", True),
        ("role/renewer-ea97c4d0", False),
        ("role/renewer", False),
        ("role/mallory-ea97c4d", False),
        ("user/renewer-ea97c4d", False),
        (None, False),
    ],
)
def test_the_role_of_a_zone_in_another_account_trusts_the_renewers_role(
    caller: str | None, trusted: bool
) -> None:
    """The local AWS does not fill aws:PrincipalArn, which for a session is its role's (IAM User Guide)."""
    (statement,) = zone_role_trust(ACCOUNT, "renewer-???????")["Statement"]
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    context: dict[str, str | list[str]] = (
        {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:{caller}"} if caller else {}
    )
    assert condition_holds(statement["Condition"], context) is trusted


def test_without_external_accounts_foreign_zones_and_a_topic_there_is_no_statement_for_them() -> None:
    assert not by_sid(BY_PATTERN).keys() & {"ReadExternalAccount", "ReachZonesOfOthers", "TellOfFailure"}


def test_where_all_zones_are_of_others_the_renewer_has_no_right_in_route_53() -> None:
    policy = renewer_policy(
        certificate_arn=CERTIFICATES,
        account_arn=ACME_ACCOUNT,
        log_group_arn=LOG_GROUP,
        challenges={},
        zone_roles=[ZONE_ROLE],
    )
    assert "route53" not in json.dumps(policy)


def test_the_schedule_may_invoke_the_one_function() -> None:
    assert SCHEDULER["Statement"] == [
        {"Sid": "RunRenewer", "Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": FUNCTION}
    ]


def test_the_nas_may_read_the_current_certificate_and_report_its_own_metrics() -> None:
    assert [{key: one[key] for key in one if key != "Sid"} for one in NAS["Statement"]] == [
        {
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": [CERTIFICATE],
            "Condition": {"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}},
        },
        {"Effect": "Allow", "Action": "secretsmanager:DescribeSecret", "Resource": [CERTIFICATE]},
        {
            "Effect": "Allow",
            "Action": "cloudwatch:PutMetricData",
            "Resource": "*",
            "Condition": {"StringEquals": {REGION_KEY: REGION, NAMESPACE_KEY: NAMESPACE}},
        },
    ]


def test_only_put_metric_data_has_every_resource_and_nothing_has_every_action() -> None:
    for one in statements():
        assert one["Effect"] == "Allow"
        assert not {"NotAction", "NotResource"} & one.keys()
        assert all(re.fullmatch(r"[a-z0-9]+:[A-Za-z]+", action) for action in as_list(one["Action"]))
        if "*" in as_list(one["Resource"]):
            assert one["Action"] == "cloudwatch:PutMetricData"
            assert one["Condition"]["StringEquals"] == {REGION_KEY: REGION, NAMESPACE_KEY: NAMESPACE}
        else:
            assert all(resource.startswith("arn:aws:") for resource in as_list(one["Resource"]))
            # A wildcard only where IDs are AWS's own (changes), or below a group or a path of ours.
            wild = [resource for resource in as_list(one["Resource"]) if set(resource) & {"*", "?"}]
            assert set(wild) <= {"arn:aws:route53:::change/*", f"{LOG_GROUP}:*", CERTIFICATES}
            if wild == [CERTIFICATES] and one["Sid"] in by_sid(NAS):  # the tag says which
                assert f"aws:ResourceTag/{TAG}" in one["Condition"]["StringEquals"]


def test_the_trust_policies() -> None:
    assert trust_policy("lambda.amazonaws.com")["Statement"] == [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    ]
    assert trust_policy("scheduler.amazonaws.com", ACCOUNT)["Statement"] == [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "scheduler.amazonaws.com"},
            "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        }
    ]


def test_a_trust_policy_names_the_resource_where_it_is_known() -> None:
    group = f"arn:aws:scheduler:eu-central-1:{ACCOUNT}:schedule-group/synology-https-1"
    (statement,) = trust_policy("scheduler.amazonaws.com", ACCOUNT, group)["Statement"]
    condition = statement["Condition"]
    known: dict[str, str | list[str]] = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": group}
    assert condition_holds(condition, known)
    for key in known:
        assert not condition_holds(condition, {**known, key: "another's"})
        assert not condition_holds(condition, {name: value for name, value in known.items() if name != key})


def test_only_alarms_and_budgets_of_the_account_publish_to_the_topic() -> None:
    policy = topic_policy(TOPIC, ACCOUNT)
    assert {one["Principal"]["Service"] for one in policy["Statement"]} == {
        "cloudwatch.amazonaws.com",
        "budgets.amazonaws.com",
    }
    for one in policy["Statement"]:
        assert (one["Action"], one["Resource"]) == ("sns:Publish", TOPIC)
        assert condition_holds(one["Condition"], {"aws:SourceAccount": ACCOUNT})
        assert not condition_holds(one["Condition"], {"aws:SourceAccount": "210987654321"})
        assert not condition_holds(one["Condition"], {})


def test_each_document_has_the_current_version_and_sids_of_its_own() -> None:
    for document in (
        *PERMISSIONS.values(),
        topic_policy(TOPIC, ACCOUNT),
        trust_policy("lambda.amazonaws.com"),
        zone_role_trust(ACCOUNT, "renewer-???????"),
    ):
        assert document.keys() == {"Version", "Statement"}
        assert document["Version"] == "2012-10-17"
        sids = [one["Sid"] for one in document["Statement"] if "Sid" in one]
        assert len(set(sids)) == len(sids)
        assert all(re.fullmatch(r"[A-Za-z0-9]+", sid) for sid in sids)
