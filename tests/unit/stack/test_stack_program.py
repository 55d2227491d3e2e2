"""What `__main__.py` registers: dependencies, names within AWS's limits, and the event it sends."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infrastructure.renewal import next_step
from lambda_renewer.request import parse_request
from local_cloud.acme.certificates import make_authority
from local_cloud.stack.program import stack_config
from tests.unit.stack.recorded_program import ACCOUNT, PROJECT

ROOT = make_authority("A private root").certificate_pem()
AUTO_NAMED = len("-1234567")  # what Pulumi's auto-naming adds
LONGEST = {  # IAM User Guide, "IAM and AWS STS quotas"; EventBridge Scheduler and Lambda API references
    "aws:iam/role:Role": 64,
    "aws:iam/user:User": 64,
    "aws:iam/rolePolicy:RolePolicy": 128,
    "aws:iam/userPolicy:UserPolicy": 128,
    "aws:scheduler/schedule:Schedule": 64,
    "aws:lambda/function:Function": 64,
}


@cache
def record(settings: str = "{}") -> list[dict[str, Any]]:
    config = stack_config(PROJECT, "dev", json.loads(settings))
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.stack.recorded_program"],
        input=json.dumps(config),
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    recorded: list[dict[str, Any]] = json.loads(done.stdout)
    return recorded


def one(resource_type: str, resources: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = [resource for resource in resources if resource["type"] == resource_type]
    return found


def depended_on(resource: dict[str, Any]) -> set[str]:
    """Return the types and names that `resource` waits for."""
    return {"::".join(urn.split("$")[-1].rsplit("::", 2)[-2:]) for urn in resource["dependencies"]}


def test_neither_the_schedule_nor_the_first_run_waits_for_the_other() -> None:
    resources = record()
    schedule = one("aws:scheduler/schedule:Schedule", resources)
    first_run = one("aws:lambda/invocation:Invocation", resources)
    assert not [name for name in depended_on(schedule) if "invocation" in name]
    assert not [name for name in depended_on(first_run) if "schedule:Schedule" in name]


def test_what_runs_waits_for_its_permissions() -> None:
    resources = record()
    assert "aws:iam/rolePolicy:RolePolicy::renewer" in depended_on(
        one("aws:lambda/function:Function", resources)
    )
    schedule = depended_on(one("aws:scheduler/schedule:Schedule", resources))
    assert "aws:iam/rolePolicy:RolePolicy::schedule-example.com" in schedule
    assert "aws:lambda/function:Function::renewer" in schedule
    first_run = depended_on(one("aws:lambda/invocation:Invocation", resources))
    assert "aws:lambda/function:Function::renewer" in first_run
    assert {
        "aws:iam/rolePolicy:RolePolicy::schedule-example.com",
        "aws:iam/userPolicy:UserPolicy::nas-synology",
    } <= (first_run)


def test_the_first_run_and_the_schedule_send_the_same_event() -> None:
    resources = record()
    schedule = one("aws:scheduler/schedule:Schedule", resources)["inputs"]
    assert (
        schedule["target"]["input"] == one("aws:lambda/invocation:Invocation", resources)["inputs"]["input"]
    )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"contact": "me@example.com", "ca_root": ROOT, "key_type": "ec384"},
        {"schedule": "rate(1 minute)", "profile": "shortlived", "directory": "https://127.0.0.1:14000/dir"},
        {"domain": "home.example.co.uk"},
    ],
)
def test_the_renewer_accepts_the_event(settings: dict[str, str]) -> None:
    resources = record(json.dumps(settings))
    event = one("aws:lambda/invocation:Invocation", resources)["inputs"]["input"]
    request = parse_request(json.loads(event))
    domain = settings.get("domain", "example.com")
    assert (request.name, request.domains) == (domain, (domain, f"*.{domain}"))
    assert request.zones == {domain: "Z0123456789"}
    assert request.secret == f"arn:aws:x:::certificate-{domain}"
    assert request.terms_agreed is True
    assert (request.contact, request.ca_root) == (settings.get("contact"), settings.get("ca_root"))
    assert request.profile == settings.get("profile", "classic")
    assert request.key_type == settings.get("key_type", "rsa4096")
    assert request.directory == settings.get("directory", "https://acme-v02.api.letsencrypt.org/directory")
    hourly = "schedule" not in settings
    assert request.interval == (timedelta(hours=12) if hourly else timedelta(minutes=1))
    assert request.window == (timedelta(hours=6) if hourly else timedelta(0))
    # Scheduler's own limit for a target's input is 256 KB.
    assert len(event) < 4096


@pytest.mark.parametrize(
    ("schedule", "window"),
    [
        ("rate(12 hours)", {"mode": "FLEXIBLE", "maximumWindowInMinutes": 360}),
        ("rate(3 minutes)", {"mode": "FLEXIBLE", "maximumWindowInMinutes": 1}),
        ("rate(1 minute)", {"mode": "OFF"}),
        ("rate(7 days)", {"mode": "FLEXIBLE", "maximumWindowInMinutes": 1440}),
    ],
)
def test_the_schedule_has_the_window_that_the_event_names(schedule: str, window: dict[str, Any]) -> None:
    resources = record(json.dumps({"schedule": schedule}))
    made = one("aws:scheduler/schedule:Schedule", resources)["inputs"]
    assert made["scheduleExpression"] == schedule
    assert made["flexibleTimeWindow"] == window
    event = json.loads(made["target"]["input"])
    assert event["window_seconds"] == 60 * window.get("maximumWindowInMinutes", 0)


def test_the_bundle_is_for_the_functions_own_processor() -> None:
    for architecture in ("arm64", "x86_64"):
        made = one("aws:lambda/function:Function", record(json.dumps({"architecture": architecture})))[
            "inputs"
        ]
        assert made["architectures"] == [architecture]
        assert Path(str(made["code"])).name == f"{architecture}.zip"


def test_the_schedules_role_trusts_the_scheduler_of_this_account_alone() -> None:
    roles = {one["name"]: one for one in record() if one["type"] == "aws:iam/role:Role"}
    trust = json.loads(roles["schedule-example.com"]["inputs"]["assumeRolePolicy"])
    assert trust["Statement"][0]["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert trust["Statement"][0]["Principal"] == {"Service": "scheduler.amazonaws.com"}


@pytest.mark.parametrize(
    "settings", [{}, {"domain": ".".join(["a" * 60] * 3), "nas_name": "n" * 60, "services": ["s" * 60]}]
)
def test_names_stay_within_awss_limits(settings: dict[str, Any]) -> None:
    for resource in record(json.dumps(settings)):
        longest = LONGEST.get(resource["type"])
        if longest is not None:
            assert len(resource["name"]) + AUTO_NAMED <= longest, resource["type"]
            assert re.fullmatch(r"[A-Za-z0-9._-]+", resource["name"])


def test_no_access_key_is_a_resource_and_nothing_is_kept_in_a_secrets_value() -> None:
    types = {resource["type"] for resource in record()}
    assert not [one for one in types if "accessKey" in one or "secretVersion" in one]


def test_where_up_had_to_wait_for_delegation_it_prints_the_command_for_afterwards() -> None:
    waiting = {
        "name": "example.com",
        "renewed": False,
        "reason": "waiting for delegation to ns-1.test",
    }
    step = next_step(json.dumps(waiting))
    assert step.startswith("waiting for delegation to ns-1.test")
    assert step.endswith("python -m synology_setup renew example.com")
