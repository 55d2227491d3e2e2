"""What the NAS's key may do, and a list of what it may not, asked of the local AWS."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from local_cloud.ministack.server import Credentials, LocalAws

_DENIED = {"AccessDenied", "AccessDeniedException"}


class Attempt(NamedTuple):
    """A call with the NAS's key.

    Attributes:
        what: the call, for a person.
        allowed: whether AWS let it through.
        answer: `done`, or the error code.
    """

    what: str
    allowed: bool
    answer: str


def attempts(
    aws: LocalAws, nas: Credentials, *, secret: str, other_secrets: dict[str, str], namespace: str, zone: str
) -> tuple[list[Attempt], list[Attempt]]:
    """Try what the NAS needs and what it must not do.

    Args:
        aws: the local AWS.
        nas: the NAS's key.
        secret: ARN of its certificate's secret.
        other_secrets: what it is -> ARN of a secret that is not the NAS's.
        namespace: its own metric namespace.
        zone: the hosted zone's id.

    Returns:
        The calls that must be allowed, and those that must be denied, as they went.
    """
    secrets, cloudwatch = aws.client("secretsmanager", *nas), aws.client("cloudwatch", *nas)
    route53, iam = aws.client("route53", *nas), aws.client("iam", *nas)
    version = aws.client("secretsmanager").get_secret_value(SecretId=secret)["VersionId"]
    metric = [{"MetricName": "DaysLeft", "Value": 60.0}]
    change = {
        "Changes": [
            {
                "Action": "UPSERT",
                "ResourceRecordSet": {
                    "Name": "_acme-challenge.example.com",
                    "Type": "TXT",
                    "TTL": 60,
                    "ResourceRecords": [{"Value": '"forged"'}],
                },
            }
        ]
    }

    def read(arn: str) -> Any:
        return secrets.get_secret_value(SecretId=arn, VersionStage="AWSCURRENT")

    needed = [
        _try("DescribeSecret", lambda: secrets.describe_secret(SecretId=secret)),
        _try("GetSecretValue AWSCURRENT", partial(read, secret)),
        _try(
            "PutMetricData to its own namespace",
            lambda: cloudwatch.put_metric_data(Namespace=namespace, MetricData=metric),
        ),
    ]
    forbidden = [
        _try(
            "GetSecretValue AWSPENDING",
            lambda: secrets.get_secret_value(SecretId=secret, VersionStage="AWSPENDING"),
        ),
        _try(
            "GetSecretValue by VersionId",
            lambda: secrets.get_secret_value(SecretId=secret, VersionId=version),
        ),
        _try("GetSecretValue of no named stage", lambda: secrets.get_secret_value(SecretId=secret)),
        _try("PutSecretValue", lambda: secrets.put_secret_value(SecretId=secret, SecretString="{}")),
        *(_try(f"GetSecretValue of {what}", partial(read, arn)) for what, arn in other_secrets.items()),
        _try(
            "PutMetricData to another namespace",
            lambda: cloudwatch.put_metric_data(Namespace=f"{namespace}-2", MetricData=metric),
        ),
        _try("ListHostedZones", route53.list_hosted_zones),
        _try(
            "ChangeResourceRecordSets",
            lambda: route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change),
        ),
        _try("CreateAccessKey for itself", iam.create_access_key),
    ]
    return needed, forbidden


def _try(what: str, call: Callable[[], Any]) -> Attempt:
    try:
        call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        # Only a denial is one: another error would mean that the policy let the call through.
        return Attempt(what, code not in _DENIED, code)
    return Attempt(what, True, "done")
