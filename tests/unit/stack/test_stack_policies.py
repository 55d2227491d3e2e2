"""The IAM policies as documents: what they say, and what IAM's rules make of each of their conditions.

What an absent condition key does can be shown only here: Route 53 always fills its three keys, and the local
AWS's policy simulator takes no context.
"""

from __future__ import annotations

import copy
import fnmatch
import ipaddress
import json
import re
from collections.abc import Iterator
from typing import Any

import parliament  # type: ignore[import-untyped]
import pytest

from infrastructure.policies import (
    nas_policy,
    renewer_policy,
    scheduler_policy,
    topic_policy,
    trust_policy,
    zone_role_policy,
    zone_role_trust,
)

ACCOUNT = "123456789012"
DOMAIN = "home.example.co.uk"
PREFIX = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:synology-https/production"
CERTIFICATES = f"{PREFIX}/certificate/*"
CERTIFICATE = f"{PREFIX}/certificate/{DOMAIN}-20261125023620900000000001-AbCdEf"
OTHER_CERTIFICATE = f"{PREFIX}/certificate/office-20261125023620900000000002-AbCdEf"
ACME_ACCOUNT = f"{PREFIX}/acme-account-20261125023621baba00000002-AbCdEf"
EAB = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:zerossl-AbCdEf"
ZONE_ROLE = "arn:aws:iam::210987654321:role/dns-for-renewer"
LOG_GROUP = (
    f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:/synology-https/renewer-20261125023620324300000003"
)
ZONE = "arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"
OTHER_ZONE = "arn:aws:route53:::hostedzone/Z1123456789ABCDEFGHIJ"
FUNCTION = f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:renewer-ea97c4d"
TOPIC = f"arn:aws:sns:eu-central-1:{ACCOUNT}:notices-ea97c4d"
NAMESPACE = "synology-https/production/synology"
OFFICE = "203.0.113.0/29"
TAG = "nas:synology"
TXT, OTHER_TXT = f"_acme-challenge.{DOMAIN}", "_acme-challenge.example.org"
ROUTE53 = "route53:ChangeResourceRecordSets"
STAGE, NAMESPACE_KEY = "secretsmanager:VersionStage", "cloudwatch:namespace"
REGION, REGION_KEY = "eu-central-1", "aws:RequestedRegion"
TAG_KEY, SOURCE_IP = f"aws:ResourceTag/{TAG}", "aws:SourceIp"

RENEWER = renewer_policy(
    certificate_arn=CERTIFICATES,
    account_arn=ACME_ACCOUNT,
    log_group_arn=LOG_GROUP,
    challenges={ZONE: [TXT], OTHER_ZONE: [OTHER_TXT]},
    eab_secrets=[EAB],
    zone_roles=[ZONE_ROLE],
    topic_arn=TOPIC,
)
BY_PATTERN = renewer_policy(
    certificate_arn=CERTIFICATES,
    account_arn=ACME_ACCOUNT,
    log_group_arn=LOG_GROUP,
    challenges={
        ZONE: [TXT, "home.acme.example.co.uk", *(f"_acme-challenge.{n}.{DOMAIN}" for n in range(1000))]
    },
)
SCHEDULER = scheduler_policy(FUNCTION)
NAS = nas_policy(certificate_arns=[CERTIFICATE], metric_namespace=NAMESPACE)
NAS_AT_OFFICE = nas_policy(
    certificate_arns=[CERTIFICATE, OTHER_CERTIFICATE], metric_namespace=NAMESPACE, source_ips=[OFFICE]
)
NAS_BY_TAG = nas_policy(
    certificate_arns=[CERTIFICATES], metric_namespace=NAMESPACE, tag=TAG, source_ips=[OFFICE]
)
ZONE_ROLE_POLICY = zone_role_policy(ZONE, [TXT])
PERMISSIONS = {
    "zone role": ZONE_ROLE_POLICY,
    "renewer": RENEWER,
    "renewer by pattern": BY_PATTERN,
    "scheduler": SCHEDULER,
    "nas": NAS,
    "nas at the office": NAS_AT_OFFICE,
    "nas by tag": NAS_BY_TAG,
}


def statements() -> Iterator[dict[str, Any]]:
    for document in PERMISSIONS.values():
        yield from document["Statement"]


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def condition_holds(condition: dict[str, dict[str, Any]], context: dict[str, str | list[str]]) -> bool:
    """Evaluate the operators that the policies use as IAM documents them: ANDed, and any other fails."""
    for operator, keys in condition.items():
        for key, wanted in keys.items():
            values = as_list(context.get(key, []))
            match operator:
                case "Null":
                    holds = (key not in context) == (wanted == "true")
                case "StringEquals":
                    holds = key in context and context[key] in as_list(wanted)
                case "IpAddress":
                    holds = bool(values) and any(
                        ipaddress.ip_address(values[0]) in ipaddress.ip_network(one) for one in wanted
                    )
                case "ForAllValues:StringEquals":  # "also returns true if there are no context keys"
                    holds = set(values) <= set(as_list(wanted))
                case "ForAllValues:StringLike":
                    holds = all(any(fnmatch.fnmatchcase(v, one) for one in as_list(wanted)) for v in values)
                case "ArnLike":
                    holds = bool(values) and any(
                        fnmatch.fnmatchcase(values[0], one) for one in as_list(wanted)
                    )
                case _:  # an operator that a policy begins to use is given its meaning above first
                    raise NotImplementedError(operator)
            if not holds:
                return False
    return True


def by_sid(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["Sid"]: one for one in document["Statement"]}


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
    assert paired == 12  # three keys each, of two zones, of the pattern and of the zone's role


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


# --- Every condition of every policy is needed --------------------------------------------------------------

ALLOWED: dict[str, str | list[str]] = {
    STAGE: "AWSCURRENT",
    REGION_KEY: REGION,
    NAMESPACE_KEY: NAMESPACE,
    TAG_KEY: "reads",
    SOURCE_IP: "203.0.113.5",
}
FOREIGN: dict[str, str | list[str]] = {
    STAGE: "AWSPREVIOUS",
    REGION_KEY: "us-east-1",
    NAMESPACE_KEY: f"{NAMESPACE}-2",
    TAG_KEY: "no",
    SOURCE_IP: "198.51.100.1",
    f"{ROUTE53}NormalizedRecordNames": [DOMAIN],
    f"{ROUTE53}RecordTypes": ["A"],
    f"{ROUTE53}Actions": ["UPSERT"],
}


def conditions() -> Iterator[tuple[str, str, str, dict[str, dict[str, Any]]]]:
    """Yield document, statement, key and the whole condition, for each key that is tested for its value."""
    for what, document in PERMISSIONS.items():
        for one in document["Statement"]:
            for operator, keys in one.get("Condition", {}).items():
                for key in keys if operator != "Null" else ():
                    yield what, one["Sid"], key, one["Condition"]


def allowed_context(condition: dict[str, dict[str, Any]]) -> dict[str, str | list[str]]:
    keys = {key for of_operator in condition.values() for key in of_operator}
    context = {**ALLOWED, **CHANGE}
    if OTHER_TXT in str(condition):
        context[f"{ROUTE53}NormalizedRecordNames"] = [OTHER_TXT]
    return {key: context[key] for key in keys}


@pytest.mark.parametrize(
    ("what", "sid", "key", "condition"),
    [*conditions()],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_each_condition_decides_and_a_missing_key_denies(
    what: str, sid: str, key: str, condition: dict[str, dict[str, Any]]
) -> None:
    context = allowed_context(condition)
    foreign = {**context, key: FOREIGN[key]}
    missing = {name: value for name, value in context.items() if name != key}
    assert condition_holds(condition, context), (what, sid)
    assert not condition_holds(condition, foreign)
    assert not condition_holds(condition, missing)
    without = {
        operator: {name: value for name, value in keys.items() if name != key or operator == "Null"}
        for operator, keys in condition.items()
    }
    assert condition_holds(without, foreign)  # so nothing else denied it


def test_what_is_tested_for_its_value() -> None:
    found: dict[str, set[str]] = {}
    for what, _, key, _ in conditions():
        found.setdefault(what, set()).add(key)
    changes = set(CHANGE)
    assert found == {
        "zone role": changes,
        "renewer": {STAGE, *changes},
        "renewer by pattern": {STAGE, *changes},
        "nas": {STAGE, REGION_KEY, NAMESPACE_KEY},
        "nas at the office": {STAGE, REGION_KEY, NAMESPACE_KEY, SOURCE_IP},
        "nas by tag": {STAGE, REGION_KEY, NAMESPACE_KEY, SOURCE_IP, TAG_KEY},
    }


def test_a_nas_at_the_office_can_do_nothing_from_elsewhere() -> None:
    for document in (NAS_AT_OFFICE, NAS_BY_TAG):
        for one in document["Statement"]:
            assert one["Condition"]["IpAddress"] == {SOURCE_IP: [OFFICE]}


def test_a_nas_by_tag_reads_and_describes_by_tag() -> None:
    for sid in ("ReadCurrentCertificate", "SeeWhetherItChanged"):
        assert by_sid(NAS_BY_TAG)[sid]["Condition"]["StringEquals"][TAG_KEY] == "reads"


# --- A linter's opinion ----------------------------------------------------------------------------------


def linted(document: dict[str, Any]) -> list[str]:
    return [str(finding) for finding in parliament.analyze_policy_string(json.dumps(document)).findings]


@pytest.mark.parametrize("what", PERMISSIONS)
def test_a_policy_linter_finds_nothing(what: str) -> None:
    assert linted(PERMISSIONS[what]) == []


@pytest.mark.parametrize(
    ("sid", "change"),
    [
        ("ReadCurrentCertificate", {"Condition": {"StringEquals": {"secretsmanager:Stage": "AWSCURRENT"}}}),
        ("ReadCurrentCertificate", {"Action": "secretsmanager:GetSecret"}),
        ("SeeWhetherItChanged", {"Resource": "arn:aws:s3:::bucket"}),
        ("ReportOwnMetrics", {"Condition": {"StringEqual": {"cloudwatch:namespace": NAMESPACE}}}),
    ],
)
def test_the_linter_would_find_a_wrong_key_action_resource_or_operator(
    sid: str, change: dict[str, Any]
) -> None:
    wrong = copy.deepcopy(NAS)
    by_sid(wrong)[sid].update(change)
    assert linted(wrong) != []
