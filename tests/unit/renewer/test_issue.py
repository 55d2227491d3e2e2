"""What the ways of an issuance are that no test authority goes: an order as an authority may answer it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from acme import messages

from lambda_renewer.acme_client import make_account_key
from lambda_renewer.dns01 import ChallengeRecords
from lambda_renewer.document import EMPTY, NoCertificate
from lambda_renewer.errors import AcmeError, Problem, RequestError, StoreConflict
from lambda_renewer.issue import issue
from lambda_renewer.journal import Journal
from lambda_renewer.pending import Pending
from lambda_renewer.run import file_of, read_secret
from lambda_renewer.store import Contents, SecretStore
from lambda_renewer.waiting import Deadline
from tests.unit.renewer.challenge_route53 import ChallengeRoute53
from tests.unit.renewer.samples import request
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

    def answer(self, _: object) -> None:
        self.calls.append("answer")

    def finalize(self, *_: object) -> None:
        self.calls.append("finalize")

    def poll_order(self, *_: object) -> messages.Order:
        self.calls.append("poll")
        # Without a certificate.
        found: messages.Order = messages.Order.from_json({"status": "valid", "identifiers": []})
        return found


@pytest.fixture
def route53() -> ChallengeRoute53:
    return ChallengeRoute53("Z1")


Run = Callable[..., None]


@pytest.fixture
def run(route53: ChallengeRoute53) -> Run:
    """Return a function that issues with `client` and what an earlier run left; it ends in an error."""

    def go(client: Client, pending: Pending | None = None, profiles: object = None, **changes: Any) -> None:
        store = SecretStore(FakeSecretsManager(), ARN)  # type: ignore[arg-type]
        first = store.write(EMPTY, ["AWSCURRENT", "AWSPENDING"], based_on=None)
        deadline = Deadline(60)
        issue(
            request(**changes),
            NoCertificate(),
            {"newOrder": "https://ca/new-order", "meta": {"profiles": profiles}},
            client,  # type: ignore[arg-type]
            ChallengeRecords(route53, {"example.com": "Z1"}, deadline),  # type: ignore[arg-type]
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


# --- What a run works with ----------------------------------------------------------------------------------


def test_of_two_first_runs_one_writes_the_state_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    store = SecretStore(FakeSecretsManager(), ARN)  # type: ignore[arg-type]

    def another_was_faster(*_: Any, **__: Any) -> None:
        monkeypatch.undo()
        store.write("its document", ["AWSCURRENT", "AWSPENDING"], based_on=None)
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
