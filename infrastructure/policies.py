"""IAM policies as documents: every statement as narrow as its service allows.

Two rules of IAM that are easy to miss shape them. `ForAllValues:` is true where the key is absent, so it is
paired with a `Null` test that denies then. `secretsmanager:VersionStage` is there only when the request
names a stage, so `StringEquals` denies a request that names none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Document = dict[str, Any]
Statement = dict[str, Any]

_ROUTE53_KEY = "route53:ChangeResourceRecordSets"


def renewer_policy(
    *,
    certificate_arn: str,
    account_arn: str,
    log_group_arn: str,
    zone_arn: str,
    challenge_names: Sequence[str],
) -> Document:
    """Return what the renewal Lambda may do.

    Args:
        certificate_arn: the secret that holds the certificate document.
        account_arn: the secret that holds the ACME accounts.
        log_group_arn: the Lambda's log group, without `:*`.
        zone_arn: the hosted zone, `arn:aws:route53:::hostedzone/<id>`.
        challenge_names: the TXT record names, lower case, without trailing dot.
    """
    return _document(
        {
            "Sid": "ChangeOwnChallengeRecords",
            "Effect": "Allow",
            "Action": "route53:ChangeResourceRecordSets",
            "Resource": zone_arn,
            "Condition": {
                "ForAllValues:StringEquals": {
                    f"{_ROUTE53_KEY}NormalizedRecordNames": sorted(challenge_names),
                    f"{_ROUTE53_KEY}RecordTypes": ["TXT"],
                    f"{_ROUTE53_KEY}Actions": ["CREATE", "DELETE"],
                },
                "Null": {
                    f"{_ROUTE53_KEY}NormalizedRecordNames": "false",
                    f"{_ROUTE53_KEY}RecordTypes": "false",
                    f"{_ROUTE53_KEY}Actions": "false",
                },
            },
        },
        {
            "Sid": "ReadZone",
            "Effect": "Allow",
            "Action": ["route53:GetHostedZone", "route53:ListResourceRecordSets"],
            "Resource": zone_arn,
        },
        {
            "Sid": "WaitForChange",
            "Effect": "Allow",
            "Action": "route53:GetChange",
            "Resource": "arn:aws:route53:::change/*",
        },
        {
            "Sid": "KeepSecrets",
            "Effect": "Allow",
            "Action": ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"],
            "Resource": sorted((certificate_arn, account_arn)),
        },
        {
            "Sid": "WriteLog",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"{log_group_arn}:*",
        },
    )


def scheduler_policy(function_arn: str) -> Document:
    """Return what the schedule's role may do: invoke the one function."""
    return _document({"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": function_arn})


def nas_policy(*, certificate_arn: str, metric_namespace: str) -> Document:
    """Return what a NAS's key may do: read the current certificate and report its own metrics.

    Args:
        certificate_arn: the secret of the certificate that it installs.
        metric_namespace: the CloudWatch namespace that is this NAS's alone.
    """
    return _document(
        {
            "Sid": "ReadCurrentCertificate",
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": certificate_arn,
            "Condition": {"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}},
        },
        {
            "Sid": "SeeWhetherItChanged",
            "Effect": "Allow",
            "Action": "secretsmanager:DescribeSecret",
            "Resource": certificate_arn,
        },
        {
            "Sid": "ReportOwnMetrics",
            "Effect": "Allow",
            "Action": "cloudwatch:PutMetricData",
            "Resource": "*",
            "Condition": {"StringEquals": {"cloudwatch:namespace": metric_namespace}},
        },
    )


def trust_policy(service: str, account_id: str | None = None) -> Document:
    """Return who may assume a role: an AWS service, and only for `account_id` where it is given.

    The account condition keeps another customer's resource from using the role through the service
    (IAM User Guide, "The confused deputy problem").
    """
    statement: Statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": service},
    }
    if account_id is not None:
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": account_id}}
    return _document(statement)


def _document(*statements: Statement) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}
