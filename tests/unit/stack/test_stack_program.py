"""What `__main__.py` registers: dependencies, names within AWS's limits, tags, and the events it sends."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from infrastructure.outputs import next_step
from lambda_renewer.request import parse_request
from local_cloud.acme.certificates import make_authority
from tests.unit.stack.program_settings import (
    EVERYTHING,
    HOME,
    INVOCATION,
    NASES,
    OFFICE,
    SCHEDULE,
    depended_on,
)
from tests.unit.stack.recording import record, several, task_of, with_seed

ROOT = make_authority("A private root").certificate_pem()


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
