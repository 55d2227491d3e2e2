"""The renewal Lambda against the local AWS, with its own policy, and Pebble that looks its records up."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import lambda_renewer.issue
from infrastructure.policies import renewer_policy
from lambda_renewer import aws as renewer_aws
from lambda_renewer.acme_client import AcmeClient
from lambda_renewer.clock import to_rfc3339
from lambda_renewer.document import EMPTY, Certificate, read_document, write_document
from lambda_renewer.errors import AccessDenied, AcmeError, OrderFailed, RequestError, StoreError, ZoneError
from lambda_renewer.handler import handler
from lambda_renewer.request import KEY_TYPES
from lambda_renewer.store import SecretStore
from local_cloud.acme import AcmeServer, Pebble
from local_cloud.dns_server import DnsServer
from local_cloud.ministack.server import REGION, Credentials, LocalAws
from local_cloud.processes import LOOPBACK, free_port
from tests.acme_issuance import verify

ROOT = Path(__file__).parents[2]
LIFETIME = 45 * 86_400
SOON = {"interval_seconds": 31 * 86_400}  # two thirds of the lifetime are over before the next run


class Context:
    """The Lambda context of a run that has just begun."""

    def get_remaining_time_in_millis(self) -> int:
        return 120_000


@dataclass
class Renewer:
    """One certificate's renewer: its zone, its secrets, and a key that may do what the stack allows."""

    aws: LocalAws
    server: AcmeServer
    domain: str
    zone_id: str
    certificate_arn: str
    account_arn: str
    credentials: Credentials
    more_environment: dict[str, str] = field(default_factory=dict)

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
            **changes,
        }

    def environment(self) -> dict[str, str]:
        """What Lambda gives to a function, and nothing of this machine."""
        return {
            "PATH": os.defpath,
            "AWS_ENDPOINT_URL": self.aws.endpoint,
            "AWS_ACCESS_KEY_ID": self.credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": self.credentials.secret_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_LAMBDA_FUNCTION_NAME": "renewer",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "ACCOUNT_SECRET": self.account_arn,
            "NO_PROXY": "*",
            **self.more_environment,
        }

    def run(self, **changes: Any) -> dict[str, Any]:
        """Run the handler in this process as Lambda would."""
        with pytest.MonkeyPatch.context() as patch:
            for name in list(os.environ):
                if name.startswith("AWS_"):
                    patch.delenv(name)
            for name, value in self.environment().items():
                patch.setenv(name, value)
            patch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials it saw first
            return handler(self.event(**changes), Context())

    def start(self, **changes: Any) -> subprocess.Popen[str]:
        """Run the handler in a process of its own; its output is all that a log would hold."""
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
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

    def current(self) -> Certificate:
        certificate = read_document(self.secret_text(self.certificate_arn))
        assert certificate is not None
        return certificate

    def secret_text(self, arn: str, stage: str = "AWSCURRENT") -> str:
        secrets = self.aws.client("secretsmanager")
        return str(secrets.get_secret_value(SecretId=arn, VersionStage=stage)["SecretString"])

    def stages(self, arn: str) -> dict[str, str]:
        """Return version id by stage; a version without a stage is under `none`."""
        secrets = self.aws.client("secretsmanager")
        answer = secrets.list_secret_version_ids(SecretId=arn, IncludeDeprecated=True)
        return {
            stage: version["VersionId"]
            for version in answer["Versions"]
            for stage in version.get("VersionStages") or ["none"]
        }

    def accounts(self) -> dict[str, Any]:
        accounts: dict[str, Any] = json.loads(self.secret_text(self.account_arn))
        return accounts

    def challenge_records(self) -> list[dict[str, Any]]:
        sets = self.aws.client("route53").list_resource_record_sets(HostedZoneId=self.zone_id)
        return [one for one in sets["ResourceRecordSets"] if one["Type"] == "TXT"]

    def put(self, name: str, record_type: str, *values: str) -> None:
        record_set = {
            "Name": name,
            "Type": record_type,
            "TTL": 300,
            "ResourceRecords": [{"Value": value} for value in values],
        }
        self.aws.client("route53").change_resource_record_sets(
            HostedZoneId=self.zone_id,
            ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record_set}]},
        )


# Prints the outcome as its last line, and before it the account that each order was made with.
PROGRAM = """
import json, sys
from lambda_renewer import acme_client
from lambda_renewer.handler import handler
new_order = acme_client.AcmeClient.new_order
def note(self, *args, **rest):
    print("ordered with", self._network.account.uri, flush=True)
    return new_order(self, *args, **rest)
acme_client.AcmeClient.new_order = note
class Context:
    def get_remaining_time_in_millis(self):
        return 120_000
print(json.dumps(handler(json.load(sys.stdin), Context())))
"""


def end(process: subprocess.Popen[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the outcome and the accounts that were ordered with."""
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    lines = output.splitlines()
    return json.loads(lines[-1]), [line.split()[-1] for line in lines if line.startswith("ordered with")]


@pytest.fixture(scope="module")
def dns(local_aws: LocalAws) -> Iterator[DnsServer]:
    with DnsServer(local_aws.client("route53")) as server:
        yield server


@pytest.fixture(scope="module")
def server(pebble: Path, dns: DnsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    # Another Pebble than the machine's, for a check of versions: PEBBLE=path pytest …
    program = Path(os.environ.get("PEBBLE") or pebble)
    with Pebble(program, tmp_path_factory.mktemp("acme"), dns.port, LIFETIME, nonce_reject_percent=5) as made:
        yield made


@pytest.fixture
def another_server(pebble: Path, dns: DnsServer, tmp_path: Path) -> Iterator[Pebble]:
    """A second authority, which refuses half of the nonces."""
    program = Path(os.environ.get("PEBBLE") or pebble)
    with Pebble(program, tmp_path, dns.port, LIFETIME, nonce_reject_percent=50) as made:
        yield made


Allow = Callable[[dict[str, Any]], dict[str, Any]]


def make_renewer(
    aws: LocalAws,
    server: AcmeServer,
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
        zone = aws.client("route53").create_hosted_zone(Name=domain, CallerReference=unique)
        zone_id = zone["HostedZone"]["Id"].rsplit("/", 1)[-1]
    else:
        domain, zone_id = zone_of.domain, zone_of.zone_id
    secrets = aws.client("secretsmanager")
    certificate_arn, account_arn = (
        secrets.create_secret(Name=f"{unique}/{kind}")["ARN"] for kind in ("certificate", "account")
    )
    names = [f"_acme-challenge.{domain}", f"_acme-challenge.nas.sub.{domain}"]
    policy = renewer_policy(
        certificate_arn=certificate_arn,
        account_arn=account_arn,
        log_group_arn=f"arn:aws:logs:{REGION}:000000000000:log-group:renewer",
        zone_arn=f"arn:aws:route53:::hostedzone/{zone_id}",
        challenge_names=names,
    )
    credentials = aws.user(unique, allow(policy))
    return Renewer(aws, server, domain, zone_id, certificate_arn, account_arn, credentials)


@pytest.fixture
def renewer(local_aws: LocalAws, server: Pebble) -> Renewer:
    return make_renewer(local_aws, server)


def without(*sids: str) -> Allow:
    def allow(policy: dict[str, Any]) -> dict[str, Any]:
        kept = [statement for statement in policy["Statement"] if statement["Sid"] not in sids]
        assert len(kept) == len(policy["Statement"]) - len(sids)
        return {**policy, "Statement": kept}

    return allow


# --- The way of a certificate ---------------------------------------------------------------------------


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_the_first_run_issues(renewer: Renewer, key_type: str) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    outcome = renewer.run(key_type=key_type)
    current = renewer.current()
    assert outcome == {
        "name": "nas",
        "action": "renew",
        "renewed": True,
        "reason": "nothing was issued yet",
        "serial": current.serial,
        "not_after": to_rfc3339(current.not_after),
    }
    names = (renewer.domain, f"*.{renewer.domain}")
    assert (current.name, current.domains, current.key_type) == ("nas", names, key_type)
    assert (current.acme_directory, current.profile) == (renewer.server.directory_url, "classic")
    assert before <= current.issued_at <= datetime.now(UTC)
    leaf = x509.load_pem_x509_certificate(current.leaf.encode())
    chain = [leaf, *x509.load_pem_x509_certificates(current.chain.encode())]
    for name in (renewer.domain, f"www.{renewer.domain}"):
        verify(chain, renewer.server.issuing_root(), name)
    key = serialization.load_pem_private_key(current.private_key.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    assert isinstance(key, rsa.RSAPrivateKey) is key_type.startswith("rsa")
    assert key.key_size == int(key_type.lstrip("rsaec"))
    assert key.public_key() == leaf.public_key()
    assert renewer.challenge_records() == []
    account = renewer.accounts()[renewer.server.directory_url]
    assert set(account) == {"key", "kid", "contact", "terms_agreed"}
    assert set(account["key"]) == {"kty", "crv", "x", "y", "d"}
    assert account["kid"].startswith("https://127.0.0.1:")
    assert account["terms_agreed"] == renewer.server.directory()["meta"]["termsOfService"]
    stages = renewer.stages(renewer.certificate_arn)
    assert stages.keys() == {"AWSCURRENT", "AWSPREVIOUS"}
    assert renewer.secret_text(renewer.certificate_arn, "AWSPREVIOUS") == EMPTY
    assert renewer.stages(renewer.account_arn).keys() == {"AWSCURRENT"}


def test_a_run_that_is_not_due_asks_nobody_and_changes_nothing(renewer: Renewer) -> None:
    renewer.run()
    stages = [renewer.stages(arn) for arn in (renewer.certificate_arn, renewer.account_arn)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AcmeClient, "__init__", None)  # the authority could as well be down
        outcome = renewer.run()
    current = renewer.current()
    due = to_rfc3339(current.not_before + (current.not_after - current.not_before) * 2 / 3)
    assert outcome == {
        "name": "nas",
        "action": "renew",
        "renewed": False,
        "reason": f"it is not due before {due}",
        "serial": current.serial,
        "not_after": to_rfc3339(current.not_after),
        "due": due,
    }
    assert [renewer.stages(arn) for arn in (renewer.certificate_arn, renewer.account_arn)] == stages


def test_a_run_that_is_not_due_needs_no_authority(local_aws: LocalAws, another_server: Pebble) -> None:
    renewer = make_renewer(local_aws, another_server)
    renewer.run()  # and half of all nonces are refused here
    another_server.stop()
    assert renewer.run()["renewed"] is False
    with pytest.raises(AcmeError, match=f"{another_server.directory_url} cannot be reached"):
        renewer.run(**SOON)


def test_a_due_certificate_is_renewed_with_the_known_account(renewer: Renewer) -> None:
    foreign = ('"foreign-value"', '"two" "strings"')
    renewer.put(f"_acme-challenge.{renewer.domain}", "TXT", *foreign)
    before = renewer.challenge_records()
    renewer.run()
    old, accounts = renewer.current(), renewer.accounts()
    old_version = renewer.stages(renewer.certificate_arn)["AWSCURRENT"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AcmeClient, "new_account", None)
        outcome = renewer.run(**SOON)
    new = renewer.current()
    assert outcome["renewed"] is True
    assert "it is due at" in outcome["reason"]
    assert outcome["serial"] == new.serial != old.serial
    assert new.private_key != old.private_key
    stages = renewer.stages(renewer.certificate_arn)
    assert stages["AWSPREVIOUS"] == old_version
    assert read_document(renewer.secret_text(renewer.certificate_arn, "AWSPREVIOUS")) == old
    assert set(stages) - {"none"} == {"AWSCURRENT", "AWSPREVIOUS"}
    assert renewer.challenge_records() == before
    assert renewer.accounts() == accounts
    assert renewer.stages(renewer.account_arn).keys() == {"AWSCURRENT"}


def test_one_account_a_directory(renewer: Renewer, another_server: Pebble) -> None:
    renewer.run()
    first = renewer.accounts()
    moved = replace(renewer, server=another_server)
    outcome = moved.run()
    assert "the ACME directory changed" in outcome["reason"]
    both = renewer.accounts()
    assert both.keys() == {renewer.server.directory_url, another_server.directory_url}
    assert both[renewer.server.directory_url] == first[renewer.server.directory_url]
    assert both[another_server.directory_url]["key"] != both[renewer.server.directory_url]["key"]
    assert renewer.current().acme_directory == another_server.directory_url
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AcmeClient, "new_account", None)
        assert renewer.run()["renewed"]  # back again, with the account that is known
    assert renewer.accounts() == both


def test_changed_domains_are_issued_at_once(renewer: Renewer) -> None:
    renewer.run()
    outcome = renewer.run(domains=[f"nas.sub.{renewer.domain}"])
    assert outcome["renewed"] is True
    assert "the domains changed" in outcome["reason"]
    assert renewer.current().domains == (f"nas.sub.{renewer.domain}",)
    assert renewer.challenge_records() == []


# --- Two at once ----------------------------------------------------------------------------------------


def test_two_runs_on_the_very_first_day(renewer: Renewer) -> None:
    outcomes, accounts = [], []
    for outcome, used in [end(process) for process in [renewer.start(), renewer.start()]]:
        outcomes.append(outcome)
        accounts += used
    current = renewer.current()
    assert any(outcome["renewed"] for outcome in outcomes)
    assert {outcome["serial"] for outcome in outcomes} == {current.serial}
    [account] = renewer.accounts().values()
    assert set(accounts) == {account["kid"]}
    chain = x509.load_pem_x509_certificates((current.leaf + current.chain).encode())
    verify(chain, renewer.server.issuing_root(), renewer.domain)
    assert renewer.challenge_records() == []


def test_the_loser_of_two_renewals_adopts_the_winners(
    renewer: Renewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewer.run()
    issue = lambda_renewer.issue.issue

    def issue_while_another_does(*arguments: Any) -> Certificate:
        issued = issue(*arguments)
        store = SecretStore(renewer_aws.client("secretsmanager"), renewer.certificate_arn)
        store.write(write_document(replace(issued, serial="abc")), based_on=store.read())
        return issued

    monkeypatch.setattr(lambda_renewer.issue, "issue", issue_while_another_does)
    outcome = renewer.run(**SOON)
    assert (outcome["renewed"], outcome["serial"]) == (False, "abc")
    assert renewer.current().serial == "abc"
    assert renewer.challenge_records() == []


# --- What goes wrong, in words ----------------------------------------------------------------------------


def nothing_was_stored(renewer: Renewer) -> None:
    assert renewer.secret_text(renewer.certificate_arn) == EMPTY
    assert renewer.stages(renewer.certificate_arn).keys() == {"AWSCURRENT"}
    assert renewer.challenge_records() == []


def test_terms_that_are_not_agreed(renewer: Renewer) -> None:
    terms = renewer.server.directory()["meta"]["termsOfService"]
    with pytest.raises(RequestError, match=f"terms_agreed is False; .* terms of service are at {terms}"):
        renewer.run(terms_agreed=False)
    nothing_was_stored(renewer)
    assert renewer.stages(renewer.account_arn) == {}


def test_a_profile_that_is_not_offered(renewer: Renewer) -> None:
    offered = "classic" if renewer.server.supports_profiles else "no profiles"
    with pytest.raises(RequestError, match=f"profile is 'shortlived'; the directory offers {offered}"):
        renewer.run(profile="shortlived")
    nothing_was_stored(renewer)


def forbid_by_caa(patch: pytest.MonkeyPatch) -> None:
    """Replace what Pebble says of the order: it looks at no CAA record (letsencrypt/pebble issue 476)."""
    post = AcmeClient._post
    answered: list[str] = []
    error = {
        "type": "urn:ietf:params:acme:error:caa",
        "detail": "CAA record for the domain prevents issuance",
        "status": 403,
    }

    def forbidding(self: AcmeClient, where: str, body: Any) -> requests.Response:
        response = post(self, where, body)
        if "/chalZ/" in where:
            answered.append(where)
        if answered and response.headers["Content-Type"].startswith("application/json"):
            document = response.json()
            if "authorizations" in document:
                document["status"] = "invalid"
            for challenge in document.get("challenges", ()):
                challenge["error"] = error
            response._content = json.dumps(document).encode()
        return response

    patch.setattr(AcmeClient, "_post", forbidding)


def test_a_caa_record_that_forbids(renewer: Renewer) -> None:
    with pytest.MonkeyPatch.context() as patch:
        forbid_by_caa(patch)
        with pytest.raises(OrderFailed) as raised:
            renewer.run(domains=[renewer.domain])
    text = str(raised.value)
    assert f"{renewer.domain}: urn:ietf:params:acme:error:caa: CAA record for the domain prevents" in text
    assert "allow it at the domain, or remove the record" in text
    nothing_was_stored(renewer)
    assert renewer.run(domains=[renewer.domain])["renewed"] is True


def test_a_name_in_no_zone(renewer: Renewer) -> None:
    with pytest.raises(ZoneError, match=rf"_acme-challenge\.other\.test is in none .* {renewer.domain}"):
        renewer.run(domains=["other.test"])
    nothing_was_stored(renewer)


def test_a_zone_that_the_world_does_not_ask(renewer: Renewer) -> None:
    renewer.put(f"sub.{renewer.domain}", "NS", "ns-1.example.net.")
    with pytest.raises(OrderFailed) as raised:
        renewer.run(domains=[f"nas.sub.{renewer.domain}"])
    assert f"nas.sub.{renewer.domain}: urn:ietf:params:acme:error:" in str(raised.value)
    assert "name servers at the registrar are those of the hosted zone" in str(raised.value)
    nothing_was_stored(renewer)


def test_an_authority_that_is_down(renewer: Renewer) -> None:
    directory = f"https://{LOOPBACK}:{free_port()}/dir"
    with pytest.raises(AcmeError, match=f"{directory} cannot be reached: .* The schedule tries again"):
        renewer.run(directory=directory)
    nothing_was_stored(renewer)


def test_an_authority_that_another_root_vouches_for(renewer: Renewer) -> None:
    with pytest.raises(AcmeError, match="certificate verify failed"):
        renewer.run(ca_root=renewer.server.issuing_root())
    nothing_was_stored(renewer)


@pytest.mark.parametrize(
    ("sid", "operation"),
    [
        ("ChangeOwnChallengeRecords", "ChangeResourceRecordSets"),
        ("ReadZone", "ListResourceRecordSets"),
        ("WaitForChange", "GetChange"),
    ],
)
def test_a_missing_permission_is_named(local_aws: LocalAws, server: Pebble, sid: str, operation: str) -> None:
    renewer = make_renewer(local_aws, server, without(sid))
    with pytest.raises(AccessDenied, match=f"AWS refused {operation}: .* run `pulumi up`"):
        renewer.run()
    nothing_was_stored(renewer)


def test_another_records_name_is_denied(renewer: Renewer) -> None:
    with pytest.raises(AccessDenied, match="ChangeResourceRecordSets"):
        renewer.run(domains=[f"other.{renewer.domain}"])
    nothing_was_stored(renewer)


def test_without_its_secrets_nothing_begins(local_aws: LocalAws, server: Pebble) -> None:
    renewer = make_renewer(local_aws, server, without("KeepSecrets"))
    with pytest.raises(AccessDenied, match="AWS refused GetSecretValue"):
        renewer.run()
    assert renewer.stages(renewer.certificate_arn) == {}


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"DIRECTORY": {"kid": "x"}}', '{"DIRECTORY": []}'])
def test_an_account_document_that_cannot_be_read(renewer: Renewer, text: str) -> None:
    text = text.replace("DIRECTORY", renewer.server.directory_url)
    renewer.aws.client("secretsmanager").put_secret_value(SecretId=renewer.account_arn, SecretString=text)
    with pytest.raises(StoreError, match="account"):
        renewer.run()
    nothing_was_stored(renewer)


# --- Keys stay where they belong --------------------------------------------------------------------------


def secrets_of(renewer: Renewer) -> list[str]:
    """All that must be in no log: "PRIVATE KEY", the lines of the keys, and the accounts' `d`."""
    found = ["PRIVATE KEY"]
    for stage in ("AWSCURRENT", "AWSPREVIOUS"):
        certificate = read_document(renewer.secret_text(renewer.certificate_arn, stage))
        if certificate is not None:
            found += certificate.private_key.splitlines()[1:-1]
    found += [account["key"]["d"] for account in renewer.accounts().values()]
    return found


def test_no_output_holds_a_key(renewer: Renewer) -> None:
    runs: list[dict[str, Any]] = [{"key_type": "rsa2048"}, {"key_type": "rsa2048", **SOON}, {}]
    output = [renewer.start(**changes).communicate(timeout=60)[0] for changes in runs]
    failed = renewer.start(domains=[f"other.{renewer.domain}"])  # its record's name is not allowed
    output.append(failed.communicate(timeout=60)[0])
    assert failed.returncode != 0
    assert "renewal done" in output[0]
    assert "renewal failed" in output[-1]
    secrets = secrets_of(renewer)
    assert len(secrets) > 5
    assert not [secret for secret in secrets for text in output if secret in text]


def test_a_certificate_that_cannot_be_stored_is_not_told_either(local_aws: LocalAws, server: Pebble) -> None:
    def allow(policy: dict[str, Any]) -> dict[str, Any]:
        denied = {
            "Sid": "No",
            "Effect": "Deny",
            "Action": "secretsmanager:PutSecretValue",
            "Resource": next(
                arn
                for statement in policy["Statement"]
                if statement["Sid"] == "KeepSecrets"
                for arn in statement["Resource"]
                if "certificate" in arn
            ),
        }
        return {**policy, "Statement": [*policy["Statement"], denied]}

    renewer = make_renewer(local_aws, server, allow)
    local_aws.client("secretsmanager").put_secret_value(SecretId=renewer.certificate_arn, SecretString=EMPTY)
    process = renewer.start()
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "AccessDenied: AWS refused PutSecretValue" in output
    assert "PRIVATE KEY" not in output
    assert renewer.accounts()[server.directory_url]["key"]["d"] not in output
    nothing_was_stored(renewer)


# --- Route 53 under pressure: case 4 from the field -------------------------------------------------------


_BUSY_CALLS = 12


class BusyRoute53:
    """Stands before Route 53 and refuses each second of the first dozen calls.

    After more of them botocore's adaptive retry waits a second a call, and the test would, too.
    """

    def __init__(self, target: str) -> None:
        self.refused: list[str] = []
        host, port = urlsplit(target).hostname, urlsplit(target).port
        lock, calls, refused = threading.Lock(), [0], self.refused

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with lock:
                    calls[0] += 1
                    busy = calls[0] % 2 == 0 and calls[0] <= _BUSY_CALLS
                    if busy:
                        changing = b"ChangeResourceRecordSetsRequest" in body
                        refused.append("PriorRequestNotComplete" if changing else "Throttling")
                        content, status = _refusal(refused[-1]), 400
                if not busy:
                    connection = http.client.HTTPConnection(host or LOOPBACK, port, timeout=30)
                    connection.request(self.command, self.path, body, dict(self.headers.items()))
                    answer = connection.getresponse()
                    content, status = answer.read(), answer.status
                    connection.close()
                self.send_response(status)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = answer  # noqa: N815 - the names that http.server asks for

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.endpoint = f"http://{LOOPBACK}:{self._server.server_port}"

    @contextmanager
    def serve(self) -> Iterator[str]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self.endpoint
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def _refusal(code: str) -> bytes:
    return (
        '<?xml version="1.0"?><ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/">'
        f"<Error><Type>Sender</Type><Code>{code}</Code><Message>Rate exceeded</Message></Error>"
        "<RequestId>1</RequestId></ErrorResponse>"
    ).encode()


def test_two_certificates_while_route_53_is_busy(renewer: Renewer, local_aws: LocalAws) -> None:
    both = [renewer, make_renewer(local_aws, renewer.server, zone_of=renewer)]
    busy = BusyRoute53(local_aws.endpoint)
    with busy.serve() as endpoint:
        throttled = {"AWS_ENDPOINT_URL_ROUTE_53": endpoint}
        processes = [replace(one, more_environment=throttled).start() for one in both]
        outcomes = [end(process)[0] for process in processes]
    assert set(busy.refused) == {"Throttling", "PriorRequestNotComplete"}
    assert [outcome["renewed"] for outcome in outcomes] == [True, True]
    assert [outcome["serial"] for outcome in outcomes] == [one.current().serial for one in both]
    assert renewer.challenge_records() == []
