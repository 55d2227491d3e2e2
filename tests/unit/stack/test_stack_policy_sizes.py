"""That the policies stay within IAM's sizes, with what they fall back to, and what is refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from infrastructure.nas_access import nas_tag, secret_tags
from infrastructure.policies import (
    NAS_TAG_VALUE,
    nas_policy,
    renewer_policy,
    size,
    trust_policy,
    zone_role_policy,
)
from infrastructure.renewer import check_renewer_policy
from infrastructure.secrets import longest_arn
from infrastructure.settings import Settings, SettingsError
from tests.unit.stack.test_stack_several import load

# IAM User Guide, "IAM and AWS STS quotas"; white space is not counted
INLINE_ROLE, INLINE_USER, TRUST = 10_240, 2_048, 2_048
PREFIX = "synology-https/production"
ZONE_ROLE = "arn:aws:iam::210987654321:role/dns-for-renewer"


def counted(document: dict[str, Any]) -> int:
    return len(re.sub(r"\s", "", json.dumps(document)))


def of_one_zone(count: int) -> dict[str, Any]:
    return {f"c{n:04}": {"domains": [f"host{n:04}.example.com"], "zone": "example.com"} for n in range(count)}


def of_own_zones(count: int) -> dict[str, Any]:
    return {f"c{n:04}": {"domains": [f"example{n:04}.com"]} for n in range(count)}


def nas_with(count: int, **more: Any) -> dict[str, Any]:
    names = [f"c{n:04}" for n in range(count)]
    hosts = [f"host{n:04}.example.com" for n in range(count)]
    return {"rack": {"address": "10.0.0.5", "certificates": names, "services": hosts[1:], **more}}


def policies_of(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return the policies of the stack, with names as long as AWS may make them."""
    check_renewer_policy(settings, PREFIX)
    zones = [f"arn:aws:route53:::hostedzone/{n:032}" for n in range(len(settings.challenges))]
    made = {
        "renewer": renewer_policy(
            certificate_arn=longest_arn(PREFIX, "*"),
            account_arn=longest_arn(PREFIX, "acme-account"),
            log_group_arn="arn:aws:logs:ap-southeast-7:123456789012:log-group:/synology-https/renewer-"
            + "0" * 26,
            challenges=dict(zip(zones, settings.challenges.values(), strict=True)),
        )
    }
    for nas in settings.nases:
        tag = nas_tag(nas, PREFIX)
        arns = [longest_arn(PREFIX, one.name) for one in nas.certificates]
        made[nas.name] = nas_policy(
            certificate_arns=[longest_arn(PREFIX, "*")] if tag else arns,
            metric_namespace=f"{PREFIX}/{nas.name}",
            tag=tag,
            source_ips=nas.source_ips,
        )
    return made


@pytest.mark.parametrize("count", [1, 2, 10, 100, 1_000])
def test_the_policies_fit_for_up_to_a_thousand_certificates_and_fifty_on_a_nas(count: int) -> None:
    policies = policies_of(load(of_one_zone(count), nas_with(min(count, 50), source_ips=["203.0.113.7"])))
    assert counted(policies["renewer"]) <= INLINE_ROLE
    assert counted(policies["rack"]) <= INLINE_USER
    names = [
        one for one in policies["renewer"]["Statement"] if "Condition" in one and "Null" in one["Condition"]
    ]
    listed = [one for one in names if "ForAllValues:StringEquals" in one["Condition"]]
    assert bool(listed) is (count <= 100)  # by name while the names fit


@pytest.mark.parametrize("count", [1, 5, 12])
def test_each_zone_has_a_statement_of_its_own_while_they_fit(count: int) -> None:
    nas = {"rack": {"address": "10.0.0.5", "certificates": ["c0000"]}}
    policy = policies_of(load(of_own_zones(count), nas))["renewer"]
    changes = [one for one in policy["Statement"] if one["Action"] == "route53:ChangeResourceRecordSets"]
    assert len(changes) == count
    assert counted(policy) <= INLINE_ROLE


def test_more_zones_than_fit_are_refused_with_what_to_do() -> None:
    nas = {"rack": {"address": "10.0.0.5", "certificates": ["c0000"]}}
    check_renewer_policy(load(of_own_zones(60), nas), PREFIX)
    with pytest.raises(SettingsError) as refused:
        check_renewer_policy(load(of_own_zones(100), nas), PREFIX)
    text = str(refused.value)
    assert text.startswith(
        'synology-https:certificates is "100 certificates in 100 hosted zones": the renewer'
    )
    assert "characters, and IAM allows 10240: delegate the challenges" in text


def test_challenges_delegated_into_one_zone_fit_again() -> None:
    certificates = {
        name: {
            **about,
            "zone": "acme.example.net",
            "challenge_delegation": {about["domains"][0]: f"_acme-challenge.{name}.acme.example.net"},
        }
        for name, about in of_own_zones(1_000).items()
    }
    nas = {"rack": {"address": "10.0.0.5", "certificates": ["c0000"]}}
    assert counted(policies_of(load(certificates, nas))["renewer"]) <= INLINE_ROLE


def test_zones_of_another_account_need_no_names_here() -> None:
    nas = {"rack": {"address": "10.0.0.5", "certificates": ["c0000"]}}
    zones = {f"example{n:04}.com": {"id": "Z123", "role": ZONE_ROLE} for n in range(100)}
    check_renewer_policy(load(of_own_zones(100), nas, zones), PREFIX)


@pytest.mark.parametrize(("count", "operator"), [(100, "StringEquals"), (1_000, "StringLike")])
def test_the_role_of_a_zone_in_another_account_fits_with_patterns_where_names_do_not(
    count: int, operator: str
) -> None:
    settings = load(of_one_zone(count), nas_with(1), {"example.com": {"id": "Z1", "role": ZONE_ROLE}})
    names = ["home.acme.example.com", *settings.challenges["example.com"]]
    policy = zone_role_policy(f"arn:aws:route53:::hostedzone/{'0' * 32}", names)
    assert counted(policy) <= INLINE_ROLE
    condition = policy["Statement"][0]["Condition"][f"ForAllValues:{operator}"]
    allowed = condition["route53:ChangeResourceRecordSetsNormalizedRecordNames"]
    assert allowed == (sorted(names) if count == 100 else ["_acme-challenge.*", "home.acme.example.com"])


def test_a_nas_lists_its_secrets_while_they_fit_and_then_knows_them_by_tag() -> None:
    tags = [nas_tag(load(of_one_zone(count), nas_with(count)).nases[0], PREFIX) for count in range(1, 51)]
    listed = tags.index("nas:rack")
    assert listed >= 3
    assert tags == [None] * listed + ["nas:rack"] * (50 - listed)


def test_the_secrets_that_are_known_by_tag_have_it_and_no_others() -> None:
    nas = {**nas_with(50), "attic": {"address": "10.0.0.4", "certificates": ["c0001"]}}
    nas["rack"]["services"].remove("host0001.example.com")
    nas["rack"]["certificates"].remove("c0001")
    settings = load(of_one_zone(60), nas)
    tags = {one.name: nas_tag(one, PREFIX) for one in settings.nases}
    assert tags == {"attic": None, "rack": "nas:rack"}
    found = secret_tags(settings.nases, tags)
    assert found == {f"c{n:04}": {"nas:rack": NAS_TAG_VALUE} for n in range(50) if n != 1}


def test_more_nases_than_a_secret_can_have_tags_are_refused() -> None:
    (rack,) = load(of_one_zone(20), nas_with(20)).nases
    nases = [replace(rack, name=f"rack{n}") for n in range(46)]
    tags: dict[str, str | None] = {one.name: f"nas:{one.name}" for one in nases}
    assert len(secret_tags(nases[:45], tags)["c0000"]) == 45
    with pytest.raises(
        SettingsError, match="the secret of the certificate c0000 can have tags for 45 of them"
    ):
        secret_tags(nases, tags)


def test_too_many_source_addresses_are_refused() -> None:
    many = [f"203.0.{n}.0/24" for n in range(200)]
    (nas,) = load(of_one_zone(1), nas_with(1, source_ips=many)).nases
    with pytest.raises(SettingsError) as refused:
        nas_tag(nas, PREFIX)
    assert str(refused.value).startswith('synology-https:nas.rack.source_ips is ["203.0.0.0/24", ')
    assert "and IAM allows 2048: name fewer" in str(refused.value)


@pytest.mark.parametrize("label", ["a", "a" * 63])
def test_one_certificate_with_the_longest_names_fits(label: str) -> None:
    domain = ".".join([label] * 3 + ["b" * 44])
    settings = load({domain: {"domains": [domain, f"*.{domain}"]}}, {"nas": {"address": "10.0.0.5"}})
    policies = policies_of(settings)
    assert counted(policies["renewer"]) <= INLINE_ROLE
    assert counted(policies["nas"]) <= INLINE_USER
    assert counted(trust_policy("scheduler.amazonaws.com", "1" * 12, "a" * 150)) <= TRUST


def test_sizes_are_counted_as_iam_does() -> None:
    policy = nas_policy(certificate_arns=[longest_arn(PREFIX, "*")], metric_namespace="a b")
    assert size(policy) == counted(policy)
