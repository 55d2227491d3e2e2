"""The local AWS keeps IAM's quotas, and CloudWatch's condition key."""

import json
from typing import Any

import pytest

from local_cloud.ministack.server import LocalAws
from tests.integration.aws_refusals import ANY, allow, denied, refused, unique


def test_metrics_only_in_the_namespace_allowed(local_aws: LocalAws) -> None:
    policy = allow("cloudwatch:PutMetricData", ANY, StringEquals={"cloudwatch:namespace": "synology-https"})
    metrics = local_aws.client("cloudwatch", *local_aws.user(unique("reporter"), policy))
    data = [{"MetricName": unique("DaysLeft"), "Value": 30}]
    metrics.put_metric_data(Namespace="synology-https", MetricData=data)
    denied(metrics.put_metric_data, Namespace="Synology-https", MetricData=data)
    denied(metrics.put_metric_data, Namespace="other", MetricData=data)
    found = local_aws.client("cloudwatch").list_metrics(MetricName=data[0]["MetricName"])["Metrics"]
    assert {metric["Namespace"] for metric in found} == {"synology-https"}


@pytest.fixture
def iam(local_aws: LocalAws) -> Any:
    return local_aws.client("iam")


def sized(size: int) -> str:
    """A policy of that many characters, and some white space, which does not count."""
    policy = allow("s3:GetObject", "")
    bare = len(json.dumps(policy, separators=(",", ":")))
    policy["Statement"][0]["Resource"] = "arn:aws:s3:::".ljust(size - bare, "x")
    return json.dumps(policy, indent=8)


def test_user_has_two_access_keys(local_aws: LocalAws, iam: Any) -> None:
    name = unique("user")
    first = local_aws.user(name, allow("s3:GetObject", ANY))
    iam.create_access_key(UserName=name)
    iam.update_access_key(UserName=name, AccessKeyId=first.access_key, Status="Inactive")
    refused("LimitExceeded", "AccessKeysPerUser: 2", iam.create_access_key, UserName=name)
    iam.delete_access_key(UserName=name, AccessKeyId=first.access_key)
    iam.create_access_key(UserName=name)


@pytest.mark.parametrize(("kind", "limit"), [("user", 2048), ("role", 10240), ("group", 5120)])
def test_inline_policies_together_have_a_size(iam: Any, kind: str, limit: int) -> None:
    name = unique(kind)
    of = {f"{kind.title()}Name": name}
    trust = {"AssumeRolePolicyDocument": json.dumps({"Version": "2012-10-17", "Statement": []})}
    getattr(iam, f"create_{kind}")(**of, **(trust if kind == "role" else {}))
    put = getattr(iam, f"put_{kind}_policy")
    put(**of, PolicyName="one", PolicyDocument=sized(limit))
    refused(
        "LimitExceeded",
        f"{limit} bytes exceeded for {kind} {name}",
        put,
        **of,
        PolicyName="one",
        PolicyDocument=sized(limit + 1),
    )
    refused("LimitExceeded", "exceeded", put, **of, PolicyName="two", PolicyDocument=sized(200))
    put(**of, PolicyName="one", PolicyDocument=sized(limit - 200))
    put(**of, PolicyName="two", PolicyDocument=sized(200))


def test_managed_policy_has_a_size(iam: Any) -> None:
    policy = iam.create_policy(PolicyName=unique("policy"), PolicyDocument=sized(6144))["Policy"]["Arn"]
    too_long = {"PolicyDocument": sized(6145)}
    refused("LimitExceeded", "PolicySize: 6144", iam.create_policy, PolicyName=unique("policy"), **too_long)
    refused("LimitExceeded", "PolicySize: 6144", iam.create_policy_version, PolicyArn=policy, **too_long)
