"""The real `__main__.py`, applied to a local AWS of its own, and what holds of the stack that comes of it.

What is not proven here, because the local AWS does not enforce it, or an ACME server of ours does not:

- `iam:PassRole`, a role's trust when a function or a schedule is made with it, and the permissions of the
  schedule's role: the local scheduler fires with any. Their documents are held to what they should be in
  tests/unit/stack/test_stack_policies.py and test_stack_names.py.
- The flexible window, and the scheduler's own retries.
- The `Null` tests of the renewer's policy: Route 53 fills all three keys of each change, so none can be
  absent from a call. What an absent key does is shown in test_stack_policy_conditions.py.
- CAA records: Pebble does not look at them. How their problem reads is tested with the renewer's errors.
- IAM's eventual consistency: changes act at once here.
- `destroy`: the resources are taken away by hand, with the recovery window that AWS would give.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambda_renewer.request import parse_request
from local_cloud.acme import Pebble
from local_cloud.dns_server import DnsServer
from local_cloud.ministack.server import LocalAws
from local_cloud.processes import LOOPBACK
from local_cloud.stack import DeployError, deploy
from tests.fake_route53 import FakeRoute53
from tests.integration.stack_bench import (
    ADDRESS,
    BUILD,
    DOMAIN,
    LIFETIME,
    NAME_OF,
    Deployed,
    Document,
    agent_config,
    change,
    change_records,
    first_renewal,
    invoke,
    nas_user,
    settings_of,
)

pytest_plugins = ("tests.integration.stack_fixtures",)

# --- What is deployed -------------------------------------------------------------------------------------


def test_the_outputs(stack: Deployed) -> None:
    assert stack.outputs.keys() == {
        *("url", "next_step", "region", "renewer", "renewer_role", "certificates", "nas", "dashboard"),
    }
    assert stack.outputs["next_step"].startswith("The certificate is there")
    assert stack.outputs["url"] == "https://synology.example.com:5001"
    assert agent_config(stack.outputs) == {
        "region": "eu-central-1",
        "metric_namespace": "synology-https/dev/synology",
        "certificates": [
            {
                "secret": stack.secret("certificate")["ARN"],
                "names": ["synology.example.com", "navidrome.example.com"],
                "entry": DOMAIN,
                "assign": "auto",
            }
        ],
    }
    first = first_renewal(stack.outputs)
    assert (first["name"], first["renewed"], first["action"]) == (DOMAIN, True, "renew")


def test_nothing_secret_is_in_the_outputs(stack: Deployed) -> None:
    shown = json.dumps(stack.outputs) + "".join(stack.created)
    assert "PRIVATE KEY" not in shown
    secrets = stack.client("secretsmanager")
    certificate = json.loads(
        secrets.get_secret_value(SecretId=stack.secret("certificate")["ARN"])["SecretString"]
    )
    accounts = json.loads(secrets.get_secret_value(SecretId=stack.secret("account")["ARN"])["SecretString"])
    (account,) = accounts.values()
    hidden = [line for line in certificate["private_key"].splitlines() if not line.startswith("-----")]
    hidden += [value for name, value in account["key"].items() if name not in {"kty", "crv"}]
    assert len(hidden) > 3
    assert not [value for value in hidden if value in shown]


def test_the_certificate_is_in_its_secret(stack: Deployed) -> None:
    answer = stack.client("secretsmanager").get_secret_value(
        SecretId=stack.secret("certificate")["ARN"], VersionStage="AWSCURRENT"
    )
    certificate = json.loads(answer["SecretString"])
    assert certificate["domains"] == [DOMAIN, f"*.{DOMAIN}"]
    assert certificate["key_type"] == "ec256"
    assert certificate["private_key"].startswith("-----BEGIN")
    assert certificate["serial"] == first_renewal(stack.outputs)["serial"]


def test_the_records_lead_to_the_nas_and_no_challenge_is_left(stack: Deployed) -> None:
    sets = stack.client("route53").list_resource_record_sets(HostedZoneId=stack.zone)["ResourceRecordSets"]
    found = {
        (one["Name"], one["Type"], one["TTL"]): [record["Value"] for record in one["ResourceRecords"]]
        for one in sets
        if one["Type"] not in {"NS", "SOA"}
    }
    assert found == {
        ("synology.example.com.", "A", 300): [ADDRESS],
        ("navidrome.example.com.", "A", 300): [ADDRESS],
    }


def test_there_are_two_secrets_with_generated_names(stack: Deployed) -> None:
    names = [one["Name"] for one in stack.client("secretsmanager").list_secrets()["SecretList"]]
    assert len(names) == 2
    for which, prefix in NAME_OF.items():
        name = stack.secret(which)["Name"]
        assert re.fullmatch(r"\d{14}[0-9a-f]{12}", name.removeprefix(prefix))
        assert not re.search(
            r"-[A-Za-z0-9]{6}$", name
        )  # ends as an ARN's own suffix would: ambiguous by name


def test_the_renewer(stack: Deployed) -> None:
    renewer = stack.renewer
    assert (renewer["Runtime"], renewer["Handler"]) == ("python3.13", "lambda_renewer.handler.handler")
    assert (renewer["Architectures"], renewer["Timeout"]) == (["arm64"], 900)
    # The local provider adds the resolver of the embedded cloud, as AWS's runtime adds variables of its own.
    variables = renewer["Environment"]["Variables"]
    assert variables.keys() == {"ACCOUNT_SECRET", "METRIC_NAMESPACE", "DNS_RESOLVER"}
    assert variables["METRIC_NAMESPACE"] == "synology-https/dev"
    assert variables["ACCOUNT_SECRET"] == stack.secret("account")["ARN"]
    group = renewer["LoggingConfig"]["LogGroup"]
    (described,) = stack.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert described["retentionInDays"] == 90
    invoke = stack.client("lambda").get_function_event_invoke_config(FunctionName=stack.outputs["renewer"])
    assert invoke["MaximumRetryAttempts"] == 0


def test_the_renewers_role(stack: Deployed) -> None:
    role = stack.client("iam").get_role(RoleName=stack.renewer_role)["Role"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
    _, policy = stack.role_policy(stack.renewer_role)
    by_sid = {one["Sid"]: one for one in policy["Statement"]}
    assert by_sid["ChangeOwnChallengeRecords"]["Resource"] == [f"arn:aws:route53:::hostedzone/{stack.zone}"]
    certificates = stack.secret("certificate")["ARN"].split(f"/{DOMAIN}-")[0]
    for sid in ("KeepSecrets", "StoreSecrets"):
        assert by_sid[sid]["Resource"] == sorted((stack.secret("account")["ARN"], f"{certificates}/*"))
    group = stack.renewer["LoggingConfig"]["LogGroup"]
    assert by_sid["WriteLog"]["Resource"].endswith(f":log-group:{group}:*")


def test_the_schedule_sends_the_event_that_up_sent(stack: Deployed) -> None:
    schedule = stack.schedule()
    assert schedule["ScheduleExpression"] == "rate(12 hours)"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 360}
    assert schedule["State"] == "ENABLED"
    target = schedule["Target"]
    assert target["Arn"] == stack.renewer["FunctionArn"]
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 0}
    request = parse_request(json.loads(target["Input"]))
    assert request.secret == stack.secret("certificate")["ARN"]
    assert request.zones == {DOMAIN: stack.zone}
    # What up invoked with has the same result: nothing is due, as nothing of the request has changed.
    outcome = invoke(stack, target["Input"])
    assert outcome["renewed"] is False
    assert outcome["serial"] == first_renewal(stack.outputs)["serial"]


def test_the_schedules_role_may_invoke_the_renewer_alone(stack: Deployed) -> None:
    role = stack.schedule()["Target"]["RoleArn"].rsplit("/", 1)[-1]
    assert role != stack.renewer_role
    (trust,) = stack.client("iam").get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    account = stack.client("sts").get_caller_identity()["Account"]
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    group = stack.schedule()["GroupName"]
    arn = stack.client("scheduler").get_schedule_group(Name=group)["Arn"]
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": account, "aws:SourceArn": arn}}
    _, policy = stack.role_policy(role)
    assert policy["Statement"] == [
        {
            "Sid": "RunRenewer",
            "Effect": "Allow",
            "Action": "lambda:InvokeFunction",
            "Resource": stack.renewer["FunctionArn"],
        }
    ]


def test_the_simulator_agrees_about_each_principal(stack: Deployed) -> None:
    """What no call shows here, since the local AWS enforces neither PassRole nor the schedule's role."""
    iam = stack.client("iam")
    function, account = stack.renewer["FunctionArn"], stack.client("sts").get_caller_identity()["Account"]
    schedules_role = stack.schedule()["Target"]["RoleArn"]
    user = iam.get_user(UserName=nas_user(stack.outputs))["User"]["Arn"]
    other_function = f"arn:aws:lambda:eu-central-1:{account}:function:other"
    asked = {
        (schedules_role, "lambda:InvokeFunction", function): True,
        (schedules_role, "lambda:InvokeFunction", other_function): False,
        (schedules_role, "lambda:UpdateFunctionCode", function): False,
    }
    for principal in (schedules_role, stack.renewer["Role"], user):
        asked[(principal, "iam:PassRole", stack.renewer["Role"])] = False
        asked[(principal, "iam:CreateAccessKey", user)] = False
    for (principal, action, resource), allowed in asked.items():
        answer = iam.simulate_principal_policy(
            PolicySourceArn=principal, ActionNames=[action], ResourceArns=[resource]
        )
        (result,) = answer["EvaluationResults"]
        assert (result["EvalDecision"] == "allowed") is allowed, (principal, action, resource)


def test_the_nas_user_has_no_access_key(stack: Deployed) -> None:
    assert stack.keys_at_first == []
    user = stack.client("iam").get_user(UserName=stack.outputs["nas"]["synology"]["user"])["User"]
    assert user["Path"] == "/synology-https/"
    stack.nas_policy()


# --- Deployments that fail, and the next after a destroy ----------------------------------------------------


@pytest.fixture
def undelegated(pebble: Path, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Settings for an authority whose DNS knows another zone of that name: it is not delegated to ours."""
    elsewhere = FakeRoute53()
    elsewhere.add_zone(f"{DOMAIN}.")
    with (
        DnsServer(elsewhere) as dns,  # type: ignore[arg-type]
        Pebble(pebble, tmp_path, dns.port, LIFETIME) as acme,
    ):
        yield settings_of(acme)


def test_a_first_run_that_fails_fails_the_update_in_words_and_the_schedule_stands(
    undelegated: dict[str, Any], bundle: Path
) -> None:
    created: list[str] = []
    with LocalAws(BUILD) as aws:
        aws.client("route53").create_hosted_zone(Name=DOMAIN, CallerReference="the user's domain")
        with pytest.raises(DeployError) as failed, DnsServer(aws.client("route53")) as dns:
            resolver = f"{LOOPBACK}:{dns.port}"
            deploy(aws, undelegated, local_bundle=bundle, resolver=resolver, progress=created.append)
        text = str(failed.value)
        zone = aws.client("route53").list_hosted_zones()["HostedZones"][0]["Id"]
        records = aws.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        schedules = aws.client("scheduler").list_schedules()["Schedules"]
    assert "invoking Lambda Function (renewer-" in text
    assert "urn:ietf:params:acme:error:" in text
    assert DOMAIN in text
    assert "check that the domain's name servers at the registrar are those of the hosted zone" in text
    assert "_pulumi" not in text
    assert not [one for one in records if one["Type"] == "TXT"]
    # The schedule waits for no first run (test_stack_program.py), so it tries again.
    assert [one["Name"] for one in schedules if one["Name"].startswith(DOMAIN)], created


def test_a_request_that_the_authority_cannot_meet_is_told_in_words(stack: Deployed) -> None:
    """A profile that it does not have: told by the renewer, before an order."""
    event = json.loads(stack.schedule()["Target"]["Input"]) | {"profile": "nothing-of-the-kind"}
    outcome = invoke(stack, event)
    assert "profile is 'nothing-of-the-kind'" in outcome["errorMessage"]


def test_up_after_destroy_meets_no_name_that_is_still_held(
    stack: Deployed, other_zone: str, config: dict[str, Any], bundle: Path, resolver: str
) -> None:
    """Case 11 of the field: secrets are held for their recovery window, and the next `up` has others."""
    assert other_zone
    before = stack.outputs
    secrets = stack.client("secretsmanager")
    held = [stack.secret(which)["ARN"] for which in NAME_OF]
    for arn in held:
        secrets.delete_secret(SecretId=arn, RecoveryWindowInDays=30)
    # The record of the one host is gone, as after `destroy`; the other's is there with another address.
    change_records(
        stack.client("route53"), stack.zone, [change_of_host("synology.example.com", "DELETE", ADDRESS)]
    )
    by_hand = change_of_host("navidrome.example.com", "UPSERT", "192.168.0.5")
    change_records(stack.client("route53"), stack.zone, [by_hand])
    after = deploy(stack.aws, config, local_bundle=bundle, resolver=resolver)
    wanted = agent_config(after)["certificates"][0]["secret"]
    assert wanted not in held
    assert first_renewal(after)["reason"] == "there is no certificate"
    test_the_records_lead_to_the_nas_and_no_challenge_is_left(stack)  # case 15: the one by hand is taken over
    assert not {after["renewer"], nas_user(after)} & {before["renewer"], nas_user(before)}
    # As docs/operations.md says, the old certificate can be had back in place of the new one.
    (old,) = [arn for arn in held if "/certificate/" in arn]
    secrets.restore_secret(SecretId=old)
    document = secrets.get_secret_value(SecretId=old, VersionStage="AWSCURRENT")["SecretString"]
    secrets.put_secret_value(
        SecretId=wanted, SecretString=document, VersionStages=["AWSCURRENT", "AWSPENDING"]
    )
    restored = json.loads(document)
    event = {**after["certificates"][DOMAIN]["request"], "key_type": restored["key_type"]}
    answer = stack.client("lambda").invoke(FunctionName=after["renewer"], Payload=json.dumps(event).encode())
    outcome = json.loads(answer["Payload"].read())
    assert (outcome["renewed"], outcome["serial"]) == (False, restored["serial"])


def change_of_host(host: str, action: str, address: str) -> Document:
    changed = change(host, "A", action, address)
    changed["ResourceRecordSet"]["TTL"] = 300
    return changed
