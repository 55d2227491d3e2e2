"""The IAM policies as documents, with IAM's rules for their conditions and sizes.

What an absent condition key does can be shown only here: Route 53 always fills its three keys, and the local
AWS's policy simulator takes no context.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from infrastructure.policies import nas_policy, renewer_policy, scheduler_policy, trust_policy

ACCOUNT = "123456789012"
DOMAIN = "home.example.co.uk"
PREFIX = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:synology-https/production"
CERTIFICATE = f"{PREFIX}/certificate/{DOMAIN}-20261125023620900000000001-AbCdEf"
ACME_ACCOUNT = f"{PREFIX}/acme-account-20261125023621baba00000002-AbCdEf"
LOG_GROUP = (
    f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:/synology-https/renewer-20261125023620324300000003"
)
ZONE = "arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"
FUNCTION = f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:renewer-ea97c4d"
NAMESPACE = "synology-https/production/synology"
TXT = f"_acme-challenge.{DOMAIN}"
ROUTE53 = "route53:ChangeResourceRecordSets"

# IAM User Guide, "IAM and AWS STS quotas"; white space is not counted
INLINE_ROLE, INLINE_USER, TRUST = 10_240, 2_048, 2_048

RENEWER = renewer_policy(
    certificate_arn=CERTIFICATE,
    account_arn=ACME_ACCOUNT,
    log_group_arn=LOG_GROUP,
    zone_arn=ZONE,
    challenge_names=[TXT],
)
SCHEDULER = scheduler_policy(FUNCTION)
NAS = nas_policy(certificate_arn=CERTIFICATE, metric_namespace=NAMESPACE)
PERMISSIONS = {"renewer": RENEWER, "scheduler": SCHEDULER, "nas": NAS}


def statements() -> Iterator[dict[str, Any]]:
    for document in PERMISSIONS.values():
        yield from document["Statement"]


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def condition_holds(condition: dict[str, dict[str, Any]], context: dict[str, str | list[str]]) -> bool:
    """Evaluate the operators that the policies use as IAM documents them: ANDed, and any other fails."""
    for operator, keys in condition.items():
        for key, wanted in keys.items():
            match operator:
                case "Null":
                    holds = (key not in context) == (wanted == "true")
                case "StringEquals":
                    holds = key in context and context[key] in as_list(wanted)
                case "ForAllValues:StringEquals":  # "also returns true if there are no context keys"
                    holds = set(as_list(context.get(key, []))) <= set(as_list(wanted))
                case _:
                    raise NotImplementedError(operator)
            if not holds:
                return False
    return True


def test_the_renewer_may_change_its_own_challenge_records_only() -> None:
    assert RENEWER["Statement"][0] == {
        "Sid": "ChangeOwnChallengeRecords",
        "Effect": "Allow",
        "Action": ROUTE53,
        "Resource": ZONE,
        "Condition": {
            "ForAllValues:StringEquals": {
                f"{ROUTE53}NormalizedRecordNames": [TXT],
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


def test_the_rest_of_what_the_renewer_may_do() -> None:
    rest = {one["Sid"]: (one["Action"], one["Resource"]) for one in RENEWER["Statement"][1:]}
    assert rest == {
        "ReadZone": (["route53:GetHostedZone", "route53:ListResourceRecordSets"], ZONE),
        "WaitForChange": ("route53:GetChange", "arn:aws:route53:::change/*"),
        "KeepSecrets": (
            ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"],
            [ACME_ACCOUNT, CERTIFICATE],
        ),
        "WriteLog": (["logs:CreateLogStream", "logs:PutLogEvents"], f"{LOG_GROUP}:*"),
    }
    assert all(one["Effect"] == "Allow" and "Condition" not in one for one in RENEWER["Statement"][1:])


def test_the_schedule_may_invoke_the_one_function() -> None:
    assert SCHEDULER["Statement"] == [
        {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": FUNCTION}
    ]


def test_the_nas_may_read_the_current_certificate_and_report_its_own_metrics() -> None:
    assert [{key: one[key] for key in one if key != "Sid"} for one in NAS["Statement"]] == [
        {
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": CERTIFICATE,
            "Condition": {"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}},
        },
        {"Effect": "Allow", "Action": "secretsmanager:DescribeSecret", "Resource": CERTIFICATE},
        {
            "Effect": "Allow",
            "Action": "cloudwatch:PutMetricData",
            "Resource": "*",
            "Condition": {"StringEquals": {"cloudwatch:namespace": NAMESPACE}},
        },
    ]


def test_only_put_metric_data_has_every_resource_and_nothing_has_every_action() -> None:
    for one in statements():
        assert one["Effect"] == "Allow"
        assert not {"NotAction", "NotResource"} & one.keys()
        assert all(re.fullmatch(r"[a-z0-9]+:[A-Za-z]+", action) for action in as_list(one["Action"]))
        if "*" in as_list(one["Resource"]):
            assert (one["Action"], list(one["Condition"])) == ("cloudwatch:PutMetricData", ["StringEquals"])
        else:
            assert all(resource.startswith("arn:aws:") for resource in as_list(one["Resource"]))
            # A wildcard only where IDs are AWS's own (changes) or below a group of ours (log streams).
            wild = [resource for resource in as_list(one["Resource"]) if set(resource) & {"*", "?"}]
            assert set(wild) <= {"arn:aws:route53:::change/*", f"{LOG_GROUP}:*"}


def test_each_key_under_for_all_values_is_paired_with_null() -> None:
    paired = 0
    for one in statements():
        condition = one.get("Condition", {})
        for_all = {
            key
            for operator in condition
            if operator.startswith("ForAllValues")
            for key in condition[operator]
        }
        assert condition.get("Null", {}) == dict.fromkeys(for_all, "false")
        assert not any("IfExists" in operator for operator in condition)
        paired += len(for_all)
    assert paired == 3


CHANGE: dict[str, str | list[str]] = {
    f"{ROUTE53}NormalizedRecordNames": [TXT],
    f"{ROUTE53}RecordTypes": ["TXT"],
    f"{ROUTE53}Actions": ["DELETE", "CREATE"],
}


@pytest.mark.parametrize("key", CHANGE)
def test_a_change_without_a_key_is_denied_by_its_null_test_alone(key: str) -> None:
    condition = RENEWER["Statement"][0]["Condition"]
    without = {name: value for name, value in CHANGE.items() if name != key}
    assert condition_holds(condition, CHANGE)
    assert not condition_holds(condition, without)
    loose = copy.deepcopy(condition)
    del loose["Null"][key]
    assert condition_holds(loose, without)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("NormalizedRecordNames", [DOMAIN]),
        ("NormalizedRecordNames", [TXT, DOMAIN]),
        ("NormalizedRecordNames", [f"x.{TXT}"]),
        ("NormalizedRecordNames", [rf"\052.{DOMAIN}"]),
        ("RecordTypes", ["A"]),
        ("RecordTypes", ["TXT", "A"]),
        ("Actions", ["UPSERT"]),
        ("Actions", ["CREATE", "UPSERT"]),
    ],
)
def test_one_foreign_change_in_a_batch_denies_the_batch(key: str, value: list[str]) -> None:
    condition = RENEWER["Statement"][0]["Condition"]
    assert not condition_holds(condition, {**CHANGE, f"{ROUTE53}{key}": value})


@pytest.mark.parametrize(
    ("context", "allowed"),
    [
        ({"secretsmanager:VersionStage": "AWSCURRENT"}, True),
        ({"secretsmanager:VersionStage": "AWSPENDING"}, False),
        ({"secretsmanager:VersionStage": "AWSPREVIOUS"}, False),
        ({"secretsmanager:VersionId": "6727717a-aedf-5643-bc5b-ad95e4baf3a4"}, False),
        ({}, False),
    ],
)
def test_the_nas_must_name_the_current_stage(context: dict[str, str | list[str]], allowed: bool) -> None:
    assert condition_holds(NAS["Statement"][0]["Condition"], context) is allowed


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


def test_each_document_has_the_current_version_and_sids_of_its_own() -> None:
    for document in (*PERMISSIONS.values(), trust_policy("lambda.amazonaws.com")):
        assert document.keys() == {"Version", "Statement"}
        assert document["Version"] == "2012-10-17"
        sids = [one["Sid"] for one in document["Statement"] if "Sid" in one]
        assert len(set(sids)) == len(sids)
        assert all(re.fullmatch(r"[A-Za-z0-9]+", sid) for sid in sids)


@pytest.mark.parametrize("domain", [DOMAIN, ".".join(["a" * 60] * 3 + ["b" * 54])])
def test_the_documents_fit_into_iams_sizes(domain: str) -> None:
    secret = f"{PREFIX}/certificate/{domain}-20261125023620900000000001-AbCdEf"
    renewer = renewer_policy(
        certificate_arn=secret,
        account_arn=ACME_ACCOUNT,
        log_group_arn=LOG_GROUP,
        zone_arn=ZONE,
        challenge_names=[f"_acme-challenge.{domain}"],
    )
    assert size(renewer) <= INLINE_ROLE
    assert size(nas_policy(certificate_arn=secret, metric_namespace=NAMESPACE)) <= INLINE_USER
    assert size(SCHEDULER) <= INLINE_ROLE
    assert size(trust_policy("scheduler.amazonaws.com", ACCOUNT)) <= TRUST


def size(document: dict[str, Any]) -> int:
    return len(re.sub(r"\s", "", json.dumps(document)))
