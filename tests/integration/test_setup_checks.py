"""The checks in a world of real parts: what AWS knows, and what holds for all of them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from local_cloud.processes import LOOPBACK, free_port
from synology_setup.checks import Resolvers
from synology_setup.command_line import main
from synology_setup.screen import Screen
from tests.dns_table import resolver_at
from tests.integration.checks_world import (
    ALARM,
    ALL,
    DELEGATED,
    EVERYTHING,
    IDENTITY,
    INVOKE,
    KEY,
    LAMBDA,
    MAIL,
    NOWHERE,
    OWN,
    PUBLIC,
    SERVED,
    USER,
    ZONE,
    World,
    environment,
    only_red,
    red,
    unconfirmed_mail,
    untold,
)

pytest_plugins = ("tests.integration.checks_fixtures",)


def test_where_all_is_well_all_is_green(world: World) -> None:
    found = world.check()
    assert list(found) == ALL
    assert (red(found), untold(found)) == (set(), set()), found
    assert "user/operator" in found[IDENTITY].measured
    assert "issued by Simulated Intermediate" in found[SERVED].measured


def test_the_command_shows_each_finding_and_what_to_do(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def check(*words: str) -> tuple[int, str]:
        shown = Screen(Console(file=io.StringIO(), width=200, soft_wrap=True))
        code = main(["check", *words, *options], shown)
        assert isinstance(shown.console.file, io.StringIO)
        return code, shown.console.file.getvalue()

    monkeypatch.setattr(Resolvers, "default", lambda: world.resolvers)
    outputs, roots = tmp_path / "outputs.json", tmp_path / "roots.pem"
    nas = world.outputs.nases["synology"]
    outputs.write_text(
        json.dumps(
            {
                "region": world.outputs.region,
                "renewer": world.outputs.renewer,
                "alarm_topic": world.outputs.alarm_topic,
                "certificates": {ZONE: {"request": world.outputs.requests[ZONE]}},
                "nas": {"synology": {"user": nas.user, "url": nas.url, "agent_config": nas.agent_config}},
            }
        )
    )
    roots.write_text(world.roots or "")
    options = ["--outputs", str(outputs), "--ssh-port", str(world.ssh_port), "--ca-file", str(roots)]
    code, said = check("synology")
    assert (code, said.count("✓"), said.count("✗")) == (0, len(ALL), 0)
    options[3] = str(free_port())
    code, said = check()
    assert (code, said.count("✗")) == (1, 1)
    assert "Control Panel > Terminal & SNMP" in said
    assert "the stack has no NAS 'other'" in check("other")[1]
    options[5] = str(tmp_path / "nowhere")
    assert check()[0] == 1


def test_without_credentials_the_rest_is_still_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    found = world.check()
    assert (red(found), untold(found)) == ({IDENTITY}, {DELEGATED, ALARM, PUBLIC})
    assert found[IDENTITY].measured == "this machine has no AWS credentials"
    assert found[OWN].ok and found[SERVED].ok


def test_a_profile_that_is_not_there_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "elsewhere")
    found = world.check()
    assert red(found) == {IDENTITY}
    assert "elsewhere" in found[IDENTITY].measured


def test_an_access_key_that_was_deleted_is_said(world: World) -> None:
    iam = world.aws.client("iam")
    for key in iam.list_access_keys(UserName="operator")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="operator", AccessKeyId=key["AccessKeyId"])
    found = world.check()
    assert red(found) == {IDENTITY}
    assert "does not know your access key" in found[IDENTITY].measured


def test_another_account_is_said_before_everything_seems_deleted(world: World) -> None:
    world.change_request(
        secret=world.outputs.requests[ZONE]["secret"].replace("000000000000", "123456789012")
    )
    found = world.check()
    assert red(found) == {IDENTITY}
    assert "the stack is in account 123456789012" in found[IDENTITY].measured
    assert "AWS_PROFILE" in found[IDENTITY].advice


def test_a_missing_permission_is_named_with_the_statement_to_add(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied = {"Effect": "Deny", "Action": ["iam:CreateAccessKey", "lambda:InvokeFunction"], "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [EVERYTHING["Statement"], denied]}
    for name, value in environment(world.aws, world.aws.user("junior", policy)).items():
        monkeypatch.setenv(name, value)
    found = world.check()
    assert (red(found), untold(found)) == ({KEY, INVOKE}, set())
    assert '"Action": ["iam:CreateAccessKey"]' in found[KEY].advice
    assert 'user/synology-https/nas-synology"' in found[KEY].advice
    assert 'function:renewer"' in found[INVOKE].advice


def test_permissions_that_cannot_be_asked_are_not_red(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    denied = {"Effect": "Deny", "Action": ["iam:SimulatePrincipalPolicy"], "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [EVERYTHING["Statement"], denied]}
    for name, value in environment(world.aws, world.aws.user("auditor", policy)).items():
        monkeypatch.setenv(name, value)
    found = world.check()
    assert (red(found), untold(found)) == (set(), {KEY, INVOKE})
    assert "iam:SimulatePrincipalPolicy" in found[KEY].measured


def test_what_may_not_be_looked_at_is_not_red(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}
    for name, value in environment(world.aws, world.aws.user("guest", nothing)).items():
        monkeypatch.setenv(name, value)
    found = world.check()
    assert (red(found), untold(found)) == (
        set(),
        {USER, KEY, LAMBDA, INVOKE, DELEGATED, ALARM, PUBLIC},
    )


def test_where_nothing_answers_each_thing_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{LOOPBACK}:{free_port()}")
    silent = resolver_at(free_port(), seconds=0.2)
    world.resolvers = Resolvers(silent, silent, NOWHERE, nowhere_seconds=0.1)
    found = world.check()
    assert red(found) == {IDENTITY}
    assert "AWS cannot be reached" in found[IDENTITY].measured
    assert "does not answer" in found[OWN].measured
    assert found["the NAS synology can be reached"].ok is None


def test_two_certificates_share_what_they_share(world: World) -> None:
    request = world.outputs.requests[ZONE]
    second = {**request, "domains": [f"second.{ZONE}", ZONE]}
    world.change(requests={ZONE: request, "second": second})
    found = world.check()
    assert set(found) - set(ALL) == {f"CAA lets letsencrypt.org issue for second.{ZONE}"}
    assert (red(found), untold(found)) == (set(), set())


def test_a_zone_of_another_account_is_not_called_deleted(world: World) -> None:
    role = "arn:aws:iam::123456789012:role/renewer"
    world.change_request(zones={ZONE: {"id": "Z0000000000000000000", "role": role}})
    found = world.check()
    assert (red(found), untold(found)) == (set(), {DELEGATED, PUBLIC})
    assert role in found[DELEGATED].measured


def test_a_stack_that_was_destroyed_is_seen(world: World) -> None:
    world.aws.client("iam").delete_user(UserName="nas-synology")
    world.aws.client("lambda").delete_function(FunctionName="renewer")
    found = world.check()
    assert red(found) == {USER, LAMBDA}
    assert KEY not in found
    assert "pulumi up" in found[USER].advice and "pulumi up" in found[LAMBDA].advice


def test_an_alarm_mail_that_nobody_confirmed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with unconfirmed_mail(world.aws) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", endpoint)
        finding = only_red(world, ALARM)
    assert MAIL in finding.measured
    assert "no-reply@sns.amazonaws.com" in finding.advice


def test_an_alarm_without_mail_or_topic(world: World) -> None:
    sns, topic = world.aws.client("sns"), world.outputs.alarm_topic
    for subscription in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    assert "aws sns subscribe" in only_red(world, ALARM).advice
    sns.delete_topic(TopicArn=topic)
    assert "does not exist" in only_red(world, ALARM).measured
    world.change(alarm_topic=None)
    assert world.check()[ALARM].ok is None
