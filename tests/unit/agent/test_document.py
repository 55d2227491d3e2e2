"""What the agent takes from a certificate document, and which documents it refuses."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, Callable

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from synology_agent.document import fingerprint, read_document
from synology_agent.errors import DocumentRefused, NotIssuedYet, SchemaUnknown, Withdrawn

from .certificates import Issued

TEXTS = ("leaf", "chain", "private_key", "serial", "fingerprint_sha256", "issuer")
TIMES = ("not_before", "not_after", "issued_at")
LISTS = ("domains", "revoked_serials")


def test_a_good_document_is_read(document: dict[str, Any], issued: Issued) -> None:
    certificate = read_document(json.dumps(document))
    assert (certificate.leaf, certificate.chain, certificate.private_key) == issued
    assert certificate.fingerprint == fingerprint(issued.leaf) == document["fingerprint_sha256"]
    assert certificate.domains == ("nas.example.com", "*.home.example.com")
    assert certificate.not_before < datetime.now(timezone.utc) < certificate.not_after


def test_fields_that_the_agent_does_not_use_are_let_be(document: dict[str, Any]) -> None:
    assert read_document(json.dumps({**document, "name": 7, "profile": None})).serial == document["serial"]


def test_the_key_is_in_no_repr(document: dict[str, Any], issued: Issued) -> None:
    shown = repr(read_document(json.dumps(document)))
    assert document["serial"] in shown
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
        ("[" * 100_000, "is not JSON"),
        ('{"schema": 1}', "domains is not a list of texts"),
    ],
)
def test_what_is_no_document_is_refused(text: str, message: str) -> None:
    with pytest.raises(DocumentRefused) as refused:
        read_document(text)
    assert message in str(refused.value)


@pytest.mark.parametrize("schema", [None, 2, "1", True, 1.0])
def test_an_unknown_schema_is_named(document: dict[str, Any], schema: object) -> None:
    for fields in ({**document, "schema": schema}, {"schema": schema, "state": "empty"}):
        with pytest.raises(SchemaUnknown) as refused:
            read_document(json.dumps(fields))
        assert f"has schema {schema!r}, and this agent knows 1: update the agent" in str(refused.value)


@pytest.mark.parametrize("value", [None, "", 7, ["x"]])
@pytest.mark.parametrize("field", TEXTS + TIMES)
def test_a_missing_field_is_named(document: dict[str, Any], field: str, value: object) -> None:
    document[field] = value
    with pytest.raises(DocumentRefused, match=f"^the certificate document has no {field}. Look at the"):
        read_document(json.dumps(document))


@pytest.mark.parametrize("value", [None, "", 7, [7], ["\ud800"], ["\n"], {}])
@pytest.mark.parametrize("field", LISTS)
def test_a_list_that_is_none_is_named(document: dict[str, Any], field: str, value: object) -> None:
    document[field] = value
    with pytest.raises(DocumentRefused, match=f"{field} is not a list of texts"):
        read_document(json.dumps(document))


@pytest.mark.parametrize("value", ["no PEM", "-----BEGIN \ud800", "-----BEGIN \xc4"])
@pytest.mark.parametrize("field", ["leaf", "chain", "private_key"])
def test_what_is_no_pem_is_named(document: dict[str, Any], field: str, value: str) -> None:
    document[field] = value
    with pytest.raises(DocumentRefused, match=f"^the certificate document's {field} is not PEM"):
        read_document(json.dumps(document))


@pytest.mark.parametrize(
    "change",
    [
        lambda pem: pem + "x",
        lambda pem: "x" + pem,
        lambda pem: pem.rstrip("\n"),
        lambda pem: pem.replace("\n", "\r\n"),
        lambda pem: pem.replace("-----END", "\ud800-----END"),
        lambda pem: pem.replace("-----END", "\xc4-----END"),
        lambda pem: pem[:-40],
        lambda pem: pem + pem.replace("CERTIFICATE", "X509 CERTIFICATE").replace("PRIVATE", "DSA PRIVATE"),
        lambda pem: pem + pem.replace("CERTIFICATE", "TRUSTED CERTIFICATE").replace("PRIVATE KEY", "KEY"),
    ],
)
@pytest.mark.parametrize("field", ["leaf", "chain", "private_key"])
def test_nothing_may_stand_around_pem(
    document: dict[str, Any], field: str, change: Callable[[str], str]
) -> None:
    """OpenSSL would serve what it finds there, and DSM's own files are made by joining the fields."""
    document[field] = change(document[field])
    with pytest.raises(DocumentRefused, match=f"^the certificate document's {field} is not PEM, or has some"):
        read_document(json.dumps(document))


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_key_is_refused_by_name(
    document: dict[str, Any], issued: Issued, form: PrivateFormat
) -> None:
    key = load_pem_private_key(issued.private_key.encode(), None)
    document["private_key"] = key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    assert read_document(json.dumps(document)).private_key == document["private_key"]
    locked = key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"x")).decode()
    with pytest.raises(DocumentRefused, match="private_key is encrypted, and nobody is there to type"):
        read_document(json.dumps({**document, "private_key": locked}))


@pytest.mark.parametrize("value", ["\ud800", "R12\x1b[2J", "R12\n"])
@pytest.mark.parametrize("field", ["serial", "fingerprint_sha256", "issuer", *TIMES])
def test_what_cannot_be_printed_is_refused(document: dict[str, Any], field: str, value: str) -> None:
    document[field] = value
    with pytest.raises(DocumentRefused, match=f"'s {field} is .*, which cannot be printed") as refused:
        read_document(json.dumps(document))
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "moment", ["soon", "2027-02-23", "2027-02-23T02:00:00+01:00", "2027-02-30T02:00:00Z"]
)
def test_a_time_that_is_none_is_shown(document: dict[str, Any], moment: str) -> None:
    document["not_after"] = moment
    with pytest.raises(DocumentRefused) as refused:
        read_document(json.dumps(document))
    assert f"not_after is {moment!r}, no time" in str(refused.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fingerprint_sha256", "0" * 64),
        ("serial", "2a"),
        ("not_before", "2026-01-01T00:00:00Z"),
        ("not_after", "2036-01-01T00:00:00Z"),
    ],
)
def test_what_contradicts_the_leaf_is_refused(document: dict[str, Any], field: str, value: str) -> None:
    document[field] = value
    with pytest.raises(DocumentRefused, match=f"'s {field} is .*, and that of its leaf is "):
        read_document(json.dumps(document))


@pytest.mark.parametrize("base64", ["A", "AAAA", "MAA=", "===="])
def test_a_leaf_that_is_none_is_refused(document: dict[str, Any], base64: str) -> None:
    document["leaf"] = f"-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n"
    with pytest.raises(DocumentRefused, match="'s leaf cannot be read: "):
        read_document(json.dumps(document))
    with pytest.raises(DocumentRefused, match="there is no certificate in PEM"):
        fingerprint(document["leaf"])


def test_two_leaves_are_refused(document: dict[str, Any]) -> None:
    document["leaf"] += document["chain"]
    with pytest.raises(DocumentRefused, match="leaf holds 2 certificates, and one is wanted"):
        read_document(json.dumps(document))


def test_no_refusal_shows_the_key(document: dict[str, Any], issued: Issued) -> None:
    secret = issued.private_key.splitlines()[1]
    for field in TEXTS + TIMES + LISTS:
        with pytest.raises(DocumentRefused) as refused:
            read_document(json.dumps({**document, field: ""}))
        assert secret not in str(refused.value)
