"""The network under the acme library: nonces and problems."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import requests
from acme import messages
from josepy.jwa import ES256

from lambda_renewer import clock
from lambda_renewer.acme_client import Network, make_account_key
from lambda_renewer.errors import Problem
from tests.unit.renewer.acme_authority import CA, URN, Authority, response


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
    assert (found.code, found.url) == ("rateLimited", f"{CA}/order")
    assert seconds_until(found) == pytest.approx(75_533.0, abs=5)


def test_retry_after_may_be_a_date() -> None:
    at = (clock.now() + timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    found = problem(response(503, {"type": f"{URN}serverInternal"}, Retry_After=at))
    assert 3_590 < seconds_until(found) <= 3_600
    assert problem(response(503, {}, Retry_After="soon")).retry_at is None
    assert problem(response(503, {})).retry_at is None


def seconds_until(found: Problem) -> float:
    assert found.retry_at is not None
    return (found.retry_at - clock.now()).total_seconds()


def test_a_conflict_keeps_its_document() -> None:
    found = problem(response(409, {"type": f"{URN}alreadyReplaced", "detail": "by another order"}))
    assert (found.status, found.code, found.detail) == (409, "alreadyReplaced", "by another order")


@pytest.mark.parametrize("body", [b"<html>502</html>", b"", b'"text"', b"[]", b"\xff\xfe"])
def test_an_error_without_a_problem_document(body: bytes) -> None:
    found = problem(response(502, body, content_type="text/html"))
    assert (found.status, found.type) == (502, "about:blank")
    assert "Some Reason, without a problem document (HTTP 502 from https://ca.example/order)" in str(found)
