"""The ACME client's accounts, orders and polling, and an authority that answers badly."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
import requests
from acme import challenges, messages
from cryptography import x509

from lambda_renewer import clock
from lambda_renewer.acme_client import AcmeClient, ExternalAccount, make_account_key
from lambda_renewer.errors import AcmeError, DeadlineExceeded, OrderFailed, Problem
from lambda_renewer.keys import make_csr, make_key
from lambda_renewer.waiting import Deadline
from local_cloud.acme.certificates import make_authority
from tests.unit.renewer.acme_authority import CA, DIRECTORY, URN, Authority, connect, decoded, response


def test_requests_are_signed_with_es256_and_the_kid(monkeypatch: pytest.MonkeyPatch) -> None:
    order = {"status": "pending", "authorizations": [], "finalize": f"{CA}/finalize", "identifiers": []}
    authority = Authority(lambda _url: response(201, order, Location=f"{CA}/order/1"))
    monkeypatch.setattr(requests.Session, "request", lambda _self, *args, **rest: authority(*args, **rest))
    client = AcmeClient(DIRECTORY, make_account_key())
    client.use_account(f"{CA}/account/1")
    assert (
        client.new_order(("example.com", "*.example.com"), profile="classic", replaces=None).uri
        == f"{CA}/order/1"
    )
    [protected] = authority.protected
    assert (protected["alg"], protected["kid"], protected["url"]) == (
        "ES256",
        f"{CA}/account/1",
        f"{CA}/order",
    )
    assert authority.payloads == [
        {
            "identifiers": [
                {"type": "dns", "value": "example.com"},
                {"type": "dns", "value": "*.example.com"},
            ],
            "profile": "classic",
        }
    ]
    client.new_order(("example.com",), profile=None, replaces=None)
    assert "profile" not in authority.payloads[1]


def test_a_new_account(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(lambda _url: response(201, {"status": "valid"}, Location=f"{CA}/account/7"))
    monkeypatch.setattr(requests.Session, "request", lambda _self, *args, **rest: authority(*args, **rest))
    client = AcmeClient(DIRECTORY, make_account_key())
    assert client.new_account(contact="a@example.com", terms_agreed=True) == f"{CA}/account/7"
    assert client.new_account(contact=None, terms_agreed=False) == f"{CA}/account/7"
    assert authority.payloads == [
        {"contact": ["mailto:a@example.com"], "termsOfServiceAgreed": True},
        {},
    ]
    assert "jwk" in authority.protected[0]
    assert authority.protected[0]["jwk"].keys() == {"kty", "crv", "x", "y"}  # and never "d"


@pytest.mark.parametrize(
    "answer",
    [
        response(201, {"status": "pending"}),  # no Location
        response(201, b"no JSON", Location=f"{CA}/order/1"),
        response(201, [], Location=f"{CA}/order/1"),
        response(201, {"status": "no such status"}, Location=f"{CA}/order/1"),
    ],
)
def test_an_answer_that_is_no_order(monkeypatch: pytest.MonkeyPatch, answer: requests.Response) -> None:
    client = connect(monkeypatch, lambda _url: answer)
    with pytest.raises(AcmeError, match="RFC 8555"):
        client.new_order(("example.com",), profile=None, replaces=None)


@pytest.mark.parametrize("resource", ["newAccount", "newNonce"])
def test_a_directory_that_lacks_a_resource(resource: str) -> None:
    directory = {name: url for name, url in DIRECTORY.items() if name != resource}
    with pytest.raises(AcmeError, match=f"the directory has no {resource}"):
        AcmeClient(directory, make_account_key()).new_account(contact=None, terms_agreed=False)


def test_an_authority_without_nonces(monkeypatch: pytest.MonkeyPatch) -> None:
    client = connect(monkeypatch, lambda _url: response(200, {}, No_Nonce="1"))
    with pytest.raises(AcmeError, match="MissingNonce"):
        client.authorization(f"{CA}/authz/1")


@pytest.mark.parametrize("failure", [requests.ConnectionError("refused"), requests.Timeout("30 s")])
def test_an_authority_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    def fail(*_args: Any, **_rest: Any) -> requests.Response:
        raise failure

    monkeypatch.setattr(requests.Session, "request", fail)
    client = AcmeClient(DIRECTORY, make_account_key())
    client.use_account(f"{CA}/account/1")
    with pytest.raises(
        AcmeError, match=f"cannot be reached at {CA}/order/1: {failure}. The schedule tries again"
    ):
        client.order(f"{CA}/order/1")


def order(status: str, **more: Any) -> dict[str, Any]:
    return {"status": status, "identifiers": [], "finalize": f"{CA}/finalize", **more}


def test_polling_heeds_retry_after(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    answers = iter(
        [
            response(200, order("pending"), Retry_After="7"),
            response(200, order("processing")),
            response(200, order("ready")),
        ]
    )
    client = connect(monkeypatch, lambda _url: next(answers))
    resource = messages.OrderResource(uri=f"{CA}/order/1", body=messages.Order())
    found = client.poll_order(resource, messages.STATUS_READY, Deadline(60))
    assert found.status == messages.STATUS_READY
    assert slept[1] == 7.0  # in place of the pause, not before it
    assert len(slept) == 3


def test_polling_begins_with_what_was_asked_before(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    answers = iter([response(200, order("processing")), response(200, order("ready"))])
    client = connect(monkeypatch, lambda _url: next(answers))
    resource = messages.OrderResource(uri=f"{CA}/order/1", body=messages.Order())
    client.poll_order(resource, messages.STATUS_READY, Deadline(60), asked=9.0)
    assert slept[0] == 9.0
    assert len(slept) == 2
    assert slept[1] < 9.0


def test_answer_and_finalize_tell_what_the_authority_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(
        [response(200, {}, Retry_After="4"), response(200, {}), response(200, {}, Retry_After="5")]
    )
    client = connect(monkeypatch, lambda _url: next(answers))
    challenge = messages.ChallengeBody(chall=challenges.DNS01(token=b"a" * 32), uri=f"{CA}/c/1")
    assert (client.answer(challenge), client.answer(challenge)) == (4.0, 0.0)
    resource = messages.OrderResource(uri=f"{CA}/order/1", body=messages.Order(finalize=f"{CA}/finalize"))
    csr = make_csr(make_key("ec256"), ("example.com",))
    assert client.finalize(resource, csr) == 5.0


def test_polling_ends_with_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    client = connect(monkeypatch, lambda _url: response(200, order("pending"), Retry_After="75533"))
    resource = messages.OrderResource(uri=f"{CA}/order/1", body=messages.Order())
    with pytest.raises(DeadlineExceeded, match="Retry-After of 75533 s") as raised:
        client.poll_order(resource, messages.STATUS_READY, Deadline(60))
    assert raised.value.retry_at is not None  # the next run heeds it
    assert (
        timedelta(0) <= clock.now() + timedelta(seconds=75_533) - raised.value.retry_at < timedelta(seconds=9)
    )
    with pytest.raises(DeadlineExceeded, match="the order to become ready") as raised:
        client.poll_order(resource, messages.STATUS_READY, Deadline(0))
    assert raised.value.retry_at is None  # our own pause, not the authority's


def test_an_invalid_order_names_the_name_and_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    authorization = {
        "identifier": {"type": "dns", "value": "example.com"},
        "status": "invalid",
        "wildcard": True,
        "challenges": [
            {"type": "http-01", "url": f"{CA}/c/1"},
            {"type": "dns-01", "error": {"type": f"{URN}unauthorized", "detail": "no TXT record"}},
        ],
    }
    bodies = {
        f"{CA}/order/1": order("invalid", authorizations=[f"{CA}/authz/1"]),
        f"{CA}/authz/1": authorization,
    }
    client = connect(monkeypatch, lambda url: response(200, bodies[url]))
    resource = messages.OrderResource(uri=f"{CA}/order/1", body=messages.Order())
    with pytest.raises(OrderFailed, match=r"\*\.example\.com: .*unauthorized: no TXT record .*name servers"):
        client.poll_order(resource, messages.STATUS_READY, Deadline(60))
    bodies[f"{CA}/order/1"] = order("invalid", error={"type": f"{URN}caa", "detail": "forbidden"})
    with pytest.raises(OrderFailed, match="caa: forbidden"):
        client.poll_order(resource, messages.STATUS_READY, Deadline(60))
    bodies[f"{CA}/order/1"] = order("invalid")
    with pytest.raises(OrderFailed, match="the authority gave no reason"):
        client.poll_order(resource, messages.STATUS_READY, Deadline(60))


def test_an_account_is_bound_with_the_key_of_the_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(lambda _url: response(201, {"status": "valid"}, Location=f"{CA}/account/7"))
    monkeypatch.setattr(requests.Session, "request", lambda _self, *args, **rest: authority(*args, **rest))
    secret = base64.urlsafe_b64encode(b"k" * 32).decode().rstrip("=")
    external = ExternalAccount(kid="kid-1", hmac_key=secret)
    assert secret not in repr(external)
    client = AcmeClient(DIRECTORY, make_account_key())
    client.new_account(contact=None, terms_agreed=True, external=external)
    [payload] = authority.payloads
    binding = payload["externalAccountBinding"]
    assert json.loads(decoded(binding["protected"])) == {
        "alg": "HS256",
        "kid": "kid-1",
        "url": f"{CA}/account",
    }
    assert json.loads(decoded(binding["payload"])) == authority.protected[0]["jwk"]
    signed = f"{binding['protected']}.{binding['payload']}".encode()
    assert decoded(binding["signature"]) == hmac.digest(b"k" * 32, signed, "sha256")


def orders(monkeypatch: pytest.MonkeyPatch, first: requests.Response) -> tuple[AcmeClient, Authority]:
    """An authority whose first answer is `first`, and then an order."""
    answers = iter([first, response(201, order("pending", authorizations=[]), Location=f"{CA}/order/2")])
    authority = Authority(lambda _url: next(answers))
    monkeypatch.setattr(requests.Session, "request", lambda _self, *args, **rest: authority(*args, **rest))
    client = AcmeClient(DIRECTORY, make_account_key())
    client.use_account(f"{CA}/account/1")
    return client, authority


@pytest.mark.parametrize(
    ("status", "code", "detail"),
    [
        (409, "alreadyReplaced", "by another order"),
        (409, "conflict", "busy"),
        (404, "malformed", "no such certificate"),
        (403, "unauthorized", "of another account"),
        (500, "serverInternal", "cannot tell whether it was replaced"),
        (500, "serverInternal", "could not find an order for the given certificate"),
    ],
)
def test_an_order_is_repeated_once_without_what_it_replaces(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str, detail: str
) -> None:
    client, authority = orders(monkeypatch, response(status, {"type": URN + code, "detail": detail}))
    made = client.new_order(("example.com",), profile=None, replaces="AAAA.MDk")
    assert made.uri == f"{CA}/order/2"
    assert [payload.get("replaces") for payload in authority.payloads] == ["AAAA.MDk", None]


@pytest.mark.parametrize(
    ("status", "code", "replaces"),
    [(429, "rateLimited", "AAAA.MDk"), (500, "serverInternal", "AAAA.MDk"), (409, "alreadyReplaced", None)],
)
def test_no_other_refusal_is_repeated(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str, replaces: str | None
) -> None:
    client, authority = orders(monkeypatch, response(status, {"type": URN + code, "detail": "no"}))
    with pytest.raises(Problem):
        client.new_order(("example.com",), profile=None, replaces=replaces)
    assert len(authority.payloads) == 1


@pytest.mark.parametrize("status", ["invalid", "expired", "revoked", "deactivated", None, "of tomorrow"])
def test_an_authorization_that_is_dead_fails_the_order(
    monkeypatch: pytest.MonkeyPatch, status: str | None
) -> None:
    body = {"identifier": {"type": "dns", "value": "example.com"}, "status": status}
    client = connect(monkeypatch, lambda _url: response(200, body))
    with pytest.raises(OrderFailed, match=f"an authorization is {status}: example.com. The next run makes"):
        client.authorization(f"{CA}/authz/1")
    client = connect(monkeypatch, lambda _url: response(200, {"status": status}))
    with pytest.raises(OrderFailed, match="a name"):
        client.authorization(f"{CA}/authz/1")


def test_an_unknown_challenge_type_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    body = {
        "identifier": {"type": "dns", "value": "example.com"},
        "status": "pending",
        "challenges": [
            {"type": "dns-of-tomorrow-02", "url": f"{CA}/c/1", "status": "pending"},
            {"type": "dns-01", "url": f"{CA}/c/2", "status": "pending", "token": "a" * 43},
        ],
    }
    client = connect(monkeypatch, lambda _url: response(200, body))
    found = client.authorization(f"{CA}/authz/1")
    kinds = [isinstance(one.chall, challenges.DNS01) for one in found.challenges]
    assert kinds == [False, True]


@pytest.mark.parametrize(("code", "raises"), [("alreadyRevoked", False), ("badRevocationReason", True)])
def test_a_certificate_that_is_revoked_already_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, code: str, raises: bool
) -> None:
    monkeypatch.setitem(DIRECTORY, "revokeCert", f"{CA}/revoke")
    leaf = x509.load_pem_x509_certificate(make_authority("Root").certificate_pem().encode())
    client = connect(monkeypatch, lambda _url: response(400, {"type": URN + code, "detail": "no"}))
    if raises:
        with pytest.raises(Problem, match=code):
            client.revoke(leaf, 4)
    else:
        client.revoke(leaf, 4)


def test_alternate_chains_are_followed_by_their_link(monkeypatch: pytest.MonkeyPatch) -> None:
    chains = {
        f"{CA}/cert/{number}": make_authority(f"Root {number}").certificate_pem() for number in range(3)
    }
    links = f'<{CA}/dir>;rel="index", <{CA}/cert/1>;rel="alternate", <{CA}/cert/2>;rel="alternate"'

    def answer(url: str) -> requests.Response:
        return response(
            200, chains[url].encode(), content_type="application/pem-certificate-chain", Link=links
        )

    client = connect(monkeypatch, answer)
    for wanted, number in ((None, 0), ("Root 0", 0), ("Root 1", 1), ("Root 2", 2), ("Root 3", 0)):
        assert client.certificate(f"{CA}/cert/0", preferred_chain=wanted) == chains[f"{CA}/cert/{number}"]
