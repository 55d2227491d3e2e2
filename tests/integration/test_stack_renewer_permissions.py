"""What the renewer's role may and may not do, asked of the local AWS as in test_stack_permissions.py."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from functools import partial

import pytest

from infrastructure.policies import renewer_policy
from local_cloud.ministack.server import REGION
from tests.integration.permissions_world import (
    ACCOUNT,
    ACTIONS,
    DELEGATED,
    NAMES,
    NAMESPACE,
    OWN,
    PREFIX,
    STAGE,
    TYPES,
    Call,
    Calls,
    Document,
    World,
    change,
    changing,
    code,
    furnished_world,
    passes,
    without,
)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with furnished_world() as world:
        yield world


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
        "pass a role": (partial(lambda_.create_function, FunctionName="f", Role=world.role, **code()), None),
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
