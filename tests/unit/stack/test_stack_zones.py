"""Hosted zones and address records: what preview refuses, and what it takes over and says so."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from infrastructure.policies import zone_role_policy, zone_role_trust
from tests.unit.stack.program_settings import (
    EVERYTHING,
    INVOCATION,
)
from tests.unit.stack.recorded_program import ACCOUNT
from tests.unit.stack.recording import record, several


def test_a_zone_that_is_not_there_fails_with_the_list_of_those_that_are() -> None:
    made = record({"domain": "exampel.com"})
    assert made.resources == []
    assert made.error is not None
    assert made.error.startswith(
        'synology-https:zones is "exampel.com": this account has no public hosted zone'
    )
    assert "It has example.com, example.net, example.org. " in made.error
    assert """`pulumi config set --path 'zones["exampel.com"].create' true`""" in made.error
    none = record(zones={}).error
    assert none is not None
    assert "It has none at all. " in none


def test_a_zone_is_made_where_the_settings_say_so() -> None:
    made = record({"zones": {"example.com": {"create": True}}}, zones={})
    assert made.one("aws:route53/zone:Zone")["inputs"]["name"] == "example.com"
    assert made.one("aws:route53/record:Record", "synology.example.com")["inputs"]["zoneId"] == "ZMADE"
    event = json.loads(made.one(INVOCATION)["inputs"]["input"])
    assert event["zones"] == {"example.com": {"id": "ZMADE"}}
    policy = json.loads(made.one("aws:iam/rolePolicy:RolePolicy", "renewer")["inputs"]["policy"])
    assert policy["Statement"][0]["Resource"] == ["arn:aws:route53:::hostedzone/ZMADE"]
    first_line = made.outputs["next_step"].splitlines()[0]
    assert first_line == "At the registrar of example.com, enter the name servers ns-1.test, ns-2.test."


def test_a_zone_is_known_by_its_id_where_the_settings_name_it() -> None:
    # As where a private zone has the same name, so that it is not found by the name alone.
    made = record({"zones": {"example.com": {"id": "Z9"}}}, zones={"example.com": "Z9"})
    assert made.error is None
    assert json.loads(made.one(INVOCATION)["inputs"]["input"])["zones"] == {"example.com": {"id": "Z9"}}


def test_a_zone_of_another_account_is_reached_through_its_role_alone() -> None:
    role = "arn:aws:iam::210987654321:role/dns-for-renewer"
    made = record({"zones": {"example.com": {"id": "Z9", "role": role}}}, zones={})
    event = json.loads(made.one(INVOCATION)["inputs"]["input"])
    assert event["zones"] == {"example.com": {"id": "Z9", "role": role}}
    text = made.one("aws:iam/rolePolicy:RolePolicy", "renewer")["inputs"]["policy"]
    by_action = {str(one["Action"]): one["Resource"] for one in json.loads(text)["Statement"]}
    assert by_action["sts:AssumeRole"] == [role]
    assert "route53" not in text
    assert made.all("aws:route53/record:Record") == []
    assert "synology.example.com is in another AWS account's zone: make its A record there, 192.168.0.10" in (
        made.warnings
    )
    assert made.outputs["zone_roles"] == {
        "example.com": {
            "role": role,
            "trust": zone_role_trust(ACCOUNT, "renewer-???????"),
            "policy": zone_role_policy("arn:aws:route53:::hostedzone/Z9", ["_acme-challenge.example.com"]),
        }
    }
    renewers = made.one("aws:iam/role:Role", "renewer")
    assert re.fullmatch(r"renewer-.{7}", f"{renewers['name']}-1234567")  # whom that role trusts
    # Known before anything is made: the role has to be there when the first run comes.
    settings = {"zones": {"example.com": {"id": "Z9", "role": role}}}
    assert record(settings, zones={}, preview=True).outputs["zone_roles"] == made.outputs["zone_roles"]
    assert "zone_roles" not in record().outputs


def test_each_family_of_addresses_has_its_record() -> None:
    records = {
        (one["inputs"]["name"], one["inputs"]["type"]): one["inputs"]
        for one in record(EVERYTHING).all("aws:route53/record:Record")
    }
    assert {key: made["records"] for key, made in records.items()} == {
        ("attic.example.com", "A"): ["192.168.0.10"],
        ("photos.example.com", "A"): ["192.168.0.10"],
        ("rack.office.example.net", "A"): ["10.0.0.5"],
        ("rack.office.example.net", "AAAA"): ["fd00::5"],
        ("cam.example.com", "A"): ["10.0.0.5"],
        ("cam.example.com", "AAAA"): ["fd00::5"],
    }
    assert {made["zoneId"] for (name, _), made in records.items() if name.endswith(".net")} == {"ZMADE"}
    assert all(made["allowOverwrite"] is True for made in records.values())


BY_HAND: dict[str, Any] = {"name": "synology.example.com", "type": "A", "values": ["192.168.0.5"]}


def test_preview_prints_the_value_that_is_replaced() -> None:
    """Case 15 of the field: the recipe made the record by hand."""
    mail = {"name": "mail.example.com", "type": "A", "values": ["192.0.2.1"]}
    right = {"name": "navidrome.example.com", "type": "A", "values": ["192.168.0.10"]}
    made = record(records=(BY_HAND, mail, right))
    assert made.error is None
    assert made.warnings == ["A synology.example.com: 192.168.0.5 -> 192.168.0.10"]
    assert record(records=(right,)).warnings == []
    assert record(records=(BY_HAND,), preview=True).warnings == made.warnings


def test_records_that_may_not_be_listed_do_not_stop_the_update() -> None:
    made = record(records=(BY_HAND,), readable=False)
    assert made.error is None
    (warning,) = made.warnings
    assert warning.startswith("whether records of example.com are replaced could not be looked up: ")
    assert "AccessDenied" in warning
    assert made.inputs() == record().inputs()


def test_an_alias_in_the_way_is_told_before_route_53_refuses() -> None:
    made = record(records=({**BY_HAND, "type": "CNAME", "values": ["home.dyndns.example"]},))
    assert made.resources == []
    assert made.error == (
        "CNAME synology.example.com leads to home.dyndns.example: delete that record in the hosted zone "
        "example.com, and the stack makes an address record in its place"
    )


def test_an_alias_record_that_is_replaced_is_told_by_its_target() -> None:
    alias = {"name": "synology.example.com", "type": "A", "alias": "home.eu-central-1.elb.amazonaws.com."}
    assert record(records=(alias,)).warnings == [
        "A synology.example.com: alias of home.eu-central-1.elb.amazonaws.com -> 192.168.0.10"
    ]


def test_records_of_a_routing_policy_are_told_before_route_53_refuses() -> None:
    weighted = {**BY_HAND, "set_identifier": "blue"}
    assert record(records=(weighted,)).error == (
        "A synology.example.com is one of several by a routing policy (blue): delete them in the hosted zone "
        "example.com, and the stack makes a simple one in their place"
    )


def test_records_of_a_routing_policy_that_the_stack_makes_none_of_are_left_alone() -> None:
    other_family = {**BY_HAND, "type": "AAAA", "values": ["fd00::5"], "set_identifier": "blue"}
    made = record(records=(other_family,))
    assert (made.error, made.warnings) == (None, [])


@pytest.mark.parametrize(
    ("zone_id", "what"),
    [
        ("Z404", "this account has no such hosted zone. It has example.com, other.org. Set"),
        ("Z999", "it is the public hosted zone other.org. It has example.com, other.org. Set"),
    ],
)
def test_the_id_of_another_zone_fails_preview(zone_id: str, what: str) -> None:
    made = record(
        {"zones": {"example.com": {"id": zone_id}}}, zones={"example.com": "Z1", "other.org": "Z999"}
    )
    assert made.resources == []
    assert made.error is not None
    assert made.error.startswith(f'synology-https:zones["example.com"].id is "{zone_id}": {what}')


def test_a_host_name_in_no_zone_of_the_stack_is_told() -> None:
    certificates = {
        "office": {
            "domains": ["*.deep.example"],
            "zone": "example.net",
            "challenge_delegation": {"deep.example": "deep.example.net"},
        }
    }
    made = record(several(certificates, {"rack": {"address": "10.0.0.5"}}))
    assert made.warnings == [
        "rack.deep.example is in no hosted zone of this stack: make its A record there, 10.0.0.5"
    ]
