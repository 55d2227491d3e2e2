"""The certificate document, written and read."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_renewer.document import (
    EMPTY,
    Certificate,
    NoCertificate,
    read_document,
    write_document,
    write_revoked,
)
from lambda_renewer.errors import StoreError
from tests.unit.renewer.samples import certificate

TEXTS = st.text(max_size=40)
MOMENTS = st.datetimes(
    min_value=datetime(1970, 1, 2),
    max_value=datetime(9000, 1, 1),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45)), timezone(-timedelta(hours=8))]),
).map(lambda moment: moment.replace(microsecond=0))
KINDS = {"str": TEXTS, "datetime": MOMENTS, "tuple[str, ...]": st.lists(TEXTS, max_size=3).map(tuple)}
CERTIFICATES = st.builds(Certificate, **{field.name: KINDS[str(field.type)] for field in fields(Certificate)})


@given(CERTIFICATES)
def test_what_is_written_is_read(written: Certificate) -> None:
    text = write_document(written)
    assert read_document(text) == written
    assert write_document(written) == text
    assert list(json.loads(text)) == sorted(json.loads(text))


def test_times_are_rfc_3339_in_utc() -> None:
    moment = datetime(2026, 11, 25, 1, 30, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))
    document = json.loads(write_document(certificate(issued_at=moment)))
    assert document["issued_at"] == "2026-11-24T23:30:00Z"


def test_the_state_empty() -> None:
    assert json.loads(EMPTY) == {"schema": 1, "state": "empty"}
    assert read_document(EMPTY) == NoCertificate()


def test_the_state_revoked() -> None:
    text = write_revoked(("a1", "b2"))
    assert json.loads(text) == {"schema": 1, "state": "revoked", "revoked_serials": ["a1", "b2"]}
    assert list(json.loads(text)) == sorted(json.loads(text))
    assert read_document(text) == NoCertificate(("a1", "b2"))
    with pytest.raises(StoreError, match="missing or unreadable field"):
        read_document('{"schema": 1, "state": "revoked", "revoked_serials": 7}')


@pytest.mark.parametrize("schema", [0, 2, "1", None])
@pytest.mark.parametrize("rest", [{}, {"state": "empty"}])
def test_an_unknown_schema_is_refused_by_name(schema: object, rest: dict[str, str]) -> None:
    with pytest.raises(StoreError, match=f"schema {schema!r}, and this renewer knows 1"):
        read_document(json.dumps({**rest, "schema": schema}))


def test_a_document_without_schema_is_refused() -> None:
    with pytest.raises(StoreError, match="schema None"):
        read_document("{}")


@pytest.mark.parametrize("field", [field.name for field in fields(Certificate)])
def test_a_missing_field_is_named(field: str) -> None:
    document = json.loads(write_document(certificate()))
    del document[field]
    with pytest.raises(StoreError, match=f"missing or unreadable field: '{field}'"):
        read_document(json.dumps(document))


@pytest.mark.parametrize(
    ("field", "value"),
    [("not_after", 7), ("not_after", "soon"), ("not_before", "2026-11-25T02:00:00"), ("domains", 7)],
)
def test_an_unreadable_field_is_refused(field: str, value: Any) -> None:
    document = {**json.loads(write_document(certificate())), field: value}
    with pytest.raises(StoreError, match="missing or unreadable field"):
        read_document(json.dumps(document))


@pytest.mark.parametrize(
    ("text", "words"), [("", "not JSON"), ("{", "not JSON"), ("[]", "not a JSON object"), ("7", "object")]
)
def test_what_is_no_document_is_refused(text: str, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        read_document(text)


def test_neither_repr_nor_a_refusal_shows_the_key() -> None:
    one = certificate()
    assert "3039" in repr(one)
    for shown in (repr(one), str(one), f"{one}", repr([one]), repr({"a": (one,)})):
        assert one.private_key not in shown
    document = json.loads(write_document(one))
    del document["leaf"]
    with pytest.raises(StoreError) as raised:
        read_document(json.dumps(document))
    assert one.private_key not in str(raised.value)
