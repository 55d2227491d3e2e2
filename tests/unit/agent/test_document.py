"""What the agent takes from a certificate document, and which documents it refuses."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from synology_agent.document import fingerprint, leaf_fingerprint, read_document
from synology_agent.errors import DocumentRefused, NotIssuedYet, Withdrawn

from .certificates import Issued

FIELDS = ("leaf", "chain", "private_key", "serial", "fingerprint_sha256", "issuer", "not_after")


def test_a_good_document_is_read(document: dict[str, Any], issued: Issued) -> None:
    certificate = read_document(json.dumps(document))
    assert (certificate.leaf, certificate.chain, certificate.private_key) == issued
    assert certificate.fingerprint == fingerprint(issued.leaf) == document["fingerprint_sha256"]
    assert certificate.not_after == datetime(2027, 2, 23, 2)


def test_fields_that_the_agent_does_not_use_are_let_be(document: dict[str, Any]) -> None:
    assert read_document(json.dumps({**document, "name": "home", "domains": []})).serial == "2a"


def test_the_key_is_in_no_repr(document: dict[str, Any], issued: Issued) -> None:
    shown = repr(read_document(json.dumps(document)))
    assert "2a" in shown
    assert "PRIVATE" not in shown
    assert issued.private_key.splitlines()[1] not in shown


def test_the_empty_state_is_no_fault_of_the_document() -> None:
    with pytest.raises(NotIssuedYet, match="nothing is issued yet"):
        read_document('{"schema": 1, "state": "empty"}')


def test_the_state_revoked_says_that_a_new_one_is_coming() -> None:
    with pytest.raises(Withdrawn, match="a new one is coming; what is installed stays"):
        read_document('{"schema": 1, "state": "revoked", "revoked_serials": ["abc"]}')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        ('"text"', "is not a JSON object"),
        ("{}", "has schema None, and this agent knows 1: update the agent"),
        ('{"schema": 2}', "has schema 2, and this agent knows 1: update the agent"),
        ('{"schema": "1"}', "has schema '1', and this agent knows 1: update the agent"),
        ('{"schema": 2, "state": "empty"}', "has schema 2, "),
        ('{"schema": 1}', "has no leaf"),
    ],
)
def test_what_is_no_document_is_refused(text: str, message: str) -> None:
    with pytest.raises(DocumentRefused) as refused:
        read_document(text)
    assert message in str(refused.value)


@pytest.mark.parametrize("value", [None, "", 7, ["x"]])
@pytest.mark.parametrize("field", FIELDS)
def test_a_missing_field_is_named(document: dict[str, Any], field: str, value: object) -> None:
    document[field] = value
    with pytest.raises(DocumentRefused, match=f"^the certificate document has no {field}$"):
        read_document(json.dumps(document))


@pytest.mark.parametrize(
    "moment", ["soon", "2027-02-23", "2027-02-23T02:00:00+01:00", "2027-02-30T02:00:00Z"]
)
def test_a_time_that_is_none_is_shown(document: dict[str, Any], moment: str) -> None:
    document["not_after"] = moment
    with pytest.raises(DocumentRefused) as refused:
        read_document(json.dumps(document))
    assert f"not_after is {moment!r}, no time" in str(refused.value)


def test_a_fingerprint_of_another_leaf_is_refused(document: dict[str, Any]) -> None:
    document["fingerprint_sha256"] = "0" * 64
    with pytest.raises(DocumentRefused, match="fingerprint_sha256 is not that of its leaf"):
        read_document(json.dumps(document))


@pytest.mark.parametrize(
    "leaf",
    [
        "no PEM",
        "-----BEGIN CERTIFICATE-----",
        "-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nÄÄÄÄ\n-----END CERTIFICATE-----",
    ],
)
def test_a_leaf_that_is_none_is_refused(document: dict[str, Any], leaf: str) -> None:
    document["leaf"] = leaf
    with pytest.raises(DocumentRefused, match="no certificate in PEM"):
        read_document(json.dumps(document))


def test_no_refusal_shows_the_key(document: dict[str, Any], issued: Issued) -> None:
    secret = issued.private_key.splitlines()[1]
    for field in FIELDS:
        with pytest.raises(DocumentRefused) as refused:
            read_document(json.dumps({**document, field: ""}))
        assert secret not in str(refused.value)


def test_text_around_a_certificate_in_a_file_does_not_count(tmp_path: Path, issued: Issued) -> None:
    """Openssl writes "Bag Attributes" in front, with the friendly name in whatever encoding."""
    path = tmp_path / "cert.pem"
    path.write_bytes(b"friendlyName: M\xfcller\n" + issued.leaf.encode() + issued.chain.encode())
    assert leaf_fingerprint(path) == fingerprint(issued.leaf)
