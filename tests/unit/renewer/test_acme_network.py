"""The network under the acme library: nonces, problems, and an authority that answers badly."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from acme import messages
from josepy.jwa import ES256

from lambda_renewer import clock
from lambda_renewer.acme_client import AcmeClient, Network, make_account_key
from lambda_renewer.errors import AcmeError, DeadlineExceeded, OrderFailed, Problem

CA = "https://ca.example"
DIRECTORY = {
    "newNonce": f"{CA}/nonce",
    "newAccount": f"{CA}/account",
    "newOrder": f"{CA}/order",
    "meta": {"termsOfService": f"{CA}/terms", "profiles": {"classic": "the usual"}},
}
URN = "urn:ietf:params:acme:error:"


def response(
    status: int = 200, body: Any = None, *, content_type: str = "application/json", **headers: str
) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made.reason = "Some Reason"
    made._content = body if isinstance(body, bytes) else json.dumps(body).encode()
    made.headers["Content-Type"] = content_type
    for name, value in headers.items():
        made.headers[name.replace("_", "-")] = value
    return made


class Authority:
    """Stands in for requests.Session.request; every answer brings a nonce that is good once.

    Attributes:
        nonces: the nonce of each POST, as it came.
        heads: how often a nonce was asked for by itself.
        payloads: what was posted, decoded.
    """

    def __init__(self, answer: Callable[[str], requests.Response]) -> None:
        self._answer = answer
        self._numbers = itertools.count(1)
        self.given: list[str] = []
        self.nonces: list[str] = []
        self.heads = 0
        self.payloads: list[Any] = []
        self.protected: list[dict[str, Any]] = []

    def __call__(self, method: str, url: str, **rest: Any) -> requests.Response:
        if method == "HEAD":
            self.heads += 1
            answer = response(200, b"")
        elif method == "GET":
            return self._finish(response(200, DIRECTORY), url, nonce=False)
        else:
            sent = json.loads(rest["data"])
            protected = json.loads(_decode(sent["protected"]))
            self.protected.append(protected)
            self.nonces.append(protected["nonce"])
            self.payloads.append(json.loads(_decode(sent["payload"]) or b"null"))
            answer = self._answer(url)
        return self._finish(answer, url, nonce=True)

    def _finish(self, answer: requests.Response, url: str, *, nonce: bool) -> requests.Response:
        answer.url = url
        answer.request = requests.Request("POST", url).prepare()
        if nonce and "No-Nonce" not in answer.headers:
            self.given.append(
                base64.urlsafe_b64encode(b"nonce %4d" % next(self._numbers)).decode().rstrip("=")
            )
            answer.headers["Replay-Nonce"] = self.given[-1]
        return answer


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def refuse_nonces(times: int) -> Callable[[str], requests.Response]:
    left = [times]

    def answer(_url: str) -> requests.Response:
        if left[0]:
            left[0] -= 1
            return response(400, {"type": f"{URN}badNonce", "detail": "no"})
        return response(200, {"ok": True})

    return answer


def network(authority: Callable[..., requests.Response]) -> Network:
    made = Network(key=make_account_key(), alg=ES256)
    made.account = messages.RegistrationResource(uri=f"{CA}/account/1", body=messages.Registration())
    made.session.request = authority  # type: ignore[method-assign]
    return made


def connect(monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], requests.Response]) -> AcmeClient:
    authority = Authority(answer)
    monkeypatch.setattr(requests.Session, "request", lambda _self, *args, **rest: authority(*args, **rest))
    client = AcmeClient(f"{CA}/dir", make_account_key())
    client.use_account(f"{CA}/account/1")
    return client


@pytest.mark.parametrize("refusals", [0, 1, 19])
def test_a_refused_nonce_is_replaced_by_the_one_in_the_refusal(refusals: int) -> None:
    authority = Authority(refuse_nonces(refusals))
    answer = network(authority).post(f"{CA}/order", None, new_nonce_url=f"{CA}/nonce")
    assert answer.json() == {"ok": True}
    assert authority.heads == 1
    assert authority.nonces == authority.given[:-1]
    assert len(authority.nonces) == refusals + 1


def test_the_nonce_of_a_good_answer_and_of_any_problem_is_used_next() -> None:
    answers = iter([response(200, {}), response(403, {"type": f"{URN}unauthorized"}), response(200, {})])
    authority = Authority(lambda _url: next(answers))
    net = network(authority)
    net.post(f"{CA}/order", None, new_nonce_url=f"{CA}/nonce")
    with pytest.raises(Problem):
        net.post(f"{CA}/order", None, new_nonce_url=f"{CA}/nonce")
    net.post(f"{CA}/order", None, new_nonce_url=f"{CA}/nonce")
    assert authority.heads == 1
    assert authority.nonces == authority.given[:-1]


def test_twenty_refused_nonces_are_the_end() -> None:
    authority = Authority(refuse_nonces(20))
    with pytest.raises(Problem) as raised:
        network(authority).post(f"{CA}/order", None, new_nonce_url=f"{CA}/nonce")
    assert raised.value.code == "badNonce"
    assert "The authority refused every nonce" in str(raised.value)
    assert len(authority.nonces) == 20


def problem(answer: requests.Response) -> Problem:
    authority = Authority(lambda _url: answer)
    with pytest.raises(Problem) as raised:
        network(authority).post(f"{CA}/order", None, new_nonce_url=f"{CA}/nonce")
    assert len(authority.nonces) == 1  # nothing but badNonce is sent again
    return raised.value


def test_a_problem_keeps_type_detail_status_and_retry_after() -> None:
    document = {"type": f"{URN}rateLimited", "detail": "too many", "status": 429}
    found = problem(response(429, document, content_type="application/problem+json", Retry_After="75533"))
    assert (found.type, found.detail, found.status) == (f"{URN}rateLimited", "too many", 429)
    assert (found.code, found.retry_after, found.url) == ("rateLimited", 75_533.0, f"{CA}/order")


def test_retry_after_may_be_a_date() -> None:
    at = (clock.now() + timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    found = problem(response(503, {"type": f"{URN}serverInternal"}, Retry_After=at))
    assert found.retry_after is not None
    assert 3_590 < found.retry_after <= 3_600
    assert problem(response(503, {}, Retry_After="soon")).retry_after is None
    assert problem(response(503, {})).retry_after is None


def test_a_conflict_keeps_its_document() -> None:
    found = problem(response(409, {"type": f"{URN}alreadyReplaced", "detail": "by another order"}))
    assert (found.status, found.code, found.detail) == (409, "alreadyReplaced", "by another order")


@pytest.mark.parametrize("body", [b"<html>502</html>", b"", b'"text"', b"[]", b"\xff\xfe"])
def test_an_error_without_a_problem_document(body: bytes) -> None:
    found = problem(response(502, body, content_type="text/html"))
    assert (found.status, found.type) == (502, "about:blank")
    assert "Some Reason, without a problem document (HTTP 502 from https://ca.example/order)" in str(found)


def test_requests_are_signed_with_es256_and_the_kid(monkeypatch: pytest.MonkeyPatch) -> None:
    order = {"status": "pending", "authorizations": [], "finalize": f"{CA}/finalize", "identifiers": []}
    authority = Authority(lambda _url: response(201, order, Location=f"{CA}/order/1"))
    monkeypatch.setattr(requests.Session, "request", lambda _self, *args, **rest: authority(*args, **rest))
    client = AcmeClient(f"{CA}/dir", make_account_key())
    client.use_account(f"{CA}/account/1")
    assert client.new_order(("example.com", "*.example.com"), profile="classic").uri == f"{CA}/order/1"
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
    client.new_order(("example.com",), profile=None)
    assert "profile" not in authority.payloads[1]


def test_a_new_account(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(lambda _url: response(201, {"status": "valid"}, Location=f"{CA}/account/7"))
    monkeypatch.setattr(requests.Session, "request", lambda _self, *args, **rest: authority(*args, **rest))
    client = AcmeClient(f"{CA}/dir", make_account_key())
    assert client.terms_of_service() == f"{CA}/terms"
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
        client.new_order(("example.com",), profile=None)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'"text"', b"{}"])
def test_a_directory_that_is_none(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    monkeypatch.setattr(
        requests.Session,
        "request",
        lambda _self, _method, url, **_rest: Authority._finish(
            Authority(lambda _url: response()), response(200, body), url, nonce=False
        ),
    )
    with pytest.raises(AcmeError, match=f"{CA}/dir"):
        AcmeClient(f"{CA}/dir", make_account_key()).new_account(contact=None, terms_agreed=False)


def test_an_authority_without_nonces(monkeypatch: pytest.MonkeyPatch) -> None:
    client = connect(monkeypatch, lambda _url: response(200, {}, No_Nonce="1"))
    with pytest.raises(AcmeError, match="MissingNonce"):
        client.authorization(f"{CA}/authz/1")


@pytest.mark.parametrize("failure", [requests.ConnectionError("refused"), requests.Timeout("30 s")])
def test_an_authority_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    def fail(*_args: Any, **_rest: Any) -> requests.Response:
        raise failure

    monkeypatch.setattr(requests.Session, "request", fail)
    with pytest.raises(AcmeError, match=f"{CA}/dir cannot be reached: {failure}. The schedule tries again"):
        AcmeClient(f"{CA}/dir", make_account_key())


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
    found = client.poll_order(resource, messages.STATUS_READY, clock.Deadline(60))
    assert found.status == messages.STATUS_READY
    assert slept[1] == 7.0
    assert len(slept) == 4


def test_polling_ends_with_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    client = connect(monkeypatch, lambda _url: response(200, order("pending"), Retry_After="75533"))
    resource = messages.OrderResource(uri=f"{CA}/order/1", body=messages.Order())
    with pytest.raises(DeadlineExceeded, match="Retry-After of 75533 s"):
        client.poll_order(resource, messages.STATUS_READY, clock.Deadline(60))


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
        client.poll_order(resource, messages.STATUS_READY, clock.Deadline(60))
    bodies[f"{CA}/order/1"] = order("invalid", error={"type": f"{URN}caa", "detail": "forbidden"})
    with pytest.raises(OrderFailed, match="caa: forbidden"):
        client.poll_order(resource, messages.STATUS_READY, clock.Deadline(60))
    bodies[f"{CA}/order/1"] = order("invalid")
    with pytest.raises(OrderFailed, match="the authority gave no reason"):
        client.poll_order(resource, messages.STATUS_READY, clock.Deadline(60))
