"""Patience with permissions that are new: over real boto3 clients and an AWS that denies on request."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from lambda_renewer.aws import Aws
from lambda_renewer.errors import AccessDenied, from_client_error
from lambda_renewer.waiting import Deadline
from local_cloud.processes import LOOPBACK


class DenyingAws:
    """Denies the first `denials` requests with `code`, then answers; Secrets Manager and Route 53."""

    def __init__(self) -> None:
        self.denials, self.code, self.requests, self.cuts = 0, "AccessDeniedException", 0, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.requests += 1
                denied = outer.requests <= outer.denials
                if "X-Amz-Target" in self.headers:
                    content: Any = {"VersionId": "v1", "SecretString": "text", "VersionStages": []}
                    refusal = {"__type": outer.code, "Message": "User: x is not authorized"}
                    body = json.dumps(refusal if denied else content).encode()
                elif denied:
                    body = (
                        f"<ErrorResponse><Error><Type>Sender</Type><Code>{outer.code}</Code>"
                        "<Message>User: x is not authorized</Message></Error></ErrorResponse>"
                    ).encode()
                else:
                    body = (
                        b"<GetChangeResponse><ChangeInfo><Id>/change/C1</Id><Status>INSYNC</Status>"
                        b"<SubmittedAt>2026-11-25T02:00:00Z</SubmittedAt></ChangeInfo></GetChangeResponse>"
                    )
                self.send_response((403 if "X-Amz-Target" not in self.headers else 400) if denied else 200)
                cut = outer.requests <= outer.cuts
                self.send_header("Content-Length", str(len(body) + (10 if cut else 0)))
                self.end_headers()
                self.close_connection = True
                self.wfile.write(body)

            do_GET = do_POST = answer  # noqa: N815 - the names that http.server asks for

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer((LOOPBACK, 0), Handler)


@pytest.fixture(scope="module")
def running() -> Iterator[DenyingAws]:
    made = DenyingAws()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def aws(running: DenyingAws, monkeypatch: pytest.MonkeyPatch) -> DenyingAws:
    running.denials, running.code, running.requests, running.cuts = 0, "AccessDeniedException", 0, 0
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{running.server.server_port}",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "NO_PROXY": "*",
    }.items():
        monkeypatch.setenv(name, value)
    return running


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Sleeping moves the clock on, and takes no time."""
    pauses: list[float] = []
    began = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: began + sum(pauses))
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


def read(clients: Aws) -> str:
    secrets = clients.client("secretsmanager")
    return secrets.get_secret_value(SecretId="one", VersionStage="AWSCURRENT")["SecretString"]


def test_twice_denied_then_allowed(aws: DenyingAws, slept: list[float]) -> None:
    aws.denials = 2
    assert read(Aws(60, Deadline(600))) == "text"
    assert aws.requests == 3
    assert slept == [1.0, 1.6]


def test_denied_for_ever_ends_with_the_patience(aws: DenyingAws, slept: list[float]) -> None:
    aws.denials = 10**6
    with pytest.raises(ClientError) as raised:
        read(Aws(60, Deadline(600)))
    assert isinstance(from_client_error(raised.value), AccessDenied)
    assert 52 <= sum(slept) < 60
    assert slept == sorted(slept)  # it backs off
    assert slept[-1] == 8.0
    assert aws.requests == len(slept) + 1


def test_the_patience_is_one_for_the_whole_run(aws: DenyingAws, slept: list[float]) -> None:
    """A Lambda that lacks a permission for good is not to wait a minute at every call."""
    clients = Aws(60, Deadline(600))
    aws.denials = 10**6
    with pytest.raises(ClientError):
        read(clients)
    aws.requests = 0
    with pytest.raises(ClientError):
        clients.client("route53").get_change(Id="C1")
    assert aws.requests <= 2
    assert sum(slept) < 60


def test_the_patience_begins_with_the_first_denial(aws: DenyingAws, slept: list[float]) -> None:
    clients = Aws(60, Deadline(600))
    assert read(clients) == "text"
    slept.append(500.0)  # a long wait for something else
    aws.denials, aws.requests = 2, 0
    assert read(clients) == "text"
    assert aws.requests == 3


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException"])
def test_route_53_too(aws: DenyingAws, slept: list[float], code: str) -> None:
    aws.denials, aws.code = 1, code
    assert Aws(60, Deadline(600)).client("route53").get_change(Id="C1")["ChangeInfo"]["Status"] == "INSYNC"
    assert slept == [1.0]


def test_the_patience_ends_with_the_run(aws: DenyingAws, slept: list[float]) -> None:
    aws.denials = 10**6
    with pytest.raises(ClientError):
        read(Aws(60, Deadline(10)))
    assert slept == pytest.approx([1.0, 1.6, 2.56, 4.096])  # 10 s, less the next pause
    with pytest.raises(ClientError):
        read(Aws(60, Deadline(0)))
    assert len(slept) == 4


def test_without_patience_a_denial_is_told_at_once(aws: DenyingAws, slept: list[float]) -> None:
    aws.denials = 1
    with pytest.raises(ClientError):
        read(Aws(0, Deadline(600)))
    assert (aws.requests, slept) == (1, [])


def test_no_other_refusal_is_waited_for(aws: DenyingAws, slept: list[float]) -> None:
    aws.denials, aws.code = 1, "InvalidParameterException"
    with pytest.raises(ClientError, match="InvalidParameterException"):
        read(Aws(60, Deadline(600)))
    assert (aws.requests, slept) == (1, [])


def test_throttling_is_left_to_botocore(aws: DenyingAws, slept: list[float]) -> None:
    aws.denials, aws.code = 2, "ThrottlingException"
    assert read(Aws(60, Deadline(600))) == "text"
    assert aws.requests == 3
    assert 1.0 not in slept


@pytest.mark.parametrize("service", ["secretsmanager", "route53"])
def test_an_answer_that_is_cut_short_is_asked_for_again(
    aws: DenyingAws, slept: list[float], service: str
) -> None:
    def ask() -> str:
        if service == "secretsmanager":
            return read(Aws(60, Deadline(600)))
        return Aws(60, Deadline(600)).client("route53").get_change(Id="C1")["ChangeInfo"]["Status"]

    aws.cuts = 2
    assert ask() in {"text", "INSYNC"}
    assert aws.requests == 3
    aws.cuts, aws.requests = 10**6, 0
    with pytest.raises((ClientError, BotoCoreError)):
        ask()
    assert aws.requests == 8
    assert slept
