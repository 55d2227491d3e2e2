"""The real `__main__.py`, applied to a local AWS of its own, and what holds of the stack that comes of it.

What is not proven here, because the local AWS does not enforce it, or an ACME server of ours does not:

- `iam:PassRole`, a role's trust when a function or a schedule is made with it, and the permissions of the
  schedule's role: the local scheduler fires with any. Their documents are held to what they should be in
  tests/unit/stack/test_stack_policies.py and test_stack_program.py.
- The flexible window, and the scheduler's own retries.
- The `Null` tests of the renewer's policy: Route 53 fills all three keys of each change, so none can be
  absent from a call. What an absent key does is shown in test_stack_policies.py.
- CAA records: Pebble does not look at them. How their problem reads is tested with the renewer's errors.
- IAM's eventual consistency: changes act at once here.
- `destroy`: the resources are taken away by hand, with the recovery window that AWS would give.
"""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infrastructure.bundle import LOCAL, build_bundle
from lambda_renewer.request import parse_request
from local_cloud.acme import Pebble
from local_cloud.demo.permissions import Attempt, attempts
from local_cloud.dns_server import DnsServer
from local_cloud.ministack.server import LocalAws
from local_cloud.processes import LOOPBACK
from local_cloud.stack import DeployError, deploy, preview
from local_cloud.stack.deploy import PROJECT, _task
from tests.fake_route53 import FakeRoute53

BUILD = PROJECT / "build"
DOMAIN = "example.com"
ADDRESS = "192.168.0.10"
LIFETIME = 90 * 86_400
NAME_OF = {
    "account": "synology-https/dev/acme-account-",
    "certificate": f"synology-https/dev/certificate/{DOMAIN}-",
}
ROUTE53 = "route53:ChangeResourceRecordSets"

Document = dict[str, Any]


@dataclass
class Deployed:
    """A stack on the local AWS.

    Attributes:
        outputs: the stack's.
        created: what the program said of each resource, in order.
        keys_at_first: the NAS user's access keys right after `up`.
    """

    aws: LocalAws
    zone: str
    config: dict[str, Any]
    outputs: dict[str, Any]
    created: list[str] = field(default_factory=list)
    keys_at_first: list[Any] = field(default_factory=list)

    def client(self, service: str) -> Any:
        return self.aws.client(service)

    def secret(self, which: str) -> dict[str, Any]:
        """Return the description of the certificate's or the account's secret."""
        found = self.client("secretsmanager").list_secrets()["SecretList"]
        (secret,) = [one for one in found if one["Name"].startswith(NAME_OF[which])]
        return dict(secret)

    def schedule(self) -> dict[str, Any]:
        scheduler = self.client("scheduler")
        (listed,) = scheduler.list_schedules()["Schedules"]
        return dict(scheduler.get_schedule(GroupName=listed["GroupName"], Name=listed["Name"]))

    def role_policy(self, role: str) -> tuple[str, Document]:
        """Return name and document of the only policy of `role`."""
        iam = self.client("iam")
        (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        assert not iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        return name, iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]

    @property
    def renewer(self) -> dict[str, Any]:
        return dict(self.client("lambda").get_function_configuration(FunctionName=self.outputs["renewer"]))

    @property
    def renewer_role(self) -> str:
        return str(self.renewer["Role"]).rsplit("/", 1)[-1]

    def nas_policy(self) -> Document:
        iam, user = self.client("iam"), self.outputs["nas"]["synology"]["user"]
        (name,) = iam.list_user_policies(UserName=user)["PolicyNames"]
        assert not iam.list_attached_user_policies(UserName=user)["AttachedPolicies"]
        document: Document = iam.get_user_policy(UserName=user, PolicyName=name)["PolicyDocument"]
        return document


def agent_config(outputs: Mapping[str, Any]) -> dict[str, Any]:
    return dict(outputs["nas"]["synology"]["agent_config"])


def nas_user(outputs: Mapping[str, Any]) -> str:
    return str(outputs["nas"]["synology"]["user"])


def first_renewal(outputs: Mapping[str, Any]) -> dict[str, Any]:
    return dict(json.loads(outputs["certificates"][DOMAIN]["first_renewal"]))


@pytest.fixture(scope="module")
def bundle() -> Path:
    return build_bundle(LOCAL, BUILD)


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws(BUILD) as started:
        yield started


@pytest.fixture(scope="module")
def zone(aws: LocalAws) -> str:
    made = aws.client("route53").create_hosted_zone(Name=DOMAIN, CallerReference="the user's domain")
    return str(made["HostedZone"]["Id"]).rsplit("/", 1)[-1]


@pytest.fixture(scope="module")
def dns(aws: LocalAws) -> Iterator[DnsServer]:
    with DnsServer(aws.client("route53")) as server:
        yield server


@pytest.fixture(scope="module")
def resolver(dns: DnsServer) -> str:
    """The renewer's resolver."""
    return f"{LOOPBACK}:{dns.port}"


@pytest.fixture(scope="module")
def config(
    dns: DnsServer, pebble: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """Settings for a certificate authority that asks this Route 53."""
    with Pebble(pebble, tmp_path_factory.mktemp("acme"), dns.port, LIFETIME) as acme:
        yield settings_of(acme)


def settings_of(acme: Pebble) -> dict[str, Any]:
    return {"directory": acme.directory_url, "ca_root": acme.ca_root.read_text(), "key_type": "ec256"}


@pytest.fixture(scope="module")
def stack(aws: LocalAws, zone: str, config: dict[str, Any], bundle: Path, resolver: str) -> Deployed:
    created: list[str] = []
    outputs = deploy(aws, config, local_bundle=bundle, resolver=resolver, progress=created.append)
    keys = aws.client("iam").list_access_keys(UserName=outputs["nas"]["synology"]["user"])[
        "AccessKeyMetadata"
    ]
    return Deployed(aws, zone, config, outputs, created, keys)


# --- Preview: wrong settings ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "shown", "allowed"),
    [
        (
            "domain",
            "Example.com",
            '"Example.com"',
            "a domain name in lower case, such as example.com, is wanted",
        ),
        ("domain", "", "null", "a domain name in lower case"),
        ("nas_address", "nas", '"nas"', "the NAS's IPv4 or IPv6 address, such as 192.168.0.10, is wanted"),
        ("key_type", "rsa1024", '"rsa1024"', "one of rsa2048, rsa3072, rsa4096, ec256, ec384 is allowed"),
        (
            "schedule",
            "cron(0 12 * * ? *)",
            '"cron(0 12 * * ? *)"',
            "such as rate(12 hours) or rate(1 hour), is",
        ),
        ("architecture", "arm", '"arm"', "one of arm64, x86_64 is allowed"),
        ("terms_agreed", False, '"false"', "accept the terms of service of the certificate authority"),
        ("services", ["a", "synology"], '["a", "synology"]', "the NAS's own name stands there again"),
    ],
)
def test_preview_with_a_wrong_value_fails_in_one_line(key: str, value: Any, shown: str, allowed: str) -> None:
    with pytest.raises(DeployError) as refused:
        preview({key: value})
    text = str(refused.value)
    assert text.startswith(f"error: synology-https:{key} is {shown}: ")
    assert allowed in text
    assert f"pulumi config set {key}" in text
    assert "\n" not in text
    assert "Traceback" not in text


def test_a_wrong_value_leaves_standard_error_empty_and_the_exit_code_one() -> None:
    """`preview` reads both streams as one; here they are told apart."""
    task = _task("http://127.0.0.1:9", {"key_type": "x"}, "dev") | {
        "local_bundle": "",
        "lambda_environment": {},
        "preview": True,
    }
    done = subprocess.run(
        [sys.executable, "-m", "local_cloud.stack.program"],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert len(done.stdout.splitlines()) == 1


def test_preview_creates_nothing(aws: LocalAws, zone: str, config: dict[str, Any]) -> None:
    before = inventory(aws, zone)
    preview(config, aws=aws)
    assert inventory(aws, zone) == before


def test_preview_fails_where_the_hosted_zone_is_missing(
    aws: LocalAws, zone: str, config: dict[str, Any]
) -> None:
    assert zone
    with pytest.raises(DeployError) as refused:
        preview({**config, "domain": "not-here.example"}, aws=aws)
    text = str(refused.value)
    assert text.startswith('error: synology-https:zones is "not-here.example": this account has no public')
    assert f"It has {DOMAIN}. " in text


def test_a_private_zone_is_not_taken_for_it(aws: LocalAws, zone: str, config: dict[str, Any]) -> None:
    assert zone
    aws.client("route53").create_hosted_zone(
        Name="private.example",
        CallerReference="private",
        VPC={"VPCRegion": "eu-central-1", "VPCId": "vpc-12345678"},
        HostedZoneConfig={"PrivateZone": True},
    )
    with pytest.raises(DeployError, match=f"no public hosted zone of that name. It has {DOMAIN}. "):
        preview({**config, "domain": "private.example"}, aws=aws)


def inventory(aws: LocalAws, zone: str) -> dict[str, Any]:
    """Return what a deployment would add to."""
    iam = aws.client("iam")
    return {
        "records": aws.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"],
        "secrets": [one["Name"] for one in aws.client("secretsmanager").list_secrets()["SecretList"]],
        "roles": [one["RoleName"] for one in iam.list_roles()["Roles"]],
        "users": [one["UserName"] for one in iam.list_users()["Users"]],
        "functions": [one["FunctionName"] for one in aws.client("lambda").list_functions()["Functions"]],
        "schedules": [one["Name"] for one in aws.client("scheduler").list_schedules()["Schedules"]],
        "logs": [one["logGroupName"] for one in aws.client("logs").describe_log_groups()["logGroups"]],
    }


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


def invoke(stack: Deployed, event: str | Mapping[str, Any]) -> dict[str, Any]:
    payload = event if isinstance(event, str) else json.dumps(event)
    answer = stack.client("lambda").invoke(FunctionName=stack.outputs["renewer"], Payload=payload.encode())
    outcome: dict[str, Any] = json.loads(answer["Payload"].read())
    return outcome


# --- Mutations: each must be noticed ----------------------------------------------------------------------


def test_without_its_txt_permission_the_renewer_fails_and_names_it(stack: Deployed) -> None:
    iam, role = stack.client("iam"), stack.renewer_role
    name, policy = stack.role_policy(role)
    event = json.loads(stack.schedule()["Target"]["Input"]) | {"key_type": "ec384"}
    current = stack.client("secretsmanager").get_secret_value(SecretId=event["secret"])["VersionId"]
    less = {
        **policy,
        "Statement": [one for one in policy["Statement"] if one["Sid"] != "ChangeOwnChallengeRecords"],
    }
    assert len(less["Statement"]) == len(policy["Statement"]) - 1
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(less))
    try:
        outcome = invoke(stack, event)
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))
    assert "route53:ChangeResourceRecordSets" in outcome["errorMessage"]
    assert "run `pulumi up` to restore it" in outcome["errorMessage"]
    after = stack.client("secretsmanager").get_secret_value(SecretId=event["secret"])["VersionId"]
    assert after == current  # the current certificate stays
    assert invoke(stack, event)["renewed"] is True  # the statement was all that was missing


def nas_attempts(stack: Deployed, policy: Document, user: str) -> tuple[list[Attempt], list[Attempt]]:
    """Try what a key with `policy` may do: a user of its own, so that the NAS's stays without a key."""
    other = stack.client("secretsmanager").create_secret(Name=f"other/{user}", SecretString="{}")["ARN"]
    try:
        return attempts(
            stack.aws,
            stack.aws.user(user, policy),
            secret=stack.secret("certificate")["ARN"],
            other_secrets={"the account": stack.secret("account")["ARN"], "another": other},
            namespace=agent_config(stack.outputs)["metric_namespace"],
            zone=stack.zone,
        )
    finally:
        stack.client("secretsmanager").delete_secret(SecretId=other, ForceDeleteWithoutRecovery=True)


def test_the_nass_policy_allows_what_the_agent_needs_and_nothing_else_that_is_tried(stack: Deployed) -> None:
    needed, forbidden = nas_attempts(stack, stack.nas_policy(), "nas-intact")
    assert [one for one in needed if not one.allowed] == []
    assert [one for one in forbidden if one.allowed] == []
    assert len(forbidden) >= 10


@pytest.mark.parametrize(
    ("sid", "key", "passes"),
    [
        (
            "ReadCurrentCertificate",
            "secretsmanager:VersionStage",
            {"GetSecretValue AWSPENDING", "GetSecretValue by VersionId", "GetSecretValue of no named stage"},
        ),
        ("ReportOwnMetrics", "cloudwatch:namespace", {"PutMetricData to another namespace"}),
    ],
)
def test_each_condition_of_the_nass_policy_is_needed(
    stack: Deployed, sid: str, key: str, passes: set[str]
) -> None:
    policy = stack.nas_policy()
    assert [one["Sid"] for one in policy["Statement"] if "Condition" in one] == [
        "ReadCurrentCertificate",
        "ReportOwnMetrics",
    ]
    (statement,) = [one for one in policy["Statement"] if one["Sid"] == sid]
    assert statement["Condition"].keys() == {"StringEquals"}
    del statement["Condition"]["StringEquals"][key]
    needed, forbidden = nas_attempts(stack, policy, f"nas-without-condition-{sid}")
    assert all(one.allowed for one in needed)
    assert {one.what for one in forbidden if one.allowed} == passes


@pytest.mark.parametrize("sid", ["ReadCurrentCertificate", "SeeWhetherItChanged", "ReportOwnMetrics"])
def test_each_statement_of_the_nass_policy_is_needed(stack: Deployed, sid: str) -> None:
    policy = stack.nas_policy()
    policy["Statement"] = [one for one in policy["Statement"] if one["Sid"] != sid]
    needed, _ = nas_attempts(stack, policy, f"nas-without-{sid}")
    assert len([one for one in needed if not one.allowed]) == 1


@pytest.fixture(scope="module")
def other_zone(stack: Deployed) -> str:
    made = stack.client("route53").create_hosted_zone(Name="other.example", CallerReference="another domain")
    return str(made["HostedZone"]["Id"]).rsplit("/", 1)[-1]


def change(name: str, record_type: str, action: str, value: str) -> Document:
    record = {"Name": name, "Type": record_type, "TTL": 60, "ResourceRecords": [{"Value": value}]}
    return {"Action": action, "ResourceRecordSet": record}


OWN = f"_acme-challenge.{DOMAIN}"
CREATE_OWN = change(OWN, "TXT", "CREATE", '"value"')
DELETE_OWN = change(OWN, "TXT", "DELETE", '"value"')
# What the renewer must not do: the changes of each batch, and the condition key that forbids it.
FORBIDDEN: dict[str, tuple[list[Document], str]] = {
    "an A record": ([change(OWN, "A", "CREATE", "192.0.2.1")], "RecordTypes"),
    "a CAA record": ([change(OWN, "CAA", "CREATE", '0 issue "other.example"')], "RecordTypes"),
    "a TXT at the apex": ([change(DOMAIN, "TXT", "CREATE", '"v=spf1 -all"')], "NormalizedRecordNames"),
    "a TXT below": ([change(f"x.{OWN}", "TXT", "CREATE", '"v"')], "NormalizedRecordNames"),
    "another host's TXT": (
        [change(f"_acme-challenge.nas.{DOMAIN}", "TXT", "CREATE", '"v"')],
        "NormalizedRecordNames",
    ),
    "a wildcard TXT": ([change(f"*.{DOMAIN}", "TXT", "CREATE", '"v"')], "NormalizedRecordNames"),
    "an UPSERT": ([change(OWN, "TXT", "UPSERT", '"value"')], "Actions"),
    "a foreign change beside an own one": (
        [CREATE_OWN, change(f"www.{DOMAIN}", "TXT", "CREATE", '"v"')],
        "NormalizedRecordNames",
    ),
}
OTHER_ZONE = "the own name in another zone"


def neighbours(stack: Deployed, key: tuple[str, ...], other_zone: str) -> dict[str, bool]:
    """Try the renewer's own change and each forbidden one; return what was allowed, and leave nothing."""
    route53, root = stack.aws.client("route53", *key), stack.client("route53")
    allowed = {}
    batches = {"its own": [CREATE_OWN], **{what: batch for what, (batch, _) in FORBIDDEN.items()}}
    for what, batch in batches.items():
        allowed[what] = tried(partial(change_records, route53, stack.zone, batch))
        if allowed[what]:
            undo = [{**one, "Action": "DELETE"} for one in batch]
            change_records(root, stack.zone, undo)
    elsewhere = [change("_acme-challenge.other.example", "TXT", "CREATE", '"v"')]
    allowed[OTHER_ZONE] = tried(partial(change_records, route53, other_zone, elsewhere))
    return allowed


def change_records(route53: Any, zone: str, changes: list[Document]) -> None:
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


def tried(call: Any) -> bool:
    """Tell whether AWS allowed the call; any error but a denial fails the test."""
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return False
    return True


def test_the_renewers_role_may_change_its_own_challenge_record_only(stack: Deployed, other_zone: str) -> None:
    """With the role's own credentials, as the Lambda has them."""
    credentials = stack.client("sts").assume_role(RoleArn=stack.renewer["Role"], RoleSessionName="neighbours")
    made = credentials["Credentials"]
    key = (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    allowed = neighbours(stack, key, other_zone)
    assert [what for what, passed in allowed.items() if passed] == ["its own"]
    # Deleting exactly what it made is its own too, and both in one batch, as the renewer swaps.
    route53 = stack.aws.client("route53", *key)
    change_records(route53, stack.zone, [CREATE_OWN])
    change_records(route53, stack.zone, [DELETE_OWN, change(OWN, "TXT", "CREATE", '"other"')])
    change_records(route53, stack.zone, [change(OWN, "TXT", "DELETE", '"other"')])
    for what, call in {
        "all zones": route53.list_hosted_zones,
        "another zone's records": partial(route53.list_resource_record_sets, HostedZoneId=other_zone),
        "a secret of another": partial(
            stack.aws.client("secretsmanager", *key).create_secret, Name="mine", SecretString="{}"
        ),
        "deleting its secret": partial(
            stack.aws.client("secretsmanager", *key).delete_secret,
            SecretId=stack.secret("certificate")["ARN"],
        ),
    }.items():
        with pytest.raises(ClientError) as denied:
            call()
        assert denied.value.response["Error"]["Code"].startswith("AccessDenied"), what


@pytest.mark.parametrize("key", ["NormalizedRecordNames", "RecordTypes", "Actions"])
def test_each_condition_of_the_renewers_policy_is_needed(stack: Deployed, other_zone: str, key: str) -> None:
    _, policy = stack.role_policy(stack.renewer_role)
    less = copy.deepcopy(policy)
    condition = less["Statement"][0]["Condition"]
    assert condition["ForAllValues:StringEquals"].keys() == condition["Null"].keys()
    assert len(condition["Null"]) == 3
    del condition["ForAllValues:StringEquals"][f"{ROUTE53}{key}"]
    allowed = neighbours(stack, stack.aws.user(f"renewer-without-{key}", less), other_zone)
    passed = {what for what, passed in allowed.items() if passed}
    assert passed == {"its own"} | {what for what, (_, by) in FORBIDDEN.items() if by == key}


def test_the_zone_in_the_renewers_policy_is_needed(stack: Deployed, other_zone: str) -> None:
    _, policy = stack.role_policy(stack.renewer_role)
    less = copy.deepcopy(policy)
    statement = less["Statement"][0]
    statement["Resource"] = "arn:aws:route53:::hostedzone/*"
    statement["Condition"]["ForAllValues:StringEquals"][f"{ROUTE53}NormalizedRecordNames"].append(
        "_acme-challenge.other.example"
    )
    allowed = neighbours(stack, stack.aws.user("renewer-without-zone", less), other_zone)
    assert {what for what, passed in allowed.items() if passed} == {"its own", OTHER_ZONE}


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
