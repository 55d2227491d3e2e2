"""The policies of a stack for the tests of them, and IAM's rules for the conditions that they use."""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Iterator
from typing import Any

from infrastructure.policies import (
    nas_policy,
    renewer_policy,
    scheduler_policy,
    zone_role_policy,
)

ACCOUNT = "123456789012"
DOMAIN = "home.example.co.uk"
PREFIX = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:synology-https/production"
CERTIFICATES = f"{PREFIX}/certificate/*"
CERTIFICATE = f"{PREFIX}/certificate/{DOMAIN}-20261125023620900000000001-AbCdEf"
OTHER_CERTIFICATE = f"{PREFIX}/certificate/office-20261125023620900000000002-AbCdEf"
ACME_ACCOUNT = f"{PREFIX}/acme-account-20261125023621baba00000002-AbCdEf"
EAB = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:zerossl-AbCdEf"
ZONE_ROLE = "arn:aws:iam::210987654321:role/dns-for-renewer"
LOG_GROUP = (
    f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:/synology-https/renewer-20261125023620324300000003"
)
ZONE = "arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"
OTHER_ZONE = "arn:aws:route53:::hostedzone/Z1123456789ABCDEFGHIJ"
FUNCTION = f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:renewer-ea97c4d"
TOPIC = f"arn:aws:sns:eu-central-1:{ACCOUNT}:notices-ea97c4d"
NAMESPACE = "synology-https/production/synology"
OFFICE = "203.0.113.0/29"
TAG = "nas:synology"
TXT = f"_acme-challenge.{DOMAIN}"
OTHER_TXT = "_acme-challenge.example.org"
ROUTE53 = "route53:ChangeResourceRecordSets"
STAGE = "secretsmanager:VersionStage"
NAMESPACE_KEY = "cloudwatch:namespace"
REGION = "eu-central-1"
REGION_KEY = "aws:RequestedRegion"
TAG_KEY = f"aws:ResourceTag/{TAG}"
SOURCE_IP = "aws:SourceIp"

RENEWER = renewer_policy(
    certificate_arn=CERTIFICATES,
    account_arn=ACME_ACCOUNT,
    log_group_arn=LOG_GROUP,
    challenges={ZONE: [TXT], OTHER_ZONE: [OTHER_TXT]},
    eab_secrets=[EAB],
    zone_roles=[ZONE_ROLE],
    topic_arn=TOPIC,
)
BY_PATTERN = renewer_policy(
    certificate_arn=CERTIFICATES,
    account_arn=ACME_ACCOUNT,
    log_group_arn=LOG_GROUP,
    challenges={
        ZONE: [TXT, "home.acme.example.co.uk", *(f"_acme-challenge.{n}.{DOMAIN}" for n in range(1000))]
    },
)
SCHEDULER = scheduler_policy(FUNCTION)
NAS = nas_policy(certificate_arns=[CERTIFICATE], metric_namespace=NAMESPACE)
NAS_AT_OFFICE = nas_policy(
    certificate_arns=[CERTIFICATE, OTHER_CERTIFICATE], metric_namespace=NAMESPACE, source_ips=[OFFICE]
)
NAS_BY_TAG = nas_policy(
    certificate_arns=[CERTIFICATES], metric_namespace=NAMESPACE, tag=TAG, source_ips=[OFFICE]
)
ZONE_ROLE_POLICY = zone_role_policy(ZONE, [TXT])
PERMISSIONS = {
    "zone role": ZONE_ROLE_POLICY,
    "renewer": RENEWER,
    "renewer by pattern": BY_PATTERN,
    "scheduler": SCHEDULER,
    "nas": NAS,
    "nas at the office": NAS_AT_OFFICE,
    "nas by tag": NAS_BY_TAG,
}


def statements() -> Iterator[dict[str, Any]]:
    for document in PERMISSIONS.values():
        yield from document["Statement"]


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def condition_holds(condition: dict[str, dict[str, Any]], context: dict[str, str | list[str]]) -> bool:
    """Evaluate the operators that the policies use as IAM documents them: ANDed, and any other fails."""
    for operator, keys in condition.items():
        for key, wanted in keys.items():
            values = as_list(context.get(key, []))
            match operator:
                case "Null":
                    holds = (key not in context) == (wanted == "true")
                case "StringEquals":
                    holds = key in context and context[key] in as_list(wanted)
                case "IpAddress":
                    holds = bool(values) and any(
                        ipaddress.ip_address(values[0]) in ipaddress.ip_network(one) for one in wanted
                    )
                case "ForAllValues:StringEquals":  # "also returns true if there are no context keys"
                    holds = set(values) <= set(as_list(wanted))
                case "ForAllValues:StringLike":
                    holds = all(any(fnmatch.fnmatchcase(v, one) for one in as_list(wanted)) for v in values)
                case "ArnLike":
                    holds = bool(values) and any(
                        fnmatch.fnmatchcase(values[0], one) for one in as_list(wanted)
                    )
                case _:  # an operator that a policy begins to use is given its meaning above first
                    raise NotImplementedError(operator)
            if not holds:
                return False
    return True


def by_sid(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["Sid"]: one for one in document["Statement"]}


CHANGE: dict[str, str | list[str]] = {
    f"{ROUTE53}NormalizedRecordNames": [TXT],
    f"{ROUTE53}RecordTypes": ["TXT"],
    f"{ROUTE53}Actions": ["DELETE", "CREATE"],
}
