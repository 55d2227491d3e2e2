"""What `__main__.py` registers: dependencies, names within AWS's limits, tags, and the events it sends."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infrastructure.dashboard import dashboard_title
from infrastructure.outputs import next_step
from infrastructure.policies import zone_role_policy, zone_role_trust
from lambda_renewer.request import parse_request
from local_cloud.acme.certificates import make_authority
from tests.unit.stack.recorded_program import ACCOUNT
from tests.unit.stack.recording import Resource, record, several, task_of, with_seed

ROOT = make_authority("A private root").certificate_pem()
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
INVOCATION, SCHEDULE = "aws:lambda/invocation:Invocation", "aws:scheduler/schedule:Schedule"

HOME = {"domains": ["example.com", "*.example.com"]}
OFFICE = {"domains": ["*.office.example.net"], "zone": "example.net", "profile": "shortlived"}
NASES: dict[str, Any] = {
    "attic": {"address": "192.168.0.10", "certificates": ["home"], "services": ["photos"]},
    "rack": {
        "address": ["10.0.0.5", "fd00::5"],
        "certificates": ["office", "home"],
        "services": ["cam.example.com"],
    },
}
EVERYTHING = several(
    {"home": HOME, "office": OFFICE},
    NASES,
    zones={"example.net": {"create": True}},
    alarm_email="me@example.com",
    budget_usd=5,
)


def depended_on(resource: Resource) -> set[str]:
    """Return the types and names that `resource` waits for."""
    return {"::".join(urn.split("$")[-1].rsplit("::", 2)[-2:]) for urn in resource["dependencies"]}


# --- What waits for what ----------------------------------------------------------------------------------


def test_neither_the_schedule_nor_the_first_run_waits_for_the_other() -> None:
    for name in ("home", "office"):
        schedule, first_run = record(EVERYTHING).one(SCHEDULE, name), record(EVERYTHING).one(INVOCATION, name)
        assert not [one for one in depended_on(schedule) if "invocation" in one]
        assert not [one for one in depended_on(first_run) if "schedule:Schedule" in one]


def test_what_runs_waits_for_its_permissions() -> None:
    made = record(EVERYTHING)
    assert "aws:iam/rolePolicy:RolePolicy::renewer" in depended_on(made.one("aws:lambda/function:Function"))
    for name in ("home", "office"):
        schedule = depended_on(made.one(SCHEDULE, name))
        assert "aws:iam/rolePolicy:RolePolicy::schedule" in schedule
        assert "aws:lambda/function:Function::renewer" in schedule
        first_run = depended_on(made.one(INVOCATION, name))
        assert {
            "aws:lambda/function:Function::renewer",
            "aws:iam/rolePolicy:RolePolicy::schedule",
            "aws:iam/userPolicy:UserPolicy::nas-attic",
            "aws:iam/userPolicy:UserPolicy::nas-rack",
        } <= first_run


# --- The event --------------------------------------------------------------------------------------------


def test_the_first_run_and_the_schedule_send_the_same_event() -> None:
    made = record(EVERYTHING)
    for name in ("home", "office"):
        target = made.one(SCHEDULE, name)["inputs"]["target"]
        assert target["input"] == made.one(INVOCATION, name)["inputs"]["input"]
        assert json.loads(target["input"]) == made.outputs["certificates"][name]["request"]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"contact": "me@example.com", "ca_root": ROOT, "key_type": "ec384", "preferred_chain": "Root X1"},
        {"schedule": "rate(1 minute)", "profile": "shortlived", "directory": "https://127.0.0.1:14000/dir"},
        {"domain": "home.example.co.uk"},
        {"eab_secret": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:zerossl-AbCdEf"},
    ],
)
def test_the_renewer_accepts_the_event(settings: dict[str, str]) -> None:
    domain = settings.get("domain", "example.com")
    event = record(settings, zones={domain: "Z0123456789"}).one(INVOCATION)["inputs"]["input"]
    request = parse_request(json.loads(event))
    assert (request.name, request.domains) == (domain, (domain, f"*.{domain}"))
    assert request.zones == {domain: "Z0123456789"}
    assert request.secret == f"arn:aws:x:::certificate-{domain}"
    assert request.terms_agreed is True
    assert (request.contact, request.ca_root) == (settings.get("contact"), settings.get("ca_root"))
    assert request.profile == settings.get("profile", "classic")
    assert request.key_type == settings.get("key_type", "rsa4096")
    assert request.preferred_chain == settings.get("preferred_chain")
    assert request.eab_secret == settings.get("eab_secret")
    assert request.directory == settings.get("directory", "https://acme-v02.api.letsencrypt.org/directory")
    hourly = "schedule" not in settings
    assert request.interval == (timedelta(hours=12) if hourly else timedelta(minutes=1))
    assert request.window == (timedelta(hours=6) if hourly else timedelta(0))
    # Scheduler's own limit for a target's input is 256 KB.
    assert len(event) < 4096


def test_each_certificate_has_its_own_event_with_its_own_zones() -> None:
    certificates = {
        "home": HOME,
        "office": {
            "domains": ["nas.example.net", "deep.example.org"],
            "zone": ["example.net", "example.com"],
            "challenge_delegation": {"deep.example.org": "deep.acme.example.com"},
            "key_type": "ec256",
        },
    }
    nas = {"attic": NASES["attic"], "rack": {"address": "10.0.0.5", "certificates": ["office"]}}
    made = record(several(certificates, nas))
    request = parse_request(json.loads(made.one(INVOCATION, "office")["inputs"]["input"]))
    assert request.zones == {"example.com": "Z0123456789", "example.net": "Z1123456789"}
    assert request.delegations == {"deep.example.org": "deep.acme.example.com"}
    assert request.key_type == "ec256"
    home = parse_request(json.loads(made.one(INVOCATION, "home")["inputs"]["input"]))
    assert (home.zones, home.key_type) == ({"example.com": "Z0123456789"}, "rsa4096")


@pytest.mark.parametrize(
    ("settings", "rate", "window"),
    [
        ({}, "rate(12 hours)", {"mode": "FLEXIBLE", "maximumWindowInMinutes": 360}),
        ({"profile": "shortlived"}, "rate(6 hours)", {"mode": "FLEXIBLE", "maximumWindowInMinutes": 180}),
        (
            {"schedule": "rate(3 minutes)"},
            "rate(3 minutes)",
            {"mode": "FLEXIBLE", "maximumWindowInMinutes": 1},
        ),
        ({"schedule": "rate(1 minute)"}, "rate(1 minute)", {"mode": "OFF"}),
        ({"schedule": "rate(1 day)"}, "rate(1 day)", {"mode": "OFF"}),
    ],
)
def test_the_schedule_has_the_window_that_the_event_names(
    settings: dict[str, Any], rate: str, window: dict[str, Any]
) -> None:
    made = record(settings).one(SCHEDULE)["inputs"]
    assert made["scheduleExpression"] == rate
    assert made["flexibleTimeWindow"] == window
    assert made["target"]["retryPolicy"] == {"maximumRetryAttempts": 0}
    event = json.loads(made["target"]["input"])
    assert event["window_seconds"] == 60 * window.get("maximumWindowInMinutes", 0)


# --- Zones and records ------------------------------------------------------------------------------------


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


def test_names_with_hyphens_make_no_two_alarms_of_one_name() -> None:
    certificates = {
        "backup-main": {"domains": ["a.example.com"], "zone": "example.com"},
        "main": {"domains": ["b.example.com"], "zone": "example.com"},
    }
    nas = {
        "office": {"address": "10.0.0.5", "certificates": ["backup-main"], "host": "a.example.com"},
        "office-backup": {"address": "10.0.0.6", "certificates": ["main"], "host": "b.example.com"},
    }
    made = record(several(certificates, nas, alarm_email="me@example.com"))
    assert made.error is None
    assert len({name for name, _ in made.inputs().items()}) == len(made.resources)


@pytest.mark.parametrize("prefix", ["synology-https/dev", "synology-https/alice.dev", "synology-https/a_b"])
def test_a_dashboards_name_is_one_that_cloudwatch_takes(prefix: str) -> None:
    titles = {dashboard_title(prefix, region) for region in ("eu-central-1", "us-east-1")}
    assert len(titles) == 2
    assert all(re.fullmatch("[A-Za-z0-9_-]{1,255}", title) for title in titles)


def test_set_ups_tags_of_the_user_are_left_alone() -> None:
    """IAM's console and set-up say in the user's tags what each access key is for."""
    assert {"tags", "tagsAll"} <= set(record().one("aws:iam/user:User")["ignored"])
    assert not record().one("aws:iam/role:Role", "renewer")["ignored"]


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


def test_likely_mistakes_are_warned_about() -> None:
    made = record({"nas_address": "203.0.114.7", "profile": "tlsserver"})
    assert [one.split(";")[0] for one in made.warnings] == [
        "nas synology: 203.0.114.7 is a public address, and the records publish it",
        "nas synology: the profile tlsserver of the certificate example.com may give no common name, and DSM "
        "wants one",
    ]


# --- Boring to run a second time --------------------------------------------------------------------------


def test_two_runs_register_the_same_to_the_letter() -> None:
    first, second = with_seed(task_of(EVERYTHING), 1), with_seed(task_of(EVERYTHING), 2)
    assert first.inputs() == second.inputs()
    assert first.outputs == second.outputs
    assert len(first.inputs()) == len(first.resources)  # no name is used twice


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        (
            {
                "certificates": {
                    "home": HOME,
                    "office": {**OFFICE, "domains": ["*.office.example.net", "x.example.net"]},
                }
            },
            {
                (INVOCATION, "office"),
                (SCHEDULE, "office"),
                ("aws:iam/rolePolicy:RolePolicy", "renewer"),
            },
        ),
        (
            {"certificates": {"home": HOME, "office": {**OFFICE, "key_type": "ec256"}}},
            {(INVOCATION, "office"), (SCHEDULE, "office")},
        ),
        (
            {"nas": {**NASES, "attic": {**NASES["attic"], "address": "192.168.0.11"}}},
            {
                ("aws:route53/record:Record", "attic.example.com"),
                ("aws:route53/record:Record", "photos.example.com"),
            },
        ),
        (
            {"nas": {**NASES, "attic": {**NASES["attic"], "services": ["photos", "music"]}}},
            {("aws:route53/record:Record", "music.example.com")},
        ),
        ({"budget_usd": 6}, {("aws:budgets/budget:Budget", "budget")}),
        (
            {"nas": {**NASES, "attic": {**NASES["attic"], "source_ips": ["203.0.113.7"]}}},
            {("aws:iam/userPolicy:UserPolicy", "nas-attic")},
        ),
    ],
)
def test_a_change_touches_only_what_it_is_about(
    change: dict[str, Any], touched: set[tuple[str, str]]
) -> None:
    before, after = record(EVERYTHING).inputs(), record({**EVERYTHING, **change}).inputs()
    assert {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)} == touched


def test_another_certificate_leaves_those_that_are_there_alone() -> None:
    more = {"home": HOME, "office": OFFICE, "third": {"domains": ["x.example.org"], "zone": "example.org"}}
    nas = {**NASES, "third": {"address": "10.0.0.6", "certificates": ["third"]}}
    before, after = (
        record(EVERYTHING).inputs(),
        record({**EVERYTHING, "certificates": more, "nas": nas}).inputs(),
    )
    changed = {key for key in before if before[key] != after.get(key)}
    assert changed == {  # the one more zone, and the picture's one more NAS
        ("aws:iam/rolePolicy:RolePolicy", "renewer"),
        ("aws:cloudwatch/dashboard:Dashboard", "dashboard"),
    }


def test_preview_registers_what_up_does() -> None:
    previewed, applied = record(EVERYTHING, preview=True), record(EVERYTHING)
    assert previewed.error is None
    assert previewed.inputs().keys() == applied.inputs().keys()


def test_nothing_is_protected_or_kept() -> None:
    for one in record(EVERYTHING).resources:
        assert (one["protect"], one["retain"]) == (False, False), one["name"]
        assert "recoveryWindowInDays" not in one["inputs"]  # AWS's own


def test_what_holds_something_keeps_its_place() -> None:
    """Under another name or parent it would be replaced: a new certificate, a NAS's key that is gone.

    Where one of these has to change, it needs Pulumi's option `aliases`.
    """
    holding = (
        "aws:secretsmanager/secret:Secret",
        "aws:iam/user:User",
        "aws:route53/zone:Zone",
        "aws:cloudwatch/logGroup:LogGroup",
    )
    kept = {
        f"{one['parent'].split('::')[-2].rsplit('$', 1)[-1]} {one['type']} {one['name']}"
        for one in record(EVERYTHING).resources
        if one["type"] in holding
    }
    component = "synology-https:index"
    assert kept == {
        f"{component}:Secrets aws:secretsmanager/secret:Secret acme-account",
        f"{component}:Secrets aws:secretsmanager/secret:Secret certificate-home",
        f"{component}:Secrets aws:secretsmanager/secret:Secret certificate-office",
        f"{component}:NasAccess aws:iam/user:User nas-attic",
        f"{component}:NasAccess aws:iam/user:User nas-rack",
        f"{component}:HostedZones aws:route53/zone:Zone example.net",
        f"{component}:Renewer aws:cloudwatch/logGroup:LogGroup renewer",
    }


# --- Names, tags, secrets ---------------------------------------------------------------------------------


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


# --- Outputs ----------------------------------------------------------------------------------------------


def test_the_outputs_of_several_nases() -> None:
    outputs = record(EVERYTHING).outputs
    assert outputs["url"] == outputs["nas"]["attic"]["url"] == "https://attic.example.com:5001"
    assert outputs["nas"]["rack"] == {
        "user": "nas-rack-1234567",
        "url": "https://rack.office.example.net:5001",
        "agent_config": {
            "region": "eu-central-1",
            "metric_namespace": "synology-https/dev/rack",
            "certificates": [
                {
                    "secret": "arn:aws:x:::certificate-office",
                    "names": ["rack.office.example.net"],
                    "entry": "*.office.example.net",
                    "assign": "auto",
                },
                {
                    "secret": "arn:aws:x:::certificate-home",
                    "names": ["cam.example.com"],
                    "entry": "example.com",
                    "assign": "auto",
                },
            ],
        },
    }
    assert json.loads(outputs["certificates"]["home"]["first_renewal"])["serial"] == "abc123"


def test_where_up_had_to_wait_for_delegation_it_prints_the_command_for_afterwards() -> None:
    waiting = {
        "name": "example.com",
        "renewed": False,
        "reason": "waiting for delegation to ns-1.test",
    }
    step = next_step({"example.com": json.dumps(waiting)})
    assert step.startswith("waiting for delegation to ns-1.test")
    assert step.endswith("python -m synology_setup renew example.com")


def test_the_next_step_names_the_nases_and_the_mail_to_confirm() -> None:
    lines = record(EVERYTHING).outputs["next_step"].splitlines()
    assert lines == [
        "At the registrar of example.net, enter the name servers ns-1.test, ns-2.test.",
        "The certificates are there. Put the agent on the NAS, with its address and a DSM administrator:",
        "  python -m synology_setup install ACCOUNT@ADDRESS --nas attic",
        "  python -m synology_setup install ACCOUNT@ADDRESS --nas rack",
        "If you have not yet, confirm the subscription in the mail to me@example.com: else no alarm arrives.",
    ]
    assert record().outputs["next_step"].splitlines() == [
        "The certificate is there. Put the agent on the NAS, with its address and a DSM administrator:",
        "  python -m synology_setup install ACCOUNT@ADDRESS",
    ]
    assert record(EVERYTHING).outputs["alarm_topic"].endswith(":notices")
    assert "alarm_topic" not in record().outputs
