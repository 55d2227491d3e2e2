"""The renewal Lambda against the local AWS, with its own policy, and Pebble that looks its records up."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import lambda_renewer.issue
from lambda_renewer.acme_client import AcmeClient
from lambda_renewer.clock import to_rfc3339
from lambda_renewer.document import EMPTY, Certificate, write_document
from lambda_renewer.errors import AccessDenied, AcmeError, OrderFailed, RequestError, StoreError, ZoneError
from lambda_renewer.request import KEY_TYPES
from lambda_renewer.store import SecretStore
from local_cloud.acme import Pebble
from local_cloud.dns_server import DnsServer
from local_cloud.ministack.server import LocalAws
from local_cloud.processes import LOOPBACK, free_port
from tests.acme_issuance import verify
from tests.renewer_bench import LIFETIME, NEXT_RUN, SOON, Allow, Renewer, also, make_renewer, without


def end(renewer: Renewer, process: subprocess.Popen[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the outcome and the accounts that were ordered with."""
    output = renewer.end(process)
    assert process.returncode == 0, output
    lines = output.splitlines()
    return json.loads(lines[-1]), [line.split()[-1] for line in lines if line.startswith("ordered with")]


@pytest.fixture
def another_server(pebble: Path, dns: DnsServer, tmp_path: Path) -> Iterator[Pebble]:
    """A second authority, which refuses half of the nonces."""
    program = Path(os.environ.get("PEBBLE") or pebble)
    with Pebble(program, tmp_path, dns.port, LIFETIME, nonce_reject_percent=50) as made:
        yield made


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
        "reason": "there is no certificate",
        "serial": current.serial,
        "not_after": to_rfc3339(current.not_after),
        "life_left": 1.0,
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
    assert current.acme_account == account["kid"]
    stages = renewer.stages(renewer.certificate_arn)
    assert stages.keys() - {"none"} == {"AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"}
    assert stages["AWSCURRENT"] == stages["AWSPENDING"]  # nothing is in flight any more
    assert renewer.secret_text(renewer.certificate_arn, "AWSPREVIOUS") == EMPTY
    assert renewer.stages(renewer.account_arn).keys() <= {"AWSCURRENT", "AWSPENDING"}


def test_a_run_that_is_not_due_makes_no_order_and_changes_nothing(renewer: Renewer) -> None:
    renewer.run()
    stages = [renewer.stages(arn) for arn in (renewer.certificate_arn, renewer.account_arn)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AcmeClient, "__init__", None)
        outcome = renewer.run()
    current = renewer.current()
    due = to_rfc3339(current.not_before + (current.not_after - current.not_before) * 2 / 3)
    assert outcome == {
        "name": "nas",
        "action": "renew",
        "renewed": False,
        "reason": f"it is not due before {due}, two thirds of its lifetime",
        "serial": current.serial,
        "not_after": to_rfc3339(current.not_after),
        "life_left": 1.0,
        "due": due,
    }
    assert [renewer.stages(arn) for arn in (renewer.certificate_arn, renewer.account_arn)] == stages


def test_a_run_that_is_not_due_needs_no_authority(
    local_aws: LocalAws, another_server: Pebble, dns: DnsServer
) -> None:
    renewer = make_renewer(local_aws, another_server, dns.port)
    renewer.run()  # and half of all nonces are refused here
    another_server.stop()
    assert renewer.run()["renewed"] is False
    with pytest.raises(AcmeError, match=f"cannot be reached at {another_server.directory_url}: "):
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
    assert renewer.secret_text(renewer.certificate_arn, "AWSPREVIOUS") == write_document(old)
    assert set(stages) - {"none"} == {"AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"}
    assert stages["AWSCURRENT"] == stages["AWSPENDING"]
    assert renewer.challenge_records() == before
    assert renewer.accounts() == accounts


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
    for outcome, used in [end(renewer, process) for process in [renewer.start(), renewer.start()]]:
        outcomes.append(outcome)
        accounts += used
    current = renewer.current()
    assert any(outcome["renewed"] for outcome in outcomes)
    for outcome in outcomes:
        if not outcome["renewed"]:  # its reason is the other run, or the certificate that this one made
            assert re.search("another run works on it|it is not due before", outcome["reason"])
        assert outcome.get("serial", current.serial) == current.serial
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
        store = SecretStore(renewer.aws.client("secretsmanager"), renewer.certificate_arn)
        document = write_document(replace(issued, serial="abc"))
        store.write(document, ["AWSCURRENT", "AWSPENDING"], based_on=store.read())
        return issued

    monkeypatch.setattr(lambda_renewer.issue, "issue", issue_while_another_does)
    outcome = renewer.run(**SOON)
    assert (outcome["renewed"], outcome["serial"]) == (False, "abc")
    assert outcome["reason"] == "another run works on it"
    assert renewer.current().serial == "abc"
    assert renewer.challenge_records() == []


# --- What goes wrong, in words ----------------------------------------------------------------------------


def nothing_was_issued(renewer: Renewer) -> None:
    """The state is `empty` still; the failure is remembered without a lease."""
    assert renewer.secret_text(renewer.certificate_arn) == EMPTY
    stages = renewer.stages(renewer.certificate_arn)
    assert stages.keys() - {"none"} == {"AWSCURRENT", "AWSPENDING"}
    assert stages["AWSCURRENT"] != stages["AWSPENDING"]
    pending = renewer.pending()
    assert (pending.failures, pending.attempt, pending.lease_until) == (1, 1, None)
    assert pending.problem
    assert renewer.challenge_records() == []


def nothing_began(renewer: Renewer) -> None:
    assert renewer.secret_text(renewer.certificate_arn) == EMPTY
    stages = renewer.stages(renewer.certificate_arn)
    assert set(stages) == {"AWSCURRENT", "AWSPENDING"}
    assert stages["AWSCURRENT"] == stages["AWSPENDING"]
    assert renewer.challenge_records() == []


def test_terms_that_are_not_agreed(renewer: Renewer) -> None:
    terms = renewer.server.directory()["meta"]["termsOfService"]
    with pytest.raises(RequestError, match=f"terms_agreed is False; .* terms of service are at {terms}"):
        renewer.run(terms_agreed=False)
    nothing_was_issued(renewer)
    assert renewer.stages(renewer.account_arn) == {}


def test_a_profile_that_is_not_offered(renewer: Renewer) -> None:
    offered = "classic" if renewer.server.supports_profiles else "no profiles"
    with pytest.raises(RequestError, match=f"profile is 'shortlived'; the directory offers {offered}"):
        renewer.run(profile="shortlived")
    nothing_was_issued(renewer)


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
    nothing_was_issued(renewer)
    assert renewer.pending().order is None  # the next run makes a new one
    assert renewer.run(domains=[renewer.domain])["renewed"] is True


def test_a_name_in_no_zone(renewer: Renewer) -> None:
    with pytest.raises(ZoneError, match=rf"_acme-challenge\.other\.test is in none .* {renewer.domain}"):
        renewer.run(domains=["other.test"])
    nothing_began(renewer)


def test_a_zone_that_the_world_does_not_ask(renewer: Renewer) -> None:
    renewer.put(f"sub.{renewer.domain}", "NS", "ns-1.example.net.")
    with pytest.raises(OrderFailed) as raised:
        renewer.run(domains=[f"nas.sub.{renewer.domain}"])
    assert f"nas.sub.{renewer.domain}: urn:ietf:params:acme:error:" in str(raised.value)
    assert "name servers at the registrar are those of the hosted zone" in str(raised.value)
    nothing_was_issued(renewer)


def test_an_authority_that_is_down(renewer: Renewer) -> None:
    directory = f"https://{LOOPBACK}:{free_port()}/dir"
    with pytest.raises(AcmeError, match=f"cannot be reached at {directory}: .* The schedule tries again"):
        renewer.run(directory=directory)
    nothing_was_issued(renewer)


def test_an_authority_that_another_root_vouches_for(renewer: Renewer) -> None:
    with pytest.raises(AcmeError, match="certificate verify failed"):
        renewer.run(ca_root=renewer.server.issuing_root())
    nothing_was_issued(renewer)


ONLY_THE_ZONE_ITSELF = also(Action="route53:GetHostedZone", Resource="*")


@pytest.mark.parametrize(
    ("allow", "operation", "how_far"),
    [
        (without("ChangeOwnChallengeRecords"), "ChangeResourceRecordSets", nothing_was_issued),
        (without("ReadZone"), "GetHostedZone", nothing_began),
        (
            lambda policy: ONLY_THE_ZONE_ITSELF(without("ReadZone")(policy)),
            "ListResourceRecordSets",
            nothing_was_issued,
        ),
        (without("WaitForChange"), "GetChange", nothing_was_issued),
    ],
)
def test_a_missing_permission_is_named(
    local_aws: LocalAws,
    server: Pebble,
    dns: DnsServer,
    allow: Allow,
    operation: str,
    how_far: Callable[[Renewer], None],
) -> None:
    renewer = make_renewer(local_aws, server, dns.port, allow)
    with pytest.raises(AccessDenied, match=f"AWS refused {operation}: .* run `pulumi up`"):
        renewer.run()
    how_far(renewer)


def test_another_records_name_is_denied(renewer: Renewer) -> None:
    with pytest.raises(AccessDenied, match="ChangeResourceRecordSets"):
        renewer.run(domains=[f"other.{renewer.domain}"])
    nothing_was_issued(renewer)


def test_without_its_secrets_nothing_begins(local_aws: LocalAws, server: Pebble, dns: DnsServer) -> None:
    renewer = make_renewer(local_aws, server, dns.port, without("KeepSecrets"))
    with pytest.raises(AccessDenied, match="AWS refused GetSecretValue"):
        renewer.run()
    assert renewer.stages(renewer.certificate_arn) == {}


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"DIRECTORY": {"kid": "x"}}', '{"DIRECTORY": []}'])
def test_an_account_document_that_cannot_be_read(renewer: Renewer, text: str) -> None:
    text = text.replace("DIRECTORY", renewer.server.directory_url)
    renewer.aws.client("secretsmanager").put_secret_value(SecretId=renewer.account_arn, SecretString=text)
    with pytest.raises(StoreError, match="account"):
        renewer.run()
    nothing_was_issued(renewer)


# --- Keys stay where they belong --------------------------------------------------------------------------


def test_no_output_holds_a_key(renewer: Renewer) -> None:
    runs: list[dict[str, Any]] = [{"key_type": "rsa2048"}, {"key_type": "rsa2048", **SOON}, {}]
    output = [renewer.end(renewer.start(**changes)) for changes in runs]
    failed = renewer.start(domains=[f"other.{renewer.domain}"])  # its record's name is not allowed
    output.append(renewer.end(failed))
    assert failed.returncode != 0
    assert '"message":"done"' in output[0]
    assert '"message":"failed"' in output[-1]
    assert len(renewer.forbidden()) > 5
    assert not [key for key in renewer.forbidden() for text in output if key in text]


def test_a_key_that_is_told_would_be_found(renewer: Renewer) -> None:
    """The check that every run of these tests passes fails on each key that a run could have told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AcmeClient, "finalize", _fail)
        with pytest.raises(AcmeError):
            renewer.run()
    renewer.run(later=NEXT_RUN)
    renewer.run(later=NEXT_RUN, force=True)
    keys = renewer.forbidden()
    assert len(keys) > 5
    for key in keys:
        with pytest.raises(AssertionError):
            renewer.assert_silent(f"{renewer.said[0]} {key}")


def _fail(*_: object) -> None:
    raise AcmeError("not today")


def test_a_certificate_that_cannot_be_stored_is_not_told_either(
    local_aws: LocalAws, server: Pebble, dns: DnsServer
) -> None:
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

    renewer = make_renewer(local_aws, server, dns.port, allow)
    local_aws.client("secretsmanager").put_secret_value(SecretId=renewer.certificate_arn, SecretString=EMPTY)
    process = renewer.start()
    output = renewer.end(process)
    assert process.returncode != 0
    assert "AccessDenied: AWS refused PutSecretValue" in output
    assert "PRIVATE KEY" not in output
    assert renewer.accounts()[server.directory_url]["key"]["d"] not in output
    assert renewer.stages(renewer.certificate_arn).keys() == {"AWSCURRENT"}
    assert renewer.secret_text(renewer.certificate_arn) == EMPTY
    assert renewer.challenge_records() == []
    assert "the failure was not recorded" in output


# --- Route 53 under pressure: case 4 from the field -------------------------------------------------------


_BUSY_CALLS = 6


class BusyRoute53:
    """Stands before Route 53 and refuses each second change and other call of the first dozen.

    After more of them botocore's adaptive retry waits a second a call, and the test would, too.
    """

    def __init__(self, target: str) -> None:
        self.refused: list[str] = []
        host, port = urlsplit(target).hostname, urlsplit(target).port
        lock, calls, refused = threading.Lock(), {False: 0, True: 0}, self.refused

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with lock:
                    changing = b"ChangeResourceRecordSetsRequest" in body
                    calls[changing] += 1
                    busy = calls[changing] % 2 == 0 and calls[changing] <= _BUSY_CALLS
                    if busy:
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
    both = [renewer, make_renewer(local_aws, renewer.server, renewer.dns_port, zone_of=renewer)]
    busy = BusyRoute53(local_aws.endpoint)
    with busy.serve() as endpoint:
        throttled = {"AWS_ENDPOINT_URL_ROUTE_53": endpoint}
        processes = [replace(one, more_environment=throttled).start() for one in both]
        outcomes = [end(one, process)[0] for one, process in zip(both, processes, strict=True)]
    assert set(busy.refused) == {"Throttling", "PriorRequestNotComplete"}
    assert [outcome["renewed"] for outcome in outcomes] == [True, True]
    assert [outcome["serial"] for outcome in outcomes] == [one.current().serial for one in both]
    assert renewer.challenge_records() == []
