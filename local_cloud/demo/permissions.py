"""What the NAS's key and the renewer's role may do, and what they may not, asked of the local AWS."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from local_cloud.ministack.server import Credentials, LocalAws

_DENIED = {"AccessDenied", "AccessDeniedException"}
_BAD_SIGNATURE = {"InvalidSignatureException", "SignatureDoesNotMatch"}


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


def renewer_attempts(
    aws: LocalAws, role: str, *, other_secret: str, zone: str, domain: str
) -> tuple[list[Attempt], list[Attempt]]:
    """Try, in the role that the Lambda really has, what it needs in Route 53 and what it must not do.

    Args:
        aws: the local AWS.
        role: ARN of the role, as the function's configuration names it.
        other_secret: ARN of a secret that is not the renewer's.
        zone: the hosted zone's id.
        domain: the zone's name.

    Returns:
        The calls that must be allowed, and those that must be denied, as they went.
    """
    assumed = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="demo")["Credentials"]
    session = (assumed["AccessKeyId"], assumed["SecretAccessKey"], assumed["SessionToken"])
    route53, secrets = aws.client("route53", *session), aws.client("secretsmanager", *session)
    challenge, value = f"_acme-challenge.{domain}", '"demo"'

    def change(action: str, name: str, kind: str, content: str) -> Callable[[], Any]:
        record_set = {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": content}]}
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record_set}]}
        return partial(route53.change_resource_record_sets, HostedZoneId=zone, ChangeBatch=batch)

    needed = [
        _try("CREATE of its TXT", change("CREATE", challenge, "TXT", value)),
        _try("DELETE of its TXT", change("DELETE", challenge, "TXT", value)),
    ]
    forbidden = [
        _try("an A record", change("CREATE", f"other.{domain}", "A", "192.0.2.1")),
        _try("a TXT at another name", change("CREATE", f"other.{domain}", "TXT", value)),
        _try("UPSERT of its TXT", change("UPSERT", challenge, "TXT", value)),
        _try("another secret", partial(secrets.get_secret_value, SecretId=other_secret)),
        _try("a role of its own", partial(aws.client("iam", *session).list_roles)),
    ]
    return needed, forbidden


def forged(aws: LocalAws, nas: Credentials, secret: str) -> Attempt:
    """Try to read the certificate with the NAS's key id and another secret key: the signature is wrong."""
    client = aws.client("secretsmanager", nas.access_key, nas.secret_key[::-1])
    try:
        client.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")
    except ClientError as error:
        code = error.response["Error"]["Code"]
        return Attempt("a wrong signature", code not in _BAD_SIGNATURE, code)
    return Attempt("a wrong signature", True, "done")


def _try(what: str, call: Callable[[], Any]) -> Attempt:
    try:
        call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        # Only a denial is one: another error would mean that the policy let the call through.
        return Attempt(what, code not in _DENIED, code)
    return Attempt(what, True, "done")
