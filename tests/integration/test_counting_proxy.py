"""The counting proxy passes signed requests on and counts each by its operation."""

from __future__ import annotations

import http.client
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

from local_cloud.counting_proxy import CountingProxy
from local_cloud.ministack.server import REGION, LocalAws

DENY_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}


def through(proxy: CountingProxy, service: str, access_key: str, secret_key: str) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=proxy.endpoint,
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(proxies={}, retries={"total_max_attempts": 1}),
    )


def test_the_proxy_passes_signed_requests_and_counts_them(local_aws: LocalAws) -> None:
    arn = local_aws.client("secretsmanager").create_secret(Name="proxied", SecretString="value")["ARN"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "secretsmanager:*", "Resource": arn}],
    }
    key = local_aws.user("proxied", policy)
    with CountingProxy(local_aws.endpoint) as proxy:
        assert proxy.operations == []
        secrets = through(proxy, "secretsmanager", *key)
        assert secrets.get_secret_value(SecretId=arn)["SecretString"] == "value"
        assert secrets.describe_secret(SecretId=arn)["ARN"] == arn
        assert proxy.operations == ["GetSecretValue", "DescribeSecret"]
        # The signature is the client's own: what is wrong stays wrong, and counts.
        wrong = through(proxy, "secretsmanager", key.access_key, "x" * 40)
        with pytest.raises(ClientError) as refused:
            wrong.get_secret_value(SecretId=arn)
        assert "Signature" in refused.value.response["Error"]["Code"]
        with pytest.raises(ClientError) as missing:
            secrets.get_secret_value(SecretId=arn, VersionStage="AWSPENDING")
        assert missing.value.response["Error"]["Code"] == "ResourceNotFoundException"
        assert proxy.operations == ["GetSecretValue", "DescribeSecret", "GetSecretValue", "GetSecretValue"]


def test_the_proxy_counts_calls_that_name_their_operation_in_the_body_or_the_path(
    local_aws: LocalAws,
) -> None:
    """CloudWatch and IAM have other protocols; a call must not be counted as none."""
    key = local_aws.user("proxied-metrics", DENY_ALL)
    with CountingProxy(local_aws.endpoint) as proxy:
        with pytest.raises(ClientError):
            through(proxy, "cloudwatch", *key).put_metric_data(
                Namespace="n", MetricData=[{"MetricName": "m", "Value": 1.0}]
            )
        with pytest.raises(ClientError):
            through(proxy, "iam", *key).create_access_key()
        assert len(proxy.operations) == 2


def test_the_proxy_answers_no_longer_after_its_end(local_aws: LocalAws) -> None:
    with CountingProxy(local_aws.endpoint) as proxy:
        secrets = through(proxy, "secretsmanager", "test", "test")
        secrets.list_secrets()
    with pytest.raises((EndpointConnectionError, http.client.HTTPException, OSError)):
        through(proxy, "secretsmanager", "test", "test").list_secrets()
    assert proxy.operations == ["ListSecrets"]
