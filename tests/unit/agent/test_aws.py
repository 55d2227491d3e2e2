"""What is asked of AWS, what is tried again, and how refusals read."""

from __future__ import annotations

import email.utils
import json
import random
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import pytest

from synology_agent import aws as module
from synology_agent.aws import Aws, Metric
from synology_agent.config import AccessKey, Config, WantedCertificate
from synology_agent.errors import AwsError, AwsRefused, ClockWrong

SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
GOOD = b'{"VersionId": "new", "SecretString": "text"}'


class Answer(NamedTuple):
    """What the server says; with status 0 the bytes are all that it sends."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Server:
    """Gives its answers one after the other, the last one for ever.

    Attributes:
        requests: headers and body of each request.
        said: what the client told a person.
    """

    def __init__(self) -> None:
        self.answers: list[Answer] = [Answer(200, GOOD)]
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.said: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.requests.append((dict(self.headers), body))
                answer = server.answers[0] if len(server.answers) == 1 else server.answers.pop(0)
                if answer.status:
                    self.send_response_only(answer.status)
                    for name, value in answer.headers:
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(answer.body)))
                    self.end_headers()
                self.wfile.write(answer.body)

            def do_CONNECT(self) -> None:
                server.requests.append(({"connect": self.path}, b""))
                self.send_error(502)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}/"

    def client(self, *, keys: int = 1, patient: bool = False, **fields: Any) -> Aws:
        config = Config(
            region="eu-central-1",
            access_keys=tuple(AccessKey(f"AKIA{number}", SECRET_KEY) for number in range(keys)),
            endpoints=fields.get("endpoints", dict.fromkeys(("secretsmanager", "monitoring"), self.endpoint)),
            ca_file=None,
            metric_namespace=None,
            certificates=(WantedCertificate("secret", "xoEBak", ("nas.example.com",)),),
        )
        return Aws(config, patient=patient, say=self.said.append)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Server()
    yield made
    made.stop()


def problem(code: str, message: str = "no", status: int = 400, *headers: tuple[str, str]) -> Answer:
    return Answer(status, json.dumps({"__type": f"x#{code}", "message": message}).encode(), headers)


def at(moment: datetime) -> tuple[str, str]:
    return ("Date", email.utils.format_datetime(moment, usegmt=True))


def refusal(aws: Aws, kind: type[AwsError] = AwsError) -> str:
    with pytest.raises(AwsError) as refused:
        aws.current_document("secret")
    assert type(refused.value) is kind
    assert SECRET_KEY not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("stages", "version"),
    [
        ({}, ""),
        (None, ""),
        ([], ""),
        ({"old": ["AWSPREVIOUS"], "new": ["AWSCURRENT", "AWSPENDING"]}, "new"),
        ({"new": ["AWSPENDING"], "old": ["AWSCURRENT"]}, "old"),
    ],
)
def test_the_current_version(server: Server, stages: object, version: str) -> None:
    server.answers = [Answer(200, json.dumps({"VersionIdsToStages": stages}).encode())]
    aws = server.client()
    assert aws.current_version("secret") == version
    assert aws.calls == len(server.requests) == 1


def test_the_current_document_names_its_stage(server: Server) -> None:
    assert server.client().current_document("secret") == ("new", "text")
    ((headers, body),) = server.requests
    assert json.loads(body) == {"SecretId": "secret", "VersionStage": "AWSCURRENT"}
    assert headers["X-Amz-Target"] == "secretsmanager.GetSecretValue"
    assert "Credential=AKIA0/" in headers["Authorization"]


def test_metrics_are_one_call(server: Server) -> None:
    server.answers = [Answer(200, b"<PutMetricDataResponse/>")]
    metrics = [Metric("LifeLeft", "example.com", 0.5), Metric("DaysLeft", "example.com", 45.0)]
    aws = server.client()
    aws.put_metrics("synology-https/dev/nas", metrics)
    ((headers, body),) = server.requests
    assert {name: value for name, (value,) in parse_qs(body.decode()).items()} == {
        "Action": "PutMetricData",
        "Version": "2010-08-01",
        "Namespace": "synology-https/dev/nas",
        "MetricData.member.1.MetricName": "LifeLeft",
        "MetricData.member.1.Value": "0.5",
        "MetricData.member.1.Dimensions.member.1.Name": "certificate",
        "MetricData.member.1.Dimensions.member.1.Value": "example.com",
        "MetricData.member.2.MetricName": "DaysLeft",
        "MetricData.member.2.Value": "45.0",
        "MetricData.member.2.Dimensions.member.1.Name": "certificate",
        "MetricData.member.2.Dimensions.member.1.Value": "example.com",
    }
    assert "/eu-central-1/monitoring/aws4_request" in headers["Authorization"]
    server.answers = [Answer(403, b"<Error><Code>AccessDenied</Code><Message>not yours</Message></Error>")]
    with pytest.raises(AwsRefused, match="AccessDenied: not yours; the NAS's key may not do this"):
        aws.put_metrics("other", metrics)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            problem("AccessDeniedException"),
            "GetSecretValue of secret: AccessDeniedException: no; the NAS's key",
        ),
        (problem("ResourceNotFoundException"), "`pulumi up` makes it"),
        (problem("UnrecognizedClientException"), "makes a new one"),
        (problem("InvalidSignatureException"), "or the NAS's clock is"),
        (Answer(400, b"<html>"), "HTTP 400: "),
        (Answer(400, b'"text"'), "HTTP 400: "),
        (Answer(301, b"", (("Location", "https://elsewhere.test/"),)), "HTTP 301: "),
        (Answer(307, b"", (("Location", "/"),)), "HTTP 307: "),
    ],
)
def test_a_refusal_is_final_and_says_what_to_do(server: Server, answer: Answer, words: str) -> None:
    server.answers = [answer]
    assert words in refusal(server.client(), AwsRefused)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(200, b"[]"), "answered no JSON object"),
        (Answer(200, b"<html>"), "answered no JSON"),
        (Answer(200, b'{"VersionId": "new", "SecretBinary": "AA=="}'), "without a version or a text"),
        (Answer(200, b'{"VersionId": 7, "SecretString": "x"}'), "without a version or a text"),
    ],
)
def test_an_answer_that_is_none_is_said(server: Server, answer: Answer, words: str) -> None:
    server.answers = [answer]
    assert words in refusal(server.client())


@pytest.mark.parametrize(
    "passing",
    [
        problem("ThrottlingException", "slow down"),
        problem("TooManyRequestsException", "slow down", 429, ("Retry-After", "1")),
        problem("InternalServiceError", "oops", 500),
        Answer(503, b"<html>", (("Retry-After", "soon"),)),
        Answer(0, b""),
        Answer(0, b"SSH-2.0-OpenSSH\r\n"),
        Answer(0, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
    ],
)
def test_what_may_pass_is_tried_again_a_few_times(server: Server, passing: Answer) -> None:
    server.answers = [passing, passing, Answer(200, GOOD)]
    assert server.client().current_document("secret") == ("new", "text")
    assert len(server.requests) == 3

    server.requests.clear()
    server.answers = [passing]
    with pytest.raises(AwsError):
        server.client().current_document("secret")
    assert len(server.requests) == module.TRIES


def test_pauses_grow_are_random_and_heed_retry_after(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []
    monkeypatch.setattr(time, "sleep", paused.append)
    monkeypatch.setattr(random, "uniform", lambda low, high: low + high)
    server.answers = [problem("ThrottlingException")]
    refusal(server.client(), AwsRefused)
    assert paused == [0.5, 1.0, 2.0, 4.0]
    paused.clear()
    server.answers = [problem("ThrottlingException", "no", 429, ("Retry-After", "3")), Answer(200, GOOD)]
    server.client().current_document("secret")
    assert paused == [3.5]


@pytest.mark.parametrize("code", ["AccessDeniedException", "UnrecognizedClientException"])
def test_a_new_key_gets_patience(server: Server, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    server.answers = [problem(code)] * 9 + [Answer(200, GOOD)]
    assert server.client(patient=True).current_document("secret") == ("new", "text")
    assert len(server.requests) == 10

    clock = iter(range(0, 10_000, 7))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    server.answers = [problem(code)]
    assert code in refusal(server.client(patient=True), AwsRefused)


def test_a_second_key_is_tried_where_the_first_is_refused(server: Server) -> None:
    server.answers = [problem("UnrecognizedClientException"), Answer(200, GOOD)]
    aws = server.client(keys=2)
    assert aws.current_document("secret") == ("new", "text")
    assert aws.current_document("secret") == ("new", "text")  # and stays
    used = [headers["Authorization"].partition("Credential=")[2][:5] for headers, _ in server.requests]
    assert used == ["AKIA0", "AKIA1", "AKIA1"]
    assert server.said == [
        "AWS refused the access key AKIA0 (UnrecognizedClientException): trying the second one"
    ]
    server.answers = [problem("UnrecognizedClientException")]
    assert "makes a new one" in refusal(server.client(keys=2), AwsRefused)


EXPIRED = "Signature expired: 20261125T020000Z is now earlier than 20261125T025500Z"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("InvalidSignatureException", EXPIRED),
        ("InvalidSignatureException", "Signature not yet current: x is still later than y"),
        ("RequestTimeTooSkewed", "no"),
        ("RequestExpired", "no"),
    ],
)
def test_a_skewed_clock_is_corrected_once(server: Server, code: str, message: str) -> None:
    right = datetime.now(timezone.utc) + timedelta(hours=3)
    server.answers = [problem(code, message, 400, at(right)), Answer(200, GOOD)]
    aws = server.client()
    assert aws.current_document("secret") == ("new", "text")
    assert server.requests[1][0]["X-Amz-Date"][:11] == f"{right:%Y%m%dT%H}"
    assert abs(aws.clock_skew() - timedelta(hours=3)) < timedelta(minutes=1)
    assert "the NAS's clock is off by 10" in server.said[0]
    assert "Regional Options" in server.said[0]

    server.answers = [problem(code, message, 400, at(right))]
    assert code in refusal(server.client(), AwsRefused)


def test_a_clock_years_off_is_named(server: Server) -> None:
    server.answers = [
        problem("RequestTimeTooSkewed", "no", 400, at(datetime(2060, 1, 1, tzinfo=timezone.utc)))
    ]
    assert "and AWS's 2060-01-01 00:00. Set it in Control Panel" in refusal(server.client(), ClockWrong)
    for date in ("", "soon"):
        server.answers = [problem("RequestTimeTooSkewed", "no", 400, ("Date", date))]
        assert "refused GetSecretValue of secret for the NAS's clock" in refusal(server.client(), ClockWrong)


def test_certificates_of_a_time_that_is_over_are_the_clocks_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """A NAS that lost power wakes in the year 2000 until NTP answers."""
    reason = ssl.SSLCertVerificationError()
    reason.verify_message = "certificate is not yet valid"
    assert "certificate is not yet valid" in str(module._unreachable("x", "https://x/", reason))
    assert type(module._unreachable("x", "https://x/", reason)) is AwsError
    monkeypatch.setattr(module, "_now", lambda: datetime(2000, 1, 1, tzinfo=timezone.utc))
    error = module._unreachable("x", "https://x/", reason)
    assert type(error) is ClockWrong
    assert "the NAS's clock says 2000-01-01 00:00 UTC" in str(error)


def test_an_https_proxy_of_the_environment_is_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", server.endpoint)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert "could not be asked" in refusal(server.client(endpoints={}))
    assert server.requests[0][0] == {"connect": "secretsmanager.eu-central-1.amazonaws.com:443"}
