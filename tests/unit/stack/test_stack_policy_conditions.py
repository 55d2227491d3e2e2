"""Every condition of every policy is needed, a missing key denies, and a linter finds nothing.

What an absent condition key does can be shown only here: Route 53 always fills its three keys, and the local
AWS's policy simulator takes no context.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import parliament  # type: ignore[import-untyped]
import pytest

from tests.unit.stack.policy_samples import (
    CHANGE,
    DOMAIN,
    NAMESPACE,
    NAMESPACE_KEY,
    NAS,
    NAS_AT_OFFICE,
    NAS_BY_TAG,
    OFFICE,
    OTHER_TXT,
    PERMISSIONS,
    REGION,
    REGION_KEY,
    RENEWER,
    ROUTE53,
    SOURCE_IP,
    STAGE,
    TAG_KEY,
    TXT,
    by_sid,
    condition_holds,
    statements,
)


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
