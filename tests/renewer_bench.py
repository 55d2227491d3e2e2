"""One certificate's renewer against the local AWS and an ACME server, run in process or in one of its own.

Whatever a run says (log lines, metrics, outcome, error) is searched for every key that its secrets hold.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import logging
import os
import subprocess
import sys
import traceback
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

import lambda_renewer.log
import lambda_renewer.run
from infrastructure.policies import renewer_policy
from lambda_renewer import clock
from lambda_renewer.document import Certificate, NoCertificate, read_document
from lambda_renewer.handler import handler
from lambda_renewer.pending import Pending, read_pending
from local_cloud.acme import AcmeServer
from local_cloud.ministack.server import REGION, Credentials, LocalAws
from local_cloud.processes import LOOPBACK

ROOT = Path(__file__).parents[1]
LIFETIME = 45 * 86_400
SOON: dict[str, Any] = {
    "interval_seconds": 31 * 86_400
}  # two thirds of the lifetime are over before the next run
NEXT_RUN = timedelta(hours=13)
LAMBDA_SECONDS = 120

Allow = Callable[[dict[str, Any]], dict[str, Any]]


class Died(BaseException):
    """The Lambda was killed: no `except Exception` of ours sees it."""


class Context:
    """The Lambda context of a run that has just begun."""

    def get_remaining_time_in_millis(self) -> int:
        return LAMBDA_SECONDS * 1000


def lambda_environment(endpoint: str, credentials: Credentials, dns_port: int) -> dict[str, str]:
    """What Lambda gives to a function, and nothing of this machine."""
    return {
        "PATH": os.defpath,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_LAMBDA_FUNCTION_NAME": "renewer",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "DNS_RESOLVER": f"{LOOPBACK}:{dns_port}",
        "NO_PROXY": "*",
    }


@dataclass
class Renewer:
    """One certificate's renewer: its zone, its secrets, and a key that may do what the stack allows.

    Attributes:
        patience: how many seconds a denial is retried.
        said: what the runs wrote, one text a run.
        more_keys: what else must be in no log.
    """

    aws: LocalAws
    server: AcmeServer
    domain: str
    zone_id: str
    certificate_arn: str
    account_arn: str
    credentials: Credentials
    dns_port: int
    more_environment: dict[str, str] = field(default_factory=dict)
    more_fields: dict[str, Any] = field(default_factory=dict)
    patience: float = 0.0
    said: list[str] = field(default_factory=list)
    more_keys: list[str] = field(default_factory=list)

    def event(self, **changes: Any) -> dict[str, Any]:
        return {
            "action": "renew",
            "name": "nas",
            "domains": [self.domain, f"*.{self.domain}"],
            "key_type": "ec256",
            "profile": "classic",
            "directory": self.server.directory_url,
            "contact": "admin@example.com",
            "terms_agreed": True,
            "ca_root": self.server.ca_root.read_text(),
            "zones": {self.domain: {"id": self.zone_id}},
            "secret": self.certificate_arn,
            "interval_seconds": 43_200,
            "window_seconds": 21_600,
            **self.more_fields,
            **changes,
        }

    def environment(self) -> dict[str, str]:
        """What Lambda gives to a function, and nothing of this machine."""
        return {
            **lambda_environment(self.aws.endpoint, self.credentials, self.dns_port),
            "ACCOUNT_SECRET": self.account_arn,
            **self.more_environment,
        }

    def run(self, *, later: timedelta = timedelta(0), **changes: Any) -> dict[str, Any]:
        """Run the handler in this process as Lambda would, on a clock that is `later` than the real one."""
        with pytest.MonkeyPatch.context() as patch, _heard() as said:
            for name in list(os.environ):
                if name.startswith("AWS_"):
                    patch.delenv(name)
            for name, value in self.environment().items():
                patch.setenv(name, value)
            patch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials it saw first
            patch.setattr(lambda_renewer.run, "_IAM_SECONDS", self.patience)
            patch.setattr(clock, "now", lambda: datetime.now(UTC) + later)
            try:
                outcome: dict[str, Any] = handler(self.event(**changes), Context())
                said.write(json.dumps(outcome))
            except BaseException:
                said.write(traceback.format_exc())
                raise
            finally:
                self.said.append(said.getvalue())
                self.assert_silent(said.getvalue())
        return outcome

    def start(self, **changes: Any) -> subprocess.Popen[str]:
        """Run the handler in a process of its own; its output is all that a log would hold."""
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.patience)],
            env={**self.environment(), "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(self.event(**changes)))
        process.stdin.close()
        process.stdin = None
        return process

    def end(self, process: subprocess.Popen[str]) -> str:
        """Wait for what `start` began; return its output."""
        output, _ = process.communicate(timeout=60)
        self.said.append(output)
        self.assert_silent(output)
        return output

    def assert_silent(self, text: str) -> None:
        """Hold `text` to this: none of the keys is in it that the secrets hold now."""
        assert [f"{key[:6]}…" for key in self.forbidden() if key in text] == []

    def forbidden(self) -> list[str]:
        """Return all that must be in no log: "PRIVATE KEY", the lines of the keys, the accounts' `d`."""
        found = ["PRIVATE KEY", *self.more_keys]
        for stage in ("AWSCURRENT", "AWSPREVIOUS", "AWSPENDING"):
            text = self.secret_text(self.certificate_arn, stage)
            if text:
                key = json.loads(text).get("private_key") or ""
                found += key.splitlines()[1:-1]
        accounts = self.secret_text(self.account_arn)
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
            found += [account["key"]["d"] for account in json.loads(accounts or "{}").values()]
        return found

    def document(self) -> Certificate | NoCertificate:
        text = self.secret_text(self.certificate_arn)
        assert text is not None
        return read_document(text)

    def current(self) -> Certificate:
        certificate = self.document()
        assert isinstance(certificate, Certificate)
        return certificate

    def pending(self) -> Pending:
        text = self.secret_text(self.certificate_arn, "AWSPENDING")
        assert text is not None
        return read_pending(text)

    def secret_text(self, arn: str, stage: str = "AWSCURRENT") -> str | None:
        secrets = _client(self.aws, "secretsmanager")
        try:
            return str(secrets.get_secret_value(SecretId=arn, VersionStage=stage)["SecretString"])
        except secrets.exceptions.ResourceNotFoundException:
            return None

    def stages(self, arn: str) -> dict[str, str]:
        """Return version id by stage; a version without a stage is under `none`."""
        secrets = _client(self.aws, "secretsmanager")
        answer = secrets.list_secret_version_ids(SecretId=arn, IncludeDeprecated=True)
        return {
            stage: version["VersionId"]
            for version in answer["Versions"]
            for stage in version.get("VersionStages") or ["none"]
        }

    def accounts(self) -> dict[str, Any]:
        accounts: dict[str, Any] = json.loads(self.secret_text(self.account_arn) or "{}")
        return accounts

    def challenge_records(self, zone_id: str | None = None) -> list[dict[str, Any]]:
        sets = _client(self.aws, "route53").list_resource_record_sets(HostedZoneId=zone_id or self.zone_id)
        return [dict(one) for one in sets["ResourceRecordSets"] if one["Type"] == "TXT"]

    def put(self, name: str, record_type: Any, *values: str) -> None:
        _client(self.aws, "route53").change_resource_record_sets(
            HostedZoneId=self.zone_id,
            ChangeBatch={
                "Changes": [
                    {
                        "Action": "UPSERT",
                        "ResourceRecordSet": {
                            "Name": name,
                            "Type": record_type,
                            "TTL": 300,
                            "ResourceRecords": [{"Value": value} for value in values],
                        },
                    }
                ]
            },
        )


# Prints the outcome as its last line, and before it the account that each order was made with.
PROGRAM = """
import json, sys
import lambda_renewer.log
import lambda_renewer.run
from lambda_renewer import acme_client
from lambda_renewer.handler import handler
lambda_renewer.run._IAM_SECONDS = float(sys.argv[1])
new_order = acme_client.AcmeClient.new_order
def note(self, *args, **rest):
    print("ordered with", self.kid, flush=True)
    return new_order(self, *args, **rest)
acme_client.AcmeClient.new_order = note
class Context:
    def get_remaining_time_in_millis(self):
        return 120_000
print(json.dumps(handler(json.load(sys.stdin), Context())))
"""


@functools.cache
def _client(aws: LocalAws, service: str) -> Any:
    """Return one client a service for all of these tests: making one takes longer than most calls."""
    return aws.client(service)


@contextlib.contextmanager
def _heard() -> Iterator[io.StringIO]:
    """Catch what a run writes: Powertools' log lines, other loggers' warnings, the metrics on stdout."""
    said = io.StringIO()
    other = logging.StreamHandler(said)
    other.setLevel(logging.WARNING)
    root = logging.getLogger()
    own = [one for one in lambda_renewer.log.log.handlers if isinstance(one, logging.StreamHandler)]
    assert own
    streams = [one.setStream(said) for one in own]
    root.addHandler(other)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            yield said
    finally:
        root.removeHandler(other)
        for one, stream in zip(own, streams, strict=True):
            one.setStream(stream)


def make_zone(aws: LocalAws, name: str) -> str:
    """Make a hosted zone; return its id."""
    zone = _client(aws, "route53").create_hosted_zone(Name=name, CallerReference=uuid.uuid4().hex)
    return str(zone["HostedZone"]["Id"]).rsplit("/", 1)[-1]


def make_renewer(
    aws: LocalAws,
    server: AcmeServer,
    dns_port: int,
    allow: Allow = lambda policy: policy,
    *,
    zone_of: Renewer | None = None,
) -> Renewer:
    """Make what the stack makes for one certificate; `allow` may change the policy.

    The zone is a new one, or that of another certificate.
    """
    unique = f"r{uuid.uuid4().hex[:10]}"
    if zone_of is None:
        domain = f"{unique}.test"
        zone_id = make_zone(aws, domain)
    else:
        domain, zone_id = zone_of.domain, zone_of.zone_id
    secrets = _client(aws, "secretsmanager")
    certificate_arn, account_arn = (
        secrets.create_secret(Name=f"{unique}/{kind}")["ARN"] for kind in ("certificate", "account")
    )
    names = [f"_acme-challenge.{domain}", f"_acme-challenge.nas.sub.{domain}"]
    policy = renewer_policy(
        certificate_arn=certificate_arn,
        account_arn=account_arn,
        log_group_arn=f"arn:aws:logs:{REGION}:000000000000:log-group:renewer",
        challenges={f"arn:aws:route53:::hostedzone/{zone_id}": names},
    )
    credentials = aws.user(unique, allow(policy))
    return Renewer(aws, server, domain, zone_id, certificate_arn, account_arn, credentials, dns_port)


def without(*sids: str) -> Allow:
    """Return a change of policy: the statements `sids` are missing."""

    def allow(policy: dict[str, Any]) -> dict[str, Any]:
        kept = [statement for statement in policy["Statement"] if statement["Sid"] not in sids]
        assert len(kept) == len(policy["Statement"]) - len(sids)
        return {**policy, "Statement": kept}

    return allow


def also(**statement: Any) -> Allow:
    """Return a change of policy: one more statement."""

    def allow(policy: dict[str, Any]) -> dict[str, Any]:
        more = {"Sid": "More", "Effect": "Allow", **statement}
        return {**policy, "Statement": [*policy["Statement"], more]}

    return allow
