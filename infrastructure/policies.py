"""IAM policies as documents: every statement as narrow as its service allows, and within IAM's sizes.

Two rules of IAM that are easy to miss shape them. `ForAllValues:` is true where the key is absent, so it is
paired with a `Null` test that denies then. `secretsmanager:VersionStage` is there only when the request
names a stage, so `StringEquals` denies a request that names none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Document = dict[str, Any]
Statement = dict[str, Any]

# Of all inline policies of one user or role; white space is not counted (IAM User Guide, quotas).
USER_SIZE, ROLE_SIZE = 2_048, 10_240

_ROUTE53_KEY = "route53:ChangeResourceRecordSets"
_CHALLENGE = "_acme-challenge."


def renewer_policy(
    *,
    certificate_arn: str,
    account_arn: str,
    log_group_arn: str,
    challenges: Mapping[str, Sequence[str]],
    eab_secrets: Sequence[str] = (),
    zone_roles: Sequence[str] = (),
    topic_arn: str | None = None,
) -> Document:
    """Return what the renewal Lambda may do.

    Where all record names do not fit, it may change any TXT under `_acme-challenge.` in its zones.

    Args:
        certificate_arn: the secrets that hold the certificate documents: `…/certificate/*`, or one ARN.
        account_arn: the secret that holds the ACME accounts.
        log_group_arn: the Lambda's log group, without `:*`.
        challenges: zone ARN, `arn:aws:route53:::hostedzone/<id>` -> the TXT record names there, lower case,
            without trailing dot; the zones of this account.
        eab_secrets: secrets with the credentials of External Account Binding.
        zone_roles: roles through which it reaches zones of other AWS accounts.
        topic_arn: the topic that is told when a scheduled run fails.
    """
    rest = [
        *_zone_statements(sorted(challenges)),
        {
            "Sid": "KeepSecrets",
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": sorted((certificate_arn, account_arn)),
            "Condition": {"StringEquals": {"secretsmanager:VersionStage": ["AWSCURRENT", "AWSPENDING"]}},
        },
        {
            "Sid": "StoreSecrets",
            "Effect": "Allow",
            "Action": "secretsmanager:PutSecretValue",
            "Resource": sorted((certificate_arn, account_arn)),
        },
        *_when(
            eab_secrets,
            {
                "Sid": "ReadExternalAccount",
                "Effect": "Allow",
                "Action": "secretsmanager:GetSecretValue",
                "Resource": sorted(set(eab_secrets)),
                "Condition": {"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}},
            },
        ),
        *_when(
            zone_roles,
            {
                "Sid": "ReachZonesOfOthers",
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Resource": sorted(set(zone_roles)),
            },
        ),
        {
            "Sid": "WriteLog",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"{log_group_arn}:*",
        },
        *_when(
            topic_arn,
            {"Sid": "TellOfFailure", "Effect": "Allow", "Action": "sns:Publish", "Resource": topic_arn},
        ),
    ]
    by_name = [
        _challenge_statement(
            f"ChangeOwnChallengeRecords{number or ''}", [zone], "StringEquals", sorted(names)
        )
        for number, (zone, names) in enumerate(sorted(challenges.items()))
    ]
    exact = document(*by_name, *rest)
    if size(exact) <= ROLE_SIZE:
        return exact
    patterns = _patterns(name for names in challenges.values() for name in names)
    by_pattern = _challenge_statement("ChangeOwnChallengeRecords", sorted(challenges), "StringLike", patterns)
    return document(by_pattern, *rest)


def zone_role_policy(zone_arn: str, names: Sequence[str]) -> Document:
    """Return what the role of a hosted zone in another AWS account has to allow, and no more.

    Where all record names do not fit, it may change any TXT under `_acme-challenge.` in the zone.

    Args:
        zone_arn: `arn:aws:route53:::hostedzone/<id>`.
        names: the TXT record names there.
    """
    change = _challenge_statement("ChangeOwnChallengeRecords", [zone_arn], "StringEquals", sorted(names))
    exact = document(change, *_zone_statements([zone_arn]))
    if size(exact) <= ROLE_SIZE:
        return exact
    change = _challenge_statement("ChangeOwnChallengeRecords", [zone_arn], "StringLike", _patterns(names))
    return document(change, *_zone_statements([zone_arn]))


def _patterns(names: Iterable[str]) -> list[str]:
    """Return patterns of the TXT record names; those that a challenge is delegated to stay as they are."""
    return [f"{_CHALLENGE}*", *sorted({name for name in names if not name.startswith(_CHALLENGE)})]


def zone_role_trust(account_id: str, role_name: str) -> Document:
    """Return whom such a role has to trust: the renewer's role, by a pattern, since it is made later.

    IAM refuses a principal that does not exist yet; a condition on its ARN may name it.

    Args:
        account_id: the stack's AWS account.
        role_name: pattern of the renewer's role.
    """
    return document(
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"AWS": f"arn:aws:iam::{account_id}:root"},
            "Condition": {
                "ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{account_id}:role/{role_name}"},
            },
        }
    )


def scheduler_policy(function_arn: str) -> Document:
    """Return what the schedules' role may do: invoke the one function."""
    return document(
        {
            "Sid": "RunRenewer",
            "Effect": "Allow",
            "Action": "lambda:InvokeFunction",
            "Resource": function_arn,
        }
    )


def nas_policy(
    *,
    certificate_arns: Sequence[str],
    metric_namespace: str,
    tag: str | None = None,
    source_ips: Sequence[str] = (),
) -> Document:
    """Return what a NAS's key may do: read its current certificates and report its own metrics.

    Args:
        certificate_arns: the secrets of the certificates that it installs; or, with `tag`, a pattern.
        metric_namespace: the CloudWatch namespace that is this NAS's alone.
        tag: the tag that the secrets of this NAS have, where their ARNs do not fit.
        source_ips: networks that the key may be used from; empty for any.
    """
    tagged = {f"aws:ResourceTag/{tag}": NAS_TAG_VALUE} if tag else {}
    source = {"IpAddress": {"aws:SourceIp": list(source_ips)}} if source_ips else {}
    described = {**({"StringEquals": tagged} if tagged else {}), **source}
    region = sorted(certificate_arns)[0].split(":")[3]  # where its secrets are, its metrics go
    return document(
        {
            "Sid": "ReadCurrentCertificate",
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": sorted(certificate_arns),
            "Condition": {"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT", **tagged}, **source},
        },
        {
            "Sid": "SeeWhetherItChanged",
            "Effect": "Allow",
            "Action": "secretsmanager:DescribeSecret",
            "Resource": sorted(certificate_arns),
            **({"Condition": described} if described else {}),
        },
        {
            "Sid": "ReportOwnMetrics",
            "Effect": "Allow",
            "Action": "cloudwatch:PutMetricData",
            "Resource": "*",
            "Condition": {
                "StringEquals": {"aws:RequestedRegion": region, "cloudwatch:namespace": metric_namespace},
                **source,
            },
        },
    )


NAS_TAG_VALUE = "reads"


def topic_policy(topic_arn: str, account_id: str) -> Document:
    """Return who may publish to the alarms' topic: CloudWatch's alarms and AWS Budgets, of this account."""
    return document(
        *(
            {
                "Sid": sid,
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": "sns:Publish",
                "Resource": topic_arn,
                "Condition": {"StringEquals": {"aws:SourceAccount": account_id}},
            }
            for sid, service in (("Alarms", "cloudwatch.amazonaws.com"), ("Budget", "budgets.amazonaws.com"))
        )
    )


def trust_policy(service: str, account_id: str | None = None, source_arn: str | None = None) -> Document:
    """Return who may assume a role: an AWS service, and only for `account_id` and `source_arn` where given.

    These conditions keep another customer's resource, or another one of this account, from using the role
    through the service (IAM User Guide, "The confused deputy problem").
    """
    statement: Statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": service},
    }
    source = {"aws:SourceAccount": account_id, "aws:SourceArn": source_arn}
    wanted = {key: value for key, value in source.items() if value is not None}
    if wanted:
        statement["Condition"] = {"StringEquals": wanted}
    return document(statement)


def document(*statements: Statement) -> Document:
    """Return the statements as a policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def size(policy: Document) -> int:
    """Return the policy's length as IAM counts it, without white space."""
    return len("".join(json.dumps(policy).split()))


def _when(wanted: object, statement: Statement) -> list[Statement]:
    return [statement] if wanted else []


def _zone_statements(zone_arns: list[str]) -> list[Statement]:
    if not zone_arns:
        return []
    return [
        {
            "Sid": "ReadZone",
            "Effect": "Allow",
            "Action": ["route53:GetHostedZone", "route53:ListResourceRecordSets"],
            "Resource": zone_arns,
        },
        {
            "Sid": "WaitForChange",
            "Effect": "Allow",
            "Action": "route53:GetChange",
            "Resource": "arn:aws:route53:::change/*",
        },
    ]


def _challenge_statement(sid: str, zone_arns: list[str], operator: str, names: list[str]) -> Statement:
    keys = {
        f"{_ROUTE53_KEY}NormalizedRecordNames": names,
        f"{_ROUTE53_KEY}RecordTypes": ["TXT"],
        f"{_ROUTE53_KEY}Actions": ["CREATE", "DELETE"],
    }
    # All three under one operator: the two others have no wildcard in their values.
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": "route53:ChangeResourceRecordSets",
        "Resource": zone_arns,
        "Condition": {f"ForAllValues:{operator}": keys, "Null": dict.fromkeys(keys, "false")},
    }
