"""What is asked of AWS, what is tried again, and how refusals read."""

from __future__ import annotations

import email.utils
import json
import random
import socket
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs

import pytest

from synology_agent import aws as module
from synology_agent.aws import Aws, Metric
from synology_agent.errors import AwsError, AwsRefused, ClockWrong

from .aws_server import GOOD, SECRET_KEY, Answer, AwsServer, problem


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsServer]:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    made = AwsServer()
    yield made
    made.stop()


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
def test_the_current_version(server: AwsServer, stages: object, version: str) -> None:
    server.answers = [Answer(200, json.dumps({"VersionIdsToStages": stages}).encode())]
    aws = server.client()
    assert aws.current_version("secret") == version
    assert aws.calls == len(server.requests) == 1


def test_the_current_document_names_its_stage(server: AwsServer) -> None:
    assert server.client().current_document("secret") == ("new", "text")
    ((headers, body),) = server.requests
    assert json.loads(body) == {"SecretId": "secret", "VersionStage": "AWSCURRENT"}
    assert headers["X-Amz-Target"] == "secretsmanager.GetSecretValue"
    assert "Credential=AKIA0/" in headers["Authorization"]


def test_metrics_are_one_call(server: AwsServer) -> None:
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
    ("answer", "words", "tries"),
    [
        (
            problem("AccessDeniedException"),
            "GetSecretValue of secret: AccessDeniedException: no; the NAS's key",
            3,
        ),
        (problem("UnrecognizedClientException"), "makes a new one", 3),
        (problem("InvalidSignatureException", "no match.\n\nThe Canonical"), ": no match.; the secret", 3),
        (problem("ResourceNotFoundException"), "`pulumi up` makes it", 1),
        (problem("ValidationException", "x" * 9000), ": ValidationException: " + "x" * 500, 1),
        (Answer(400, b"<html>"), "HTTP 400: ", 1),
        (Answer(400, b'"text"'), "HTTP 400: ", 1),
        (Answer(400, b"<Code>Bad</Code><Message>a &lt; b</Message>"), "Bad: a < b", 1),
        (Answer(301, b"", (("Location", "https://elsewhere.test/"),)), "HTTP 301: ", 1),
        (Answer(307, b"", (("Location", "/"),)), "HTTP 307: ", 1),
    ],
)
def test_a_refusal_says_what_to_do_and_that_of_a_key_is_asked_again(
    server: AwsServer, answer: Answer, words: str, tries: int
) -> None:
    server.answers = [answer]
    message = refusal(server.client(), AwsRefused)
    assert words in message
    assert "\n" not in message
    assert len(message) < 700
    assert len(server.requests) == tries


def test_a_good_key_that_is_refused_by_a_hiccup(server: AwsServer) -> None:
    server.answers = [problem("AccessDeniedException"), problem("AccessDeniedException"), Answer(200, GOOD)]
    assert server.client().current_document("secret") == ("new", "text")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(200, b"[]"), "answered no JSON object"),
        (Answer(200, b"<html>"), "answered no JSON"),
        (Answer(200, b'{"VersionId": "new", "SecretBinary": "AA=="}'), "without a version or a text"),
        (Answer(200, b'{"VersionId": 7, "SecretString": "x"}'), "without a version or a text"),
        (Answer(200, b'"' + b"x" * 1_000_000 + b'"'), "answered with more than 1000000 bytes"),
        (Answer(500, b"x" * 1_000_001), "answered with more than 1000000 bytes"),
    ],
)
def test_an_answer_that_is_none_is_said(server: AwsServer, answer: Answer, words: str) -> None:
    server.answers = [answer]
    assert words in refusal(server.client())
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "passing",
    [
        problem("ThrottlingException", "slow down"),
        Answer(400, b"<Error><Code>Throttling</Code><Message>slow down</Message></Error>"),
        problem("RequestTimeoutException"),
        Answer(408, b""),
        problem("TooManyRequestsException", "slow down", 429, ("Retry-After", "1")),
        problem("InternalServiceError", "oops", 500),
        Answer(503, b"<html>", (("Retry-After", "soon"),)),
        Answer(0, b""),
        Answer(0, b"SSH-2.0-OpenSSH\r\n"),
        Answer(0, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
        Answer(0, b"HTTP/1.1 200 OK\r\nContent-Length: nine\r\n\r\n{"),
        Answer(0, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\n\r\n{"),
    ],
)
def test_what_may_pass_is_tried_again_a_few_times(server: AwsServer, passing: Answer) -> None:
    server.answers = [passing, passing, Answer(200, GOOD)]
    assert server.client().current_document("secret") == ("new", "text")
    assert len(server.requests) == 3

    server.requests.clear()
    server.answers = [passing]
    with pytest.raises(AwsError):
        server.client().current_document("secret")
    assert len(server.requests) == module.TRIES


def test_pauses_grow_are_random_and_heed_retry_after(
    server: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
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


class Clock:
    """Time that passes by sleeping alone.

    Attributes:
        paused: each sleep, in seconds.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paused: list[float] = []
        monkeypatch.setattr(time, "sleep", self.paused.append)
        monkeypatch.setattr(time, "monotonic", lambda: sum(self.paused))


@pytest.mark.parametrize(
    "code",
    ["AccessDenied", "AccessDeniedException", "InvalidClientTokenId", "UnrecognizedClientException"],
)
def test_a_new_key_gets_a_minute(server: AwsServer, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    server.answers = [problem(code)] * 9 + [Answer(200, GOOD)]
    assert server.client(patient=True).current_document("secret") == ("new", "text")
    assert len(server.requests) == 10

    clock = Clock(monkeypatch)
    server.answers = [problem(code)]
    assert code in refusal(server.client(patient=True), AwsRefused)
    assert sum(clock.paused) == pytest.approx(module.LONGEST_SECONDS)
    assert max(clock.paused) <= 8


def test_no_request_is_tried_again_after_a_minute(server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    server.answers = [problem("ThrottlingException", "no", 429, ("Retry-After", "3600"))]
    refusal(server.client(), AwsRefused)
    assert clock.paused == [module.LONGEST_SECONDS]
    assert len(server.requests) == 2


def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch, server: AwsServer) -> None:
    monkeypatch.setattr(module, "_TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(module, "LONGEST_SECONDS", 0.15)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        aws = server.client(endpoints={"secretsmanager": url})
        message = refusal(aws)
    assert f"AWS could not be asked (GetSecretValue of secret at {url}): " in message
    assert "timed out" in message
    assert message.endswith("The next run tries again")
    assert 1 <= aws.calls < module.TRIES


@pytest.mark.parametrize("patient", [False, True])
def test_a_second_key_is_tried_where_the_first_is_refused(server: AwsServer, patient: bool) -> None:
    server.answers = [problem("UnrecognizedClientException"), Answer(200, GOOD)]
    aws = server.client(keys=2, patient=patient)
    assert aws.current_document("secret") == ("new", "text")
    assert aws.current_document("secret") == ("new", "text")  # and stays
    assert server.keys_used == ["AKIA0", "AKIA1", "AKIA1"]
    assert server.said == [
        "AWS refused the access key AKIA0 (UnrecognizedClientException): trying the second one"
    ]


def test_two_keys_that_are_refused_are_both_named(server: AwsServer) -> None:
    refused = problem("UnrecognizedClientException")
    server.answers = [problem("InvalidSignatureException"), refused]
    message = refusal(server.client(keys=2), AwsRefused)
    assert "makes a new one; the access key AKIA0 was refused before: InvalidSignatureException" in message
    assert server.keys_used == ["AKIA0", "AKIA1", "AKIA1", "AKIA1"]


def test_the_second_key_is_for_refusals_alone(server: AwsServer) -> None:
    for passing in (problem("ThrottlingException"), problem("InternalServiceError", "no", 500)):
        server.requests.clear()
        server.answers = [passing, Answer(200, GOOD)]
        server.client(keys=2).current_document("secret")
        assert server.keys_used == ["AKIA0", "AKIA0"]
    server.requests.clear()
    server.answers = [problem("ResourceNotFoundException")]
    refusal(server.client(keys=2), AwsRefused)
    assert server.keys_used == ["AKIA0"]


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
def test_a_skewed_clock_is_corrected_once(server: AwsServer, code: str, message: str) -> None:
    right = datetime.now(timezone.utc) + timedelta(hours=3)
    server.answers = [problem(code, message, 400, at(right)), Answer(200, GOOD)]
    aws = server.client()
    assert aws.current_document("secret") == ("new", "text")
    assert server.requests[1][0]["X-Amz-Date"][:11] == f"{right:%Y%m%dT%H}"
    assert abs(aws.clock_skew() - timedelta(hours=3)) < timedelta(minutes=1)
    assert "the NAS's clock is off by 10" in server.said[0]
    assert "Regional Options" in server.said[0]

    server.requests.clear()
    server.answers = [problem(code, message, 400, at(right))]
    assert code in refusal(server.client(), AwsRefused)
    assert {headers["X-Amz-Date"][:11] for headers, _ in server.requests[1:]} == {f"{right:%Y%m%dT%H}"}
    assert len([line for line in server.said if "corrected" in line]) == 2  # once a client


def test_a_clock_that_is_right_is_corrected_once_too(
    server: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 11, 25, 2, 0, 0, tzinfo=timezone.utc)
    monkeypatch.setattr(module, "_now", lambda: now)
    server.answers = [problem("RequestTimeTooSkewed", "no", 400, at(now))]
    assert "RequestTimeTooSkewed" in refusal(server.client(), AwsRefused)
    assert len(server.requests) == 2


def test_a_clock_years_off_is_named(server: AwsServer) -> None:
    server.answers = [
        problem("RequestTimeTooSkewed", "no", 400, at(datetime(2060, 1, 1, tzinfo=timezone.utc)))
    ]
    assert "and AWS's 2060-01-01 00:00. Set it in Control Panel" in refusal(server.client(), ClockWrong)
    for date in ("", "soon", "Wed, 25 Nov 2026", "Fri, 31 Dec 9999 23:59:59 -2300"):
        server.answers = [problem("RequestTimeTooSkewed", "no", 400, ("Date", date))]
        assert "refused GetSecretValue of secret for the NAS's clock" in refusal(server.client(), ClockWrong)
