"""What the stack's policies allow and deny, asked of the local AWS, which authorizes every call: a NAS's key.

Each table holds calls that a key must not make, and the condition that forbids the call where one does:
with that condition taken away, just those calls pass. That what the Lambda and the agent need is allowed is
shown by their real runs in test_stack.py and test_agent_install.py, and again here, call by call.

The local AWS does not fill `aws:SourceIp`; tests/unit/stack/test_stack_policy_conditions.py holds it to IAM's
rule. It authorizes CreateLogStream on the group's ARN without `:*`, which AWS's own examples have: not tried.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

import pytest

from infrastructure.policies import nas_policy
from local_cloud.ministack.server import REGION
from tests.integration.permissions_world import (
    ACCOUNT,
    EVERYTHING,
    NAMESPACE,
    NAMESPACE_KEY,
    OWN,
    PREFIX,
    STAGE,
    TAG,
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
        "pass a role": (partial(lambda_.create_function, FunctionName="f", Role=world.role, **code()), None),
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
