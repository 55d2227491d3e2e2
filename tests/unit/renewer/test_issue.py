"""What the ways of an issuance are that no test authority goes: an order as an authority may answer it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from acme import messages

from lambda_renewer.acme_client import make_account_key
from lambda_renewer.dns01 import ChallengeRecords
from lambda_renewer.document import EMPTY, Certificate, NoCertificate
from lambda_renewer.errors import AcmeError, OrderFailed, Problem, RequestError
from lambda_renewer.issue import issue
from lambda_renewer.journal import Journal
from lambda_renewer.keys import read_key
from lambda_renewer.pending import Pending
from lambda_renewer.store import SecretStore
from lambda_renewer.waiting import Deadline
from tests.unit.renewer.challenge_route53 import ChallengeRoute53, deny
from tests.unit.renewer.fake_secrets_manager import journaled
from tests.unit.renewer.samples import KEY, certificate, request

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
