"""The record of an issuance in flight: written, read, and kept over the runs that work on it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_renewer.document import EMPTY, read_document
from lambda_renewer.errors import (
    AcmeError,
    DeadlineExceeded,
    OrderFailed,
    Problem,
    RenewerError,
    StoreConflict,
    StoreError,
    retry_time,
)
from lambda_renewer.journal import Journal
from lambda_renewer.pending import Pending, Revocation, read_pending, write_pending
from lambda_renewer.run import stored_pending
from lambda_renewer.store import Contents, SecretStore, Version
from lambda_renewer.waiting import Deadline
from tests.unit.renewer.fake_secrets_manager import journaled
from tests.unit.renewer.samples import certificate

TEXTS = st.text(max_size=30)
MOMENTS = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(microsecond=0))
RECORDS = st.builds(
    Pending,
    request=TEXTS,
    order=st.none() | TEXTS,
    private_key=st.none() | TEXTS,
    values=st.dictionaries(TEXTS, st.lists(TEXTS, max_size=3).map(tuple), max_size=3),
    attempt=st.integers(0, 10**6),
    holder=st.none() | TEXTS,
    failures=st.integers(0, 10**6),
    problem=st.none() | TEXTS,
    lease_until=st.none() | MOMENTS,
    retry_not_before=st.none() | MOMENTS,
    ask_after=st.none() | MOMENTS,
    window=st.none() | st.tuples(TEXTS, TEXTS),
    revoking=st.lists(st.builds(Revocation, TEXTS, TEXTS, st.none() | TEXTS, TEXTS, TEXTS), max_size=2).map(
        tuple
    ),
)
RECORD = Pending(request="a digest", order="https://ca/order/1", private_key="the secret key", attempt=1)
DOOMED = Revocation("3039", "leaf PEM", "the secret key", "superseded", "https://ca/dir")
RETRY_AT = datetime(2026, 11, 26, tzinfo=UTC)


@given(RECORDS)
def test_what_is_written_is_read(record: Pending) -> None:
    text = write_pending(record)
    assert read_pending(text) == record
    assert write_pending(read_pending(text)) == text
    fields = json.loads(text)
    assert list(fields) == sorted(fields)
    assert (fields["schema"], fields["state"]) == (1, "pending")


def test_no_repr_shows_the_key() -> None:
    record = replace(RECORD, revoking=(DOOMED,))
    for shown in (repr(record), str(record), f"{[record]}"):
        assert "order/1" in shown
        assert "the secret key" not in shown


GARBAGE = [
    *("", "no JSON", "[]", "7", "null", "{}", EMPTY, '{"schema": 1}', '{"schema": 1, "state": "pending"}'),
    write_pending(RECORD).replace('"schema": 1', '"schema": 2'),
    write_pending(RECORD).replace('"values": {}', '"values": []'),
    write_pending(RECORD).replace('"values": {}', '"values": {"a": 7}'),
    write_pending(RECORD).replace('"lease_until": null', '"lease_until": "soon"'),
    write_pending(RECORD).replace('"lease_until": null', '"lease_until": 7'),
    write_pending(RECORD).replace('"window": null', '"window": 7'),
    write_pending(RECORD).replace('"revoking": []', '"revoking": [{"serial": "3039"}]'),
    write_pending(RECORD).replace('"revoking": []', '"revoking": {"serial": "3039"}'),
]


@pytest.mark.parametrize("text", GARBAGE)
def test_garbage_is_no_record(text: str, caplog: pytest.LogCaptureFixture) -> None:
    assert len(set(GARBAGE)) == len(GARBAGE)
    with pytest.raises(StoreError, match="AWSPENDING holds no record of an issuance") as raised:
        read_pending(text)
    assert "the secret key" not in str(raised.value)
    version = Version("v2", text, frozenset({"AWSPENDING"}))
    assert stored_pending(Contents(current=None, pending=version)) is None
    assert "AWSPENDING is ignored" in caplog.text


def test_a_record_is_found_where_it_stands() -> None:
    version = Version("v2", write_pending(RECORD), frozenset({"AWSPENDING"}))
    assert stored_pending(Contents(current=None, pending=version)) == RECORD
    assert stored_pending(Contents(current=version, pending=None)) is None


@given(st.text(max_size=40) | st.builds(json.dumps, st.dictionaries(TEXTS, TEXTS | st.none(), max_size=4)))
def test_no_text_is_a_traceback(text: str) -> None:
    with pytest.raises(StoreError):
        read_pending(text)


# --- The journal --------------------------------------------------------------------------------------------


@pytest.fixture
def journal(store: SecretStore) -> Journal:
    first = store.write(EMPTY, ["AWSCURRENT", "AWSPENDING"], based_on=store.read())
    return Journal(store, first, replace(RECORD, lease_until=RETRY_AT))


def test_each_save_goes_on_from_the_last(journal: Journal, store: SecretStore) -> None:
    journal.save(order="https://ca/order/2")
    assert (
        journaled(store)
        == journal.pending
        == replace(RECORD, order="https://ca/order/2", lease_until=RETRY_AT)
    )
    journal.save(values={"a.example": ('"v"',)})
    assert journaled(store).order == "https://ca/order/2"
    assert journaled(store).values == {"a.example": ('"v"',)}
    current = store.read().current
    assert current is not None
    assert current.text == EMPTY


def test_promote_ends_the_record(journal: Journal, store: SecretStore) -> None:
    journal.save()
    journal.promote(certificate())
    contents = store.read()
    assert contents.pending is None
    assert contents.current is not None
    assert read_document(contents.current.text) == certificate()
    assert contents.current.stages == {"AWSCURRENT", "AWSPENDING"}


def test_promote_keeps_the_record_while_there_is_a_certificate_to_revoke(
    journal: Journal, store: SecretStore
) -> None:
    journal.save(revoking=(DOOMED,))
    journal.promote(certificate())
    contents = store.read()
    assert contents.current is not None
    assert read_document(contents.current.text) == certificate()
    assert contents.current.stages == {"AWSCURRENT"}
    assert journaled(store) == replace(RECORD, lease_until=RETRY_AT, revoking=(DOOMED,))
    journal.fail(AcmeError("the authority does not revoke"))  # and the order is not to give it once more
    assert (journaled(store).order, journaled(store).private_key, journaled(store).revoking) == (
        None,
        None,
        (DOOMED,),
    )
    journal.save(revoking=())
    journal.promote(certificate())
    assert store.read().pending is None


@pytest.mark.parametrize("saved", [True, False])
def test_a_record_is_kept_only_where_there_is_one(journal: Journal, store: SecretStore, saved: bool) -> None:
    if saved:
        journal.save()
    journal.put_current(EMPTY + " ", keep_record=True)
    contents = store.read()
    assert contents.current is not None
    assert contents.current.text == EMPTY + " "
    assert (contents.pending is not None) is saved
    journal.put_current(EMPTY, keep_record=False)
    assert store.read().pending is None


PROBLEM = {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "slow down"}


@pytest.mark.parametrize(
    ("error", "problem", "keeps_the_order"),
    [
        (AcmeError("no answer"), "no answer", True),
        (OrderFailed("it became invalid"), "it became invalid", False),
        (None, "a fault of the renewer: see its log", True),
        (AcmeError("x" * 10_000), "x" * 500, True),
    ],
)
def test_a_failure_is_remembered(
    journal: Journal, store: SecretStore, error: RenewerError | None, problem: str, keeps_the_order: bool
) -> None:
    journal.fail(error)
    record = journaled(store)
    assert (record.failures, record.problem) == (1, problem)
    assert (record.lease_until, record.retry_not_before) == (None, None)
    kept = (RECORD.order, RECORD.private_key) if keeps_the_order else (None, None)
    assert (record.order, record.private_key) == kept
    journal.fail(error)
    assert journaled(store).failures == 2


def asked_to_wait() -> DeadlineExceeded:
    """Return what a wait that the authority asked for and that is too long raises."""
    with pytest.raises(DeadlineExceeded) as raised:
        Deadline(1).sleep(3600, waiting_for="the authority's Retry-After", asked=True)
    return raised.value


def refused_directory() -> AcmeError:
    error = AcmeError("https://ca/dir answers HTTP 503")
    error.retry_at = retry_time(3600)
    return error


@pytest.mark.parametrize(
    "error",
    [
        Problem(PROBLEM, status=429, url="https://ca/order", retry_after=3600),
        Problem({**PROBLEM, "detail": "retry after 2030-01-02 03:04:05 UTC"}, status=429, url="https://ca/"),
        asked_to_wait(),
        refused_directory(),
    ],
)
def test_the_time_of_each_kind_of_error_is_kept(
    journal: Journal, store: SecretStore, error: RenewerError
) -> None:
    assert error.retry_at is not None
    journal.fail(error)
    assert journaled(store).retry_not_before == error.retry_at.replace(microsecond=0)


def test_a_failure_keeps_retry_after(journal: Journal, store: SecretStore) -> None:
    error = Problem(PROBLEM, status=429, url="https://ca/order", retry_after=75_533.0)
    journal.fail(error)
    assert error.retry_at is not None
    assert journaled(store).retry_not_before == error.retry_at.replace(microsecond=0)
    assert journaled(store).order == RECORD.order
    journal.fail(AcmeError("another failure later, when that time is over"))
    assert journaled(store).retry_not_before is None


@pytest.mark.parametrize("write", ["save", "promote", "fail", "put_current"])
def test_who_comes_second_is_refused(journal: Journal, store: SecretStore, write: str) -> None:
    other = Journal(store, store.read(), replace(RECORD, holder="another run"))
    other.save()
    winner = journaled(store)
    arguments: dict[str, Any] = {
        "save": (),
        "promote": (certificate(),),
        "fail": (AcmeError("no"),),
        "put_current": (EMPTY + " ",),
    }
    named = {"keep_record": False} if write == "put_current" else {}
    with pytest.raises(StoreConflict):
        getattr(journal, write)(*arguments[write], **named)
    assert journaled(store) == winner
    other.save(attempt=7)
    assert journaled(store).attempt == 7


def test_a_save_that_was_refused_is_not_taken_for_written(journal: Journal, store: SecretStore) -> None:
    before = journal.pending
    Journal(store, store.read(), replace(RECORD, holder="another run")).save()
    with pytest.raises(StoreConflict):
        journal.save(order="https://ca/order/9", lease_until=RETRY_AT + timedelta(hours=1))
    assert journal.pending == before
