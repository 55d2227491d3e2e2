"""What the stack's policies allow and deny, asked of the local AWS, which authorizes every call.

Each table holds calls that a key must not make, and the condition that forbids the call where one does:
with that condition taken away, just those calls pass. That what the Lambda and the agent need is allowed is
shown by their real runs in test_stack.py and test_agent.py, and again here, call by call.

The local AWS does not fill `aws:SourceIp`; tests/unit/stack/test_stack_policies.py holds it to IAM's rule. It
authorizes CreateLogStream on the group's ARN without `:*`, which AWS's own examples have: not tried here.
"""

from __future__ import annotations

import copy
import io
import json
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infrastructure.policies import nas_policy, renewer_policy
from local_cloud.ministack.server import REGION, LocalAws
from local_cloud.stack.deploy import PROJECT

ACCOUNT = "000000000000"
PREFIX = "synology-https/dev"
NAMESPACE = f"{PREFIX}/synology"
OWN, DELEGATED = "_acme-challenge.example.com", "home.acme.example.com"
ROUTE53 = "route53:ChangeResourceRecordSets"
NAMES, TYPES, ACTIONS = f"{ROUTE53}NormalizedRecordNames", f"{ROUTE53}RecordTypes", f"{ROUTE53}Actions"
STAGE, NAMESPACE_KEY, TAG = "secretsmanager:VersionStage", "cloudwatch:namespace", "nas:synology"
DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException"}

Document = dict[str, Any]
Call = Callable[[], Any]
# What is tried -> the call, and the condition key that forbids it, or None where no statement allows it.
Calls = dict[str, tuple[Call, str | None]]


@dataclass(frozen=True)
class World:
    """What there is to reach.

    Attributes:
        secrets: what it is -> ARN.
        version: id of the current version of the NAS's certificate.
        role: ARN of a role that Lambda trusts.
    """

    aws: LocalAws
    zone: str
    other_zone: str
    secrets: dict[str, str]
    version: str
    topic: str
    other_topic: str
    role: str
    function: str


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with LocalAws(PROJECT / "build") as aws:
        yield _furnished(aws)


def _furnished(aws: LocalAws) -> World:
    route53, secretsmanager = aws.client("route53"), aws.client("secretsmanager")
    zones = [
        route53.create_hosted_zone(Name=name, CallerReference=name)["HostedZone"]["Id"].rsplit("/", 1)[-1]
        for name in ("example.com", "other.example")
    ]
    tags = [{"Key": TAG, "Value": "reads"}]
    secrets = {
        what: secretsmanager.create_secret(Name=f"{PREFIX}/{name}", SecretString='"1"', Tags=of_secret)["ARN"]
        for what, name, of_secret in (
            ("own", "certificate/home-1", tags),
            ("another NAS's", "certificate/office-1", [{"Key": "nas:rack", "Value": "reads"}]),
            ("the account", "acme-account-1", []),
        )
    }
    for what, name in (("another stack's", "synology-https/dev2/certificate/home-1"), ("eab", "zerossl")):
        secrets[what] = secretsmanager.create_secret(Name=name, SecretString='"1"')["ARN"]
    for arn in secrets.values():
        secretsmanager.put_secret_value(SecretId=arn, SecretString='"2"', VersionStages=["AWSCURRENT"])
        secretsmanager.put_secret_value(SecretId=arn, SecretString='"3"', VersionStages=["AWSPENDING"])
    current = secretsmanager.get_secret_value(SecretId=secrets["own"], VersionStage="AWSCURRENT")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = aws.client("iam").create_role(
        RoleName="powerful",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    function = aws.client("lambda").create_function(FunctionName="someones", Role=role, **_code())
    sns, logs = aws.client("sns"), aws.client("logs")
    for group in ("/synology-https/renewer-1", "/others"):
        logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName="/others", logStreamName="s")
    return World(
        aws=aws,
        zone=zones[0],
        other_zone=zones[1],
        secrets=secrets,
        version=current["VersionId"],
        topic=sns.create_topic(Name="notices")["TopicArn"],
        other_topic=sns.create_topic(Name="others")["TopicArn"],
        role=role,
        function=function["FunctionName"],
    )


def _code() -> Document:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("m.py", "def h(event, context):\n    return 1\n")
    return {"Runtime": "python3.13", "Handler": "m.h", "Code": {"ZipFile": packed.getvalue()}}


def passes(call: Call) -> bool:
    """Tell whether the call was authorized: any other refusal than a denial means that it was."""
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"] not in DENIED
    return True


# --- The NAS's key ----------------------------------------------------------------------------------------


def nas_document(world: World, way: str) -> Document:
    if way == "listed":
        return nas_policy(certificate_arns=[world.secrets["own"]], metric_namespace=NAMESPACE)
    return nas_policy(
        certificate_arns=[f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{PREFIX}/certificate/*"],
        metric_namespace=NAMESPACE,
        tag=TAG,
    )


def nas_calls(world: World, key: tuple[str, ...], user: str) -> tuple[dict[str, Call], Calls]:
    """Return the calls of the agent, and those that its key must not make."""
    secrets, cloudwatch, iam = (
        world.aws.client(one, *key) for one in ("secretsmanager", "cloudwatch", "iam")
    )
    route53, lambda_, sns = (world.aws.client(one, *key) for one in ("route53", "lambda", "sns"))
    elsewhere = world.aws.client("cloudwatch", access_key=key[0], secret_key=key[1], region="us-east-1")
    own, other = world.secrets["own"], world.secrets["another NAS's"]
    metric = [{"MetricName": "LifeLeft", "Value": 0.5}]
    read, tag_key = secrets.get_secret_value, f"aws:ResourceTag/{TAG}"

    def put_metric(namespace: str) -> Call:
        return partial(cloudwatch.put_metric_data, Namespace=namespace, MetricData=metric)

    needed: dict[str, Call] = {
        "describe": partial(secrets.describe_secret, SecretId=own),
        "read": partial(read, SecretId=own, VersionStage="AWSCURRENT"),
        "report": put_metric(NAMESPACE),
    }
    forbidden: Calls = {
        "read AWSPENDING": (partial(read, SecretId=own, VersionStage="AWSPENDING"), STAGE),
        "read AWSPREVIOUS": (partial(read, SecretId=own, VersionStage="AWSPREVIOUS"), STAGE),
        "read a VersionId": (partial(read, SecretId=own, VersionId=world.version), STAGE),
        "read no stage": (partial(read, SecretId=own), STAGE),
        **{
            f"read {what}": (
                partial(read, SecretId=world.secrets[what], VersionStage="AWSCURRENT"),
                tag_key if what == "another NAS's" else None,
            )
            for what in ("another NAS's", "the account", "another stack's", "eab")
        },
        "describe another NAS's": (partial(secrets.describe_secret, SecretId=other), tag_key),
        "describe the account": (
            partial(secrets.describe_secret, SecretId=world.secrets["the account"]),
            None,
        ),
        "list secrets": (secrets.list_secrets, None),
        "list versions": (partial(secrets.list_secret_version_ids, SecretId=own), None),
        "write": (partial(secrets.put_secret_value, SecretId=own, SecretString="{}"), None),
        "update": (partial(secrets.update_secret, SecretId=own, SecretString="{}"), None),
        "delete": (partial(secrets.delete_secret, SecretId=own), None),
        "tag its own": (
            partial(secrets.tag_resource, SecretId=own, Tags=[{"Key": "a", "Value": "b"}]),
            None,
        ),
        "tag another as its own": (
            partial(secrets.tag_resource, SecretId=other, Tags=[{"Key": TAG, "Value": "reads"}]),
            None,
        ),
        "read its resource policy": (partial(secrets.get_resource_policy, SecretId=own), None),
        "report as another NAS": (put_metric(f"{PREFIX}/rack"), NAMESPACE_KEY),
        "report in another region": (
            partial(
                elsewhere.put_metric_data,
                Namespace=NAMESPACE,
                MetricData=metric,
            ),
            "aws:RequestedRegion",
        ),
        "report as a longer name": (put_metric(f"{NAMESPACE}-2"), NAMESPACE_KEY),
        "report as the renewer": (put_metric("synology-https/renewer"), NAMESPACE_KEY),
        "read metrics": (partial(cloudwatch.list_metrics, Namespace=NAMESPACE), None),
        "delete alarms": (partial(cloudwatch.delete_alarms, AlarmNames=["a"]), None),
        "list zones": (route53.list_hosted_zones, None),
        "list records": (partial(route53.list_resource_record_sets, HostedZoneId=world.zone), None),
        "set its challenge": (changing(route53, world.zone, [change(OWN, "TXT", "CREATE", '"v"')]), None),
        "a key for itself": (partial(iam.create_access_key, UserName=user), None),
        "a key for itself, unnamed": (iam.create_access_key, None),
        "its keys": (partial(iam.list_access_keys, UserName=user), None),
        "a policy for itself": (
            partial(
                iam.put_user_policy, UserName=user, PolicyName="p", PolicyDocument=json.dumps(EVERYTHING)
            ),
            None,
        ),
        "administration for itself": (
            partial(
                iam.attach_user_policy,
                UserName=user,
                PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess",
            ),
            None,
        ),
        "another user": (partial(iam.create_user, UserName="more"), None),
        "pass a role": (partial(lambda_.create_function, FunctionName="f", Role=world.role, **_code()), None),
        "run the Lambda": (partial(lambda_.invoke, FunctionName=world.function), None),
        "be another role": (
            partial(world.aws.client("sts", *key).assume_role, RoleArn=world.role, RoleSessionName="session"),
            None,
        ),
        "publish": (partial(sns.publish, TopicArn=world.topic, Message="m"), None),
        "list schedules": (world.aws.client("scheduler", *key).list_schedules, None),
        "read logs": (world.aws.client("logs", *key).describe_log_groups, None),
    }
    return needed, forbidden


EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@pytest.mark.parametrize("way", ["listed", "by tag"])
def test_a_nass_key_does_what_the_agent_needs_and_nothing_else(world: World, way: str) -> None:
    user = f"nas-{way.replace(' ', '-')}"
    needed, forbidden = nas_calls(world, world.aws.user(user, nas_document(world, way)), user)
    assert [what for what, call in needed.items() if not passes(call)] == []
    assert [what for what, (call, _) in forbidden.items() if passes(call)] == []
    assert len(forbidden) >= 30


@pytest.mark.parametrize(
    ("way", "sid", "key"),
    [
        ("listed", "ReadCurrentCertificate", STAGE),
        ("listed", "ReportOwnMetrics", NAMESPACE_KEY),
        ("listed", "ReportOwnMetrics", "aws:RequestedRegion"),
        ("by tag", "ReadCurrentCertificate", STAGE),
        ("by tag", "ReadCurrentCertificate", f"aws:ResourceTag/{TAG}"),
        ("by tag", "SeeWhetherItChanged", f"aws:ResourceTag/{TAG}"),
        ("by tag", "ReportOwnMetrics", NAMESPACE_KEY),
    ],
)
def test_without_a_condition_a_nass_key_does_what_it_forbids(
    world: World, way: str, sid: str, key: str
) -> None:
    user = f"nas-{way}-{sid}-{key.rsplit(':', 1)[-1]}".replace(" ", "-")
    mutant = world.aws.user(user, without(nas_document(world, way), sid, key))
    needed, forbidden = nas_calls(world, mutant, user)
    assert [what for what, call in needed.items() if not passes(call)] == []
    through = {what for what, (call, _) in forbidden.items() if passes(call)}
    verb = {"ReadCurrentCertificate": "read", "SeeWhetherItChanged": "describe", "ReportOwnMetrics": "report"}
    assert through == {
        what for what, (_, by) in forbidden.items() if by == key and what.startswith(verb[sid])
    }
    assert through


def without(policy: Document, sid: str, key: str) -> Document:
    """Return the policy with the test of `key` for its value taken out of the statement `sid`."""
    mutant = copy.deepcopy(policy)
    (statement,) = [one for one in mutant["Statement"] if one["Sid"] == sid]
    condition = statement["Condition"]
    (operator,) = [one for one in condition if one != "Null" and key in condition[one]]
    del condition[operator][key]
    if not condition[operator]:
        del condition[operator]
    if not condition:
        del statement["Condition"]
    return mutant


# --- The renewer's role -----------------------------------------------------------------------------------


def renewer_document(world: World, way: str) -> Document:
    more = (f"_acme-challenge.n{number}.example.com" for number in range(1_000 if way == "by pattern" else 0))
    policy = renewer_policy(
        certificate_arn=f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{PREFIX}/certificate/*",
        account_arn=world.secrets["the account"],
        log_group_arn=f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/synology-https/renewer-1",
        challenges={f"arn:aws:route53:::hostedzone/{world.zone}": [OWN, DELEGATED, *more]},
        eab_secrets=[world.secrets["eab"]],
        topic_arn=world.topic,
    )
    assert ("StringLike" in json.dumps(policy)) is (way == "by pattern")
    return policy


def change(name: str, record_type: str, action: str, value: str) -> Document:
    record = {"Name": name, "Type": record_type, "TTL": 60, "ResourceRecords": [{"Value": value}]}
    return {"Action": action, "ResourceRecordSet": record}


def changing(route53: Any, zone: str, changes: list[Document]) -> Call:
    """Return the call; what it made is taken away again at once."""

    def call() -> None:
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
        undo = [{**one, "Action": "DELETE"} for one in changes if one["Action"] != "DELETE"]
        if undo:
            route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": undo})

    return call


def renewer_calls(world: World, key: tuple[str, ...]) -> tuple[dict[str, Call], Calls]:
    """Return the calls of the renewer, and those that its role must not make."""
    route53, secrets, sns = (world.aws.client(one, *key) for one in ("route53", "secretsmanager", "sns"))
    logs, lambda_, iam = (world.aws.client(one, *key) for one in ("logs", "lambda", "iam"))
    own, account = world.secrets["own"], world.secrets["the account"]
    read = secrets.get_secret_value
    ours, here = change(OWN, "TXT", "CREATE", '"v"'), partial(changing, route53, world.zone)
    needed: dict[str, Call] = {
        "create and delete its challenge": here([ours]),
        "a delegated one": here([change(DELEGATED, "TXT", "CREATE", '"v"')]),
        "list records": partial(route53.list_resource_record_sets, HostedZoneId=world.zone),
        "see the zone": partial(route53.get_hosted_zone, Id=world.zone),
        "await a change": partial(route53.get_change, Id="C0123456789"),
        **{
            f"read {stage} of {what}": partial(read, SecretId=arn, VersionStage=stage)
            for what, arn in (
                ("own", own),
                ("another NAS's", world.secrets["another NAS's"]),
                ("account", account),
            )
            for stage in ("AWSCURRENT", "AWSPENDING")
        },
        "store": partial(
            secrets.put_secret_value, SecretId=own, SecretString='"4"', VersionStages=["AWSPENDING"]
        ),
        "read the external account": partial(read, SecretId=world.secrets["eab"], VersionStage="AWSCURRENT"),
        "tell": partial(sns.publish, TopicArn=world.topic, Message="m"),
    }
    forbidden: Calls = {
        "an A record": (here([change(OWN, "A", "CREATE", "192.0.2.1")]), TYPES),
        "an AAAA record": (here([change(OWN, "AAAA", "CREATE", "fd00::1")]), TYPES),
        "a CAA record": (here([change(OWN, "CAA", "CREATE", '0 issue "other.example"')]), TYPES),
        "a CNAME": (here([change(OWN, "CNAME", "CREATE", "x.other.example")]), TYPES),
        "a TXT at the apex": (here([change("example.com", "TXT", "CREATE", '"v=spf1 -all"')]), NAMES),
        "a TXT below": (here([change(f"x.{OWN}", "TXT", "CREATE", '"v"')]), NAMES),
        "another host's TXT": (here([change("www.example.com", "TXT", "CREATE", '"v"')]), NAMES),
        "a wildcard TXT": (here([change("*.example.com", "TXT", "CREATE", '"v"')]), NAMES),
        "a foreign change beside its own": (
            here([ours, change("www.example.com", "TXT", "CREATE", '"v"')]),
            NAMES,
        ),
        "an UPSERT": (here([change(OWN, "TXT", "UPSERT", '"v"')]), ACTIONS),
        "the zone's NS": (here([change("example.com", "NS", "DELETE", "ns-1.test.")]), None),
        "its name in another zone": (
            changing(
                route53, world.other_zone, [change("_acme-challenge.other.example", "TXT", "CREATE", '"v"')]
            ),
            None,
        ),
        "all zones": (route53.list_hosted_zones, None),
        "another zone": (partial(route53.get_hosted_zone, Id=world.other_zone), None),
        "another zone's records": (
            partial(route53.list_resource_record_sets, HostedZoneId=world.other_zone),
            None,
        ),
        "a zone more": (partial(route53.create_hosted_zone, Name="a.test", CallerReference="a"), None),
        "delete the zone": (partial(route53.delete_hosted_zone, Id=world.zone), None),
        "read AWSPREVIOUS": (partial(read, SecretId=own, VersionStage="AWSPREVIOUS"), STAGE),
        "read a VersionId": (partial(read, SecretId=own, VersionId=world.version), STAGE),
        "read no stage": (partial(read, SecretId=own), STAGE),
        "read another stack's": (
            partial(read, SecretId=world.secrets["another stack's"], VersionStage="AWSCURRENT"),
            None,
        ),
        "write another stack's": (
            partial(secrets.put_secret_value, SecretId=world.secrets["another stack's"], SecretString='"4"'),
            None,
        ),
        "read AWSPENDING of the external account": (
            partial(read, SecretId=world.secrets["eab"], VersionStage="AWSPENDING"),
            f"{STAGE} eab",
        ),
        "write the external account": (
            partial(secrets.put_secret_value, SecretId=world.secrets["eab"], SecretString='"4"'),
            None,
        ),
        "a secret more": (
            partial(secrets.create_secret, Name=f"{PREFIX}/certificate/more", SecretString="1"),
            None,
        ),
        "delete its secret": (partial(secrets.delete_secret, SecretId=own), None),
        "move a label": (
            partial(
                secrets.update_secret_version_stage,
                SecretId=own,
                VersionStage="AWSCURRENT",
                RemoveFromVersionId=world.version,
            ),
            None,
        ),
        "metrics by call": (
            partial(
                world.aws.client("cloudwatch", *key).put_metric_data,
                Namespace=NAMESPACE,
                MetricData=[{"MetricName": "LifeLeft", "Value": 1.0}],
            ),
            None,
        ),
        "another topic": (partial(sns.publish, TopicArn=world.other_topic, Message="m"), None),
        "another reader": (
            partial(sns.subscribe, TopicArn=world.topic, Protocol="email", Endpoint="x@y.example"),
            None,
        ),
        "another log": (partial(logs.create_log_stream, logGroupName="/others", logStreamName="t"), None),
        "delete the log": (partial(logs.delete_log_group, logGroupName="/synology-https/renewer-1"), None),
        "roles": (iam.list_roles, None),
        "a user": (partial(iam.create_user, UserName="more"), None),
        "pass a role": (partial(lambda_.create_function, FunctionName="f", Role=world.role, **_code()), None),
        "run a Lambda": (partial(lambda_.invoke, FunctionName=world.function), None),
        "be another role": (
            partial(world.aws.client("sts", *key).assume_role, RoleArn=world.role, RoleSessionName="session"),
            None,
        ),
        "schedules": (world.aws.client("scheduler", *key).list_schedules, None),
    }
    return needed, forbidden


@pytest.mark.parametrize("way", ["by name", "by pattern"])
def test_the_renewers_role_does_what_it_needs_and_nothing_else(world: World, way: str) -> None:
    needed, forbidden = renewer_calls(world, in_role(world, renewer_document(world, way)))
    assert [what for what, call in needed.items() if not passes(call)] == []
    assert [what for what, (call, _) in forbidden.items() if passes(call)] == []
    assert len(forbidden) >= 30


@pytest.mark.parametrize("way", ["by name", "by pattern"])
@pytest.mark.parametrize(
    ("sid", "key"),
    [
        ("ChangeOwnChallengeRecords", NAMES),
        ("ChangeOwnChallengeRecords", TYPES),
        ("ChangeOwnChallengeRecords", ACTIONS),
        ("KeepSecrets", STAGE),
        ("ReadExternalAccount", STAGE),
    ],
)
def test_without_a_condition_the_renewers_role_does_what_it_forbids(
    world: World, way: str, sid: str, key: str
) -> None:
    policy = without(renewer_document(world, way), sid, key)
    needed, forbidden = renewer_calls(world, in_role(world, policy))
    assert [what for what, call in needed.items() if not passes(call)] == []
    through = {what for what, (call, _) in forbidden.items() if passes(call)}
    label = f"{key} eab" if sid == "ReadExternalAccount" else key
    assert through == {what for what, (_, by) in forbidden.items() if by == label}
    assert through


def in_role(world: World, policy: Document) -> tuple[str, ...]:
    """Return the credentials of a session in a role with `policy`: a role's may be longer than a user's."""
    iam, role_name = world.aws.client("iam"), f"renewer-{uuid.uuid4().hex}"
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "sts:AssumeRole",
    }
    role = iam.create_role(
        RoleName=role_name,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    iam.put_role_policy(RoleName=role_name, PolicyName="p", PolicyDocument=json.dumps(policy))
    made = world.aws.client("sts").assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    return made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]


# --- Asked of the simulator -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "allowed"),
    [
        ("iam:PassRole", False),
        ("iam:CreateAccessKey", False),
        ("lambda:UpdateFunctionCode", False),
        ("scheduler:CreateSchedule", False),
        ("secretsmanager:PutSecretValue", True),
    ],
)
def test_the_simulator_agrees_about_the_renewers_role(world: World, action: str, allowed: bool) -> None:
    """PassRole is not enforced by the local AWS: its simulator evaluates the same documents."""
    iam = world.aws.client("iam")
    resource = world.secrets["own"] if action.startswith("secretsmanager") else world.role
    name = f"simulated-{action.replace(':', '-')}"
    iam.create_user(UserName=name)
    answer = iam.simulate_custom_policy(
        PolicyInputList=[json.dumps(renewer_document(world, "by name"))],
        ActionNames=[action],
        ResourceArns=[resource],
    )
    assert (answer["EvaluationResults"][0]["EvalDecision"] == "allowed") is allowed
