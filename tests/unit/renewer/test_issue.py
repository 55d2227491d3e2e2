"""What the ways of an issuance are that no test authority goes: an order as an authority may answer it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from acme import messages
from botocore.exceptions import ClientError

from lambda_renewer import renewal, revocation
from lambda_renewer import run as renewer_run
from lambda_renewer.acme_client import make_account_key
from lambda_renewer.dns01 import ChallengeRecords
from lambda_renewer.document import EMPTY, Certificate, NoCertificate, write_document
from lambda_renewer.errors import AcmeError, OrderFailed, Problem, RequestError, StoreConflict, ZoneError
from lambda_renewer.issue import issue
from lambda_renewer.journal import Journal
from lambda_renewer.keys import make_key, read_key, write_key
from lambda_renewer.pending import Pending
from lambda_renewer.run import file_of, read_secret, stored_pending
from lambda_renewer.store import Contents, SecretStore
from lambda_renewer.waiting import Deadline
from tests.unit.renewer.challenge_route53 import ChallengeRoute53
from tests.unit.renewer.samples import certificate, request
from tests.unit.renewer.test_secret_store import ARN, FakeSecretsManager

NAME = "_acme-challenge.example.com"
ORDER = "https://ca/order/1"


class Client:
    """An authority behind AcmeClient's methods; `status` is the order's, `offered` the challenges' types."""

    kid = "https://ca/account/1"

    def __init__(self, status: str = "pending", offered: str = "dns-01") -> None:
        self.status, self.offered = status, offered
        self.challenge_status = "pending"
        self.refuse: Problem | None = None
        self.poll_fails: AcmeError | None = None
        self.expired = False
        self.asks: dict[str, float] = {}
        self.waited: list[float] = []
        self.calls: list[str] = []
        self._key = make_account_key()

    def _order(self, uri: str) -> messages.OrderResource:
        body = {
            "status": self.status,
            "identifiers": [],
            "authorizations": ["https://ca/authz/1"],
            "finalize": "https://ca/finalize",
        }
        return messages.OrderResource(uri=uri, body=messages.Order.from_json(body))

    def new_order(self, *_: Any, **__: Any) -> messages.OrderResource:
        self.calls.append("new_order")
        return self._order("https://ca/order/2")

    def order(self, url: str) -> messages.OrderResource:
        self.calls.append("order")
        if self.refuse:
            raise self.refuse
        return self._order(url)

    def authorization(self, _: str) -> messages.Authorization:
        if self.expired and "new_order" not in self.calls:
            raise OrderFailed("an authorization is expired")
        found: messages.Authorization = messages.Authorization.from_json(
            {
                "identifier": {"type": "dns", "value": "example.com"},
                "status": "pending",
                "challenges": [
                    {
                        "type": self.offered,
                        "url": "https://ca/c/1",
                        "status": self.challenge_status,
                        "token": "a" * 43,
                    }
                ],
            }
        )
        return found

    def dns01_value(self, challenge: messages.ChallengeBody) -> str:
        return str(challenge.chall.validation(self._key))

    def answer(self, _: object) -> float:
        self.calls.append("answer")
        return self.asks.get("answer", 0.0)

    def finalize(self, *_: object) -> float:
        self.calls.append("finalize")
        return self.asks.get("finalize", 0.0)

    def poll_order(self, *_: object, asked: float) -> messages.Order:
        self.calls.append("poll")
        self.waited.append(asked)
        if self.poll_fails:
            raise self.poll_fails
        # Without a certificate.
        found: messages.Order = messages.Order.from_json({"status": "valid", "identifiers": []})
        return found


@pytest.fixture
def route53() -> ChallengeRoute53:
    return ChallengeRoute53("Z1")


@pytest.fixture
def store() -> SecretStore:
    return SecretStore(FakeSecretsManager(), ARN)  # type: ignore[arg-type]


Run = Callable[..., None]


@pytest.fixture
def run(route53: ChallengeRoute53, store: SecretStore) -> Run:
    """Return a function that issues with `client` and what an earlier run left; it ends in an error."""

    def go(
        client: Client,
        pending: Pending | None = None,
        profiles: object = None,
        current: Certificate | None = None,
        **changes: Any,
    ) -> None:
        first = store.write(EMPTY, ["AWSCURRENT", "AWSPENDING"], based_on=store.read())
        deadline = Deadline(60)
        issue(
            request(**changes),
            current or NoCertificate(),
            {"newOrder": "https://ca/new-order", "meta": {"profiles": profiles}},
            client,  # type: ignore[arg-type]
            ChallengeRecords(lambda _: route53, {"example.com": "Z1"}, deadline),  # type: ignore[arg-type, return-value]
            Journal(store, first, pending or Pending(request="a digest")),
            deadline,
        )

    return go


NO_CERTIFICATE = "the order is valid and has no certificate URL"


def test_without_dns01_nothing_can_be_proven(run: Run, route53: ChallengeRoute53) -> None:
    with pytest.raises(AcmeError, match=r"offers no dns-01 challenge for example\.com"):
        run(Client(offered="http-01"))
    assert route53.batches == []


def test_an_order_that_is_ready_needs_no_dns(run: Run, route53: ChallengeRoute53) -> None:
    client = Client(status="ready")
    with pytest.raises(AcmeError, match=NO_CERTIFICATE):
        run(client)
    assert client.calls == ["new_order", "finalize", "poll"]
    assert route53.batches == []


def test_a_ready_order_takes_leftovers_away(run: Run, route53: ChallengeRoute53) -> None:
    route53.put("Z1", NAME, '"foreign"', '"left"')
    with pytest.raises(AcmeError, match=NO_CERTIFICATE):
        run(Client(status="ready"), Pending(request="a digest", order=ORDER, values={NAME: ('"left"',)}))
    assert route53.values("Z1", NAME) == {'"foreign"'}


@pytest.mark.parametrize(("status", "answers"), [("pending", 1), ("processing", 0), ("valid", 0)])
def test_a_challenge_that_is_answered_already_is_not_answered_again(
    run: Run, route53: ChallengeRoute53, status: str, answers: int
) -> None:
    client = Client()
    client.challenge_status = status
    with pytest.raises(AcmeError, match=NO_CERTIFICATE):
        run(client, Pending(request="a digest", order=ORDER))
    assert client.calls.count("answer") == answers
    assert "new_order" not in client.calls
    assert len(route53.batches) == 2  # the value was there meanwhile
    assert route53.values("Z1", NAME) == set()


@pytest.mark.parametrize(
    ("status", "key", "goes_on"),
    [
        ("invalid", "a key", False),
        ("valid", None, False),
        ("processing", None, False),
        ("ready", None, True),
        ("pending", None, True),
    ],
)
def test_which_orders_are_resumed(run: Run, status: str, key: str | None, goes_on: bool) -> None:
    client = Client(status=status)
    pending = Pending(request="a digest", order=ORDER, private_key=key)
    with pytest.raises(AcmeError, match=NO_CERTIFICATE):
        run(client, pending)
    assert ("new_order" not in client.calls) is goes_on


@pytest.mark.parametrize(
    ("status", "raises"), [(404, False), (410, False), (429, True), (500, True), (503, True)]
)
def test_an_order_is_given_up_only_if_it_is_gone(run: Run, status: int, raises: bool) -> None:
    client = Client(status="ready")
    client.refuse = Problem({}, status=status, url=ORDER)
    with pytest.raises(AcmeError) as raised:
        run(client, Pending(request="a digest", order=ORDER))
    assert (raised.value is client.refuse) is raises
    assert ("new_order" in client.calls) is not raises


@pytest.mark.parametrize(
    ("profile", "profiles", "words"),
    [
        ("classic", None, None),
        ("classic", {}, None),
        ("classic", {"classic": "c"}, None),
        ("shortlived", {"classic": "c", "shortlived": "s"}, None),
        ("shortlived", None, "the directory offers no profiles"),
        ("shortlived", {"b": "", "a": ""}, "the directory offers a, b"),
        ("classic", {"b": "", "a": ""}, "the directory offers a, b"),
    ],
)
def test_the_profile_must_be_offered(run: Run, profile: str, profiles: object, words: str | None) -> None:
    with pytest.raises((AcmeError, RequestError), match=words or NO_CERTIFICATE):
        run(Client(status="ready"), profiles=profiles, profile=profile)


def journaled(store: SecretStore) -> Pending:
    pending = stored_pending(store.read())
    assert pending is not None
    return pending


KEY = write_key(make_key("ec256"))


def deny(*_: object, **__: object) -> None:
    raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ChangeResourceRecordSets")


@pytest.mark.parametrize("status", ["ready", "pending"])
def test_leftovers_in_no_zone_stop_nothing(
    run: Run, store: SecretStore, route53: ChallengeRoute53, caplog: pytest.LogCaptureFixture, status: str
) -> None:
    client = Client(status=status)
    left = {"_acme-challenge.example.org": ('"left"',)}
    with pytest.raises(AcmeError, match=NO_CERTIFICATE):
        run(client, Pending(request="a digest", values=left))
    assert "finalize" in client.calls
    assert "a TXT value may be left" in caplog.text
    assert route53.values("Z1", NAME) == set()
    assert journaled(store).values == {}  # once it was tried, it is not tried for ever


def test_leftovers_that_are_denied_stop_nothing(
    run: Run, route53: ChallengeRoute53, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    route53.put("Z1", NAME, '"left"')
    monkeypatch.setattr(route53, "change_resource_record_sets", deny)
    client = Client(status="ready")
    with pytest.raises(AcmeError, match=NO_CERTIFICATE):
        run(client, Pending(request="a digest", values={NAME: ('"left"',)}))
    assert client.calls == ["new_order", "finalize", "poll"]
    assert "AccessDenied" in str([vars(record) for record in caplog.records])


def test_what_went_wrong_first_is_told(
    run: Run, store: SecretStore, route53: ChallengeRoute53, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client()
    client.poll_fails = OrderFailed("the order became invalid")
    answer = client.answer

    def then_deny(challenge: object) -> float:
        monkeypatch.setattr(route53, "change_resource_record_sets", deny)
        return answer(challenge)

    monkeypatch.setattr(client, "answer", then_deny)
    with pytest.raises(OrderFailed) as raised:
        run(client)
    assert raised.value is client.poll_fails
    assert journaled(store).values == {NAME: tuple(route53.values("Z1", NAME))}  # for the next run to remove


def test_the_authoritys_pauses_are_heeded(run: Run) -> None:
    client = Client()
    client.asks = {"answer": 7.0, "finalize": 9.0}
    with pytest.raises(AcmeError, match=NO_CERTIFICATE):
        run(client)
    assert client.waited == [7.0, 9.0]


def test_an_order_whose_authorization_expired_is_made_anew_in_the_same_run(
    run: Run, store: SecretStore
) -> None:
    client = Client()
    client.expired = True
    with pytest.raises(AcmeError, match=NO_CERTIFICATE):
        run(client, Pending(request="a digest", order=ORDER, private_key=KEY))
    assert client.calls[:2] == ["order", "new_order"]
    assert journaled(store).order == "https://ca/order/2"
    assert journaled(store).private_key not in {None, KEY}


@pytest.mark.parametrize(("key", "kept"), [(KEY, True), ("no key", False)])
def test_a_stored_key_that_cannot_be_read_is_dropped(
    run: Run, store: SecretStore, key: str, kept: bool
) -> None:
    client = Client(status="ready")
    with pytest.raises(AcmeError, match=NO_CERTIFICATE):
        run(client, Pending(request="a digest", order=ORDER, private_key=key))
    assert client.calls == ["order", "finalize", "poll"]
    assert (journaled(store).private_key == key) is kept
    read_key(journaled(store).private_key or "")


def test_the_order_that_gave_the_current_certificate_gives_it_no_second_time(run: Run) -> None:
    """A run that died after it stored the certificate, and before it took the order out of the record."""
    client = Client(status="valid")
    pending = Pending(request="a digest", order=ORDER, private_key=KEY)
    with pytest.raises(AcmeError, match=NO_CERTIFICATE):
        run(client, pending, current=certificate(private_key=KEY))
    assert "new_order" in client.calls
    client.calls.clear()
    with pytest.raises(AcmeError, match=NO_CERTIFICATE):
        run(client, pending, current=certificate())
    assert client.calls == ["order", "poll"]


def test_a_certificate_that_does_not_fit_ends_its_order(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(status="ready")
    valid = messages.Order.from_json(
        {"status": "valid", "identifiers": [], "certificate": "https://ca/certificate"}
    )
    monkeypatch.setattr(client, "poll_order", lambda *_, **__: valid)
    monkeypatch.setattr(client, "certificate", lambda *_, **__: "no PEM", raising=False)
    with pytest.raises(OrderFailed, match="the authority sent no usable certificate"):
        run(client)


# --- The run around it --------------------------------------------------------------------------------------


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


# --- What a run works with ----------------------------------------------------------------------------------


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
