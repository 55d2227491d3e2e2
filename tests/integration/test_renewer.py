"""The renewal Lambda against the local AWS, with its own policy, and Pebble that looks its records up."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import lambda_renewer.issue
from lambda_renewer.acme_client import AcmeClient
from lambda_renewer.clock import to_rfc3339
from lambda_renewer.document import EMPTY, Certificate, write_document
from lambda_renewer.errors import AcmeError
from lambda_renewer.request import KEY_TYPES
from lambda_renewer.store import SecretStore
from local_cloud.acme import Pebble
from local_cloud.dns_server import DnsServer
from local_cloud.ministack.server import LocalAws
from tests.acme_issuance import verify
from tests.integration.renewer_endings import end
from tests.renewer_bench import LIFETIME, SOON, Renewer, make_renewer


@pytest.fixture
def another_server(pebble: Path, dns: DnsServer, tmp_path: Path) -> Iterator[Pebble]:
    """A second authority, which refuses half of the nonces."""
    program = Path(os.environ.get("PEBBLE") or pebble)
    with Pebble(program, tmp_path, dns.port, LIFETIME, nonce_reject_percent=50) as made:
        yield made


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
