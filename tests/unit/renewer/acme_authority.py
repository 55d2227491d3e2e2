"""An ACME authority in the place of requests' session, which answers as a test says."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from lambda_renewer.acme_client import AcmeClient, make_account_key

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
            protected = json.loads(decoded(sent["protected"]))
            self.protected.append(protected)
            self.nonces.append(protected["nonce"])
            self.payloads.append(json.loads(decoded(sent["payload"]) or b"null"))
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


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def connect(monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], requests.Response]) -> AcmeClient:
    authority = Authority(answer)
    monkeypatch.setattr(requests.Session, "request", lambda _self, *args, **rest: authority(*args, **rest))
    client = AcmeClient(DIRECTORY, make_account_key())
    client.use_account(f"{CA}/account/1")
    return client
