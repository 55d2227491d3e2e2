"""The run around an issuance: what it reads first, what it records, what a revocation leaves."""

from __future__ import annotations

from typing import Any

import pytest

from lambda_renewer import renewal, revocation
from lambda_renewer import run as renewer_run
from lambda_renewer.document import EMPTY, write_document
from lambda_renewer.errors import AcmeError, Problem, StoreConflict, ZoneError
from lambda_renewer.journal import Journal
from lambda_renewer.pending import Pending
from lambda_renewer.run import file_of, read_secret
from lambda_renewer.store import Contents, SecretStore
from tests.unit.renewer.challenge_route53 import ChallengeRoute53, deny
from tests.unit.renewer.fake_secrets_manager import journaled
from tests.unit.renewer.samples import KEY, certificate, request

NAME = "_acme-challenge.example.com"
ORDER = "https://ca/order/1"


@pytest.fixture
def whole(store: SecretStore, route53: ChallengeRoute53, monkeypatch: pytest.MonkeyPatch) -> renewer_run.Run:
    """A run for a name in no zone, which no authority and no Route 53 may hear of."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    wanted = request(domains=["example.com", "example.org"], force=True)
    made = renewer_run.start_run(wanted, 90)
    made.store = store
    monkeypatch.setattr(made.aws, "client", lambda _: route53)
    return made


@pytest.mark.parametrize("first", [True, False])
def test_a_wanted_name_in_no_zone_is_told_before_there_is_an_order(
    whole: renewer_run.Run, store: SecretStore, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    text = EMPTY if first else write_document(certificate())
    contents = store.write(text, ["AWSCURRENT", "AWSPENDING"], based_on=store.read())
    monkeypatch.setattr(renewal, "ask_authority", lambda *_: (None, None))
    monkeypatch.setattr(renewal, "_issue", lambda *_: pytest.fail("an order was made"))
    with pytest.raises(ZoneError, match=r"_acme-challenge\.example\.org is in none of the hosted zones"):
        renewal.renew(whole)
    assert store.read() == contents  # nothing in flight


def test_the_first_failure_is_told_though_it_cannot_be_recorded(
    whole: renewer_run.Run,
    store: SecretStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.write(EMPTY, ["AWSCURRENT", "AWSPENDING"], based_on=store.read())
    error = AcmeError("no answer")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(renewal, "_check_zones", lambda *_: {})
    monkeypatch.setattr(renewal, "_issue", fail)
    monkeypatch.setattr(Journal, "fail", deny)
    with pytest.raises(AcmeError) as raised:
        renewal.renew(whole)
    assert raised.value is error
    assert "the failure was not recorded" in caplog.text


@pytest.mark.parametrize("known", [True, False])
def test_a_failure_is_in_the_record(
    whole: renewer_run.Run, store: SecretStore, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    store.write(EMPTY, ["AWSCURRENT", "AWSPENDING"], based_on=store.read())
    error = (
        Problem({"detail": "slow down"}, status=429, url=ORDER, retry_after=3600) if known else KeyError("x")
    )

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(renewal, "_check_zones", lambda *_: {})
    monkeypatch.setattr(renewal, "_issue", fail)
    with pytest.raises(type(error)):
        renewal.renew(whole)
    record = journaled(store)
    assert record.failures == 1
    assert record.lease_until is None
    assert (record.retry_not_before is not None) is known
    assert ("slow down" if known else "a fault of the renewer") in (record.problem or "")
    if known:
        assert "does not want this request before" in renewal.renew(whole)["reason"]


@pytest.mark.parametrize(
    ("reason", "key", "kept"),
    [
        ("superseded", "another key", True),
        ("superseded", KEY, False),
        ("keyCompromise", "another key", False),
    ],
)
def test_which_order_in_flight_survives_a_revocation(
    whole: renewer_run.Run, reason: str, key: str, kept: bool
) -> None:
    whole.request = request(action="revoke", serial="3039", reason=reason)
    pending = Pending(request="a digest", order=ORDER, private_key=key)
    doomed = revocation._doomed(whole, certificate(private_key=KEY), pending)
    assert (doomed.order, doomed.private_key) == ((ORDER, key) if kept else (None, None))
    assert [one.serial for one in doomed.revoking] == ["3039"]
    assert doomed.revoking[0].private_key == (KEY if reason == "keyCompromise" else None)


def test_of_two_first_runs_one_writes_the_state_empty(
    store: SecretStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another_was_faster(*_: Any, **__: Any) -> None:
        monkeypatch.undo()
        store.write("its document", ["AWSCURRENT", "AWSPENDING"], based_on=store.read())
        raise StoreConflict("another run wrote first")

    monkeypatch.setattr(SecretStore, "write", another_was_faster)
    contents = read_secret(store)
    assert contents.current is not None
    assert contents.current.text == "its document"
    assert read_secret(store) == Contents(contents.current, None)


def test_a_root_is_a_file_while_it_is_used() -> None:
    with file_of("a PEM") as path:
        assert path is not None
        with open(path) as file:  # noqa: PTH123
            assert file.read() == "a PEM"
    with file_of(None) as path:
        assert path is None
