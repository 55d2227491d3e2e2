"""What there is to reach for a key or a role, and how it is tried: for the tests of the stack's policies."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from local_cloud.ministack.server import LocalAws
from local_cloud.stack.deploy import PROJECT

ACCOUNT = "000000000000"
PREFIX = "synology-https/dev"
NAMESPACE = f"{PREFIX}/synology"
OWN = "_acme-challenge.example.com"
DELEGATED = "home.acme.example.com"
ROUTE53 = "route53:ChangeResourceRecordSets"
NAMES = f"{ROUTE53}NormalizedRecordNames"
TYPES = f"{ROUTE53}RecordTypes"
ACTIONS = f"{ROUTE53}Actions"
STAGE = "secretsmanager:VersionStage"
NAMESPACE_KEY = "cloudwatch:namespace"
TAG = "nas:synology"
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


@contextmanager
def furnished_world() -> Iterator[World]:
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
    function = aws.client("lambda").create_function(FunctionName="someones", Role=role, **code())
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


def code() -> Document:
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


EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


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
