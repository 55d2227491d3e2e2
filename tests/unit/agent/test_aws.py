"""How AWS's answers read: one that cannot be used is an AwsError that says what to do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Protocol

import pytest

from synology_agent.aws import SecretsManager
from synology_agent.config import Config, WantedCertificate
from synology_agent.errors import AwsError

SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


class Answering(Protocol):
    def __call__(self, status: int, body: bytes) -> SecretsManager: ...


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Return a client of a server that gives one answer; with status 0 the bytes are all that it sends."""
    servers = []

    def start(status: int, body: bytes) -> SecretsManager:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                if status:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return client(f"http://127.0.0.1:{server.server_port}/")

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def client(endpoint: str) -> SecretsManager:
    wanted = (WantedCertificate("secret", "xoEBak", ("nas.example.com",)),)
    return SecretsManager(Config("eu-central-1", "AKIA", SECRET_KEY, endpoint, None, wanted))


def refusal(call: Callable[[str], object]) -> str:
    with pytest.raises(AwsError) as refused:
        call("secret")
    assert SECRET_KEY not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("stages", "version"),
    [
        ({}, ""),
        (None, ""),
        ({"old": ["AWSPREVIOUS"], "new": ["AWSCURRENT", "AWSPENDING"]}, "new"),
        ({"new": ["AWSPENDING"], "old": ["AWSCURRENT"]}, "old"),
    ],
)
def test_the_current_version(answering: Answering, stages: object, version: str) -> None:
    aws = answering(200, json.dumps({"VersionIdsToStages": stages}).encode())
    assert aws.current_version("secret") == version
    assert aws.calls == 1


def test_the_current_document(answering: Answering) -> None:
    aws = answering(200, b'{"VersionId": "new", "SecretString": "text"}')
    assert aws.current_document("secret") == ("new", "text")


def test_a_secret_of_bytes_is_no_document(answering: Answering) -> None:
    aws = answering(200, b'{"VersionId": "new", "SecretBinary": "AA=="}')
    assert refusal(aws.current_document) == "GetSecretValue of secret answered without 'SecretString'"


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (
            400,
            b'{"__type": "AccessDeniedException", "Message": "no"}',
            ["DescribeSecret of secret: AccessDeniedException: no; ", "`pulumi stack output`"],
        ),
        (400, b'{"__type": "x#ResourceNotFoundException", "message": "no"}', ["run `pulumi up`"]),
        (400, b'{"__type": "UnrecognizedClientException"}', ["make a new one"]),
        (400, b'{"__type": "InvalidSignatureException"}', ["or the NAS's clock is"]),
        (
            400,
            b'{"__type": "ThrottlingException", "message": "slow down"}',
            ["ThrottlingException: slow down"],
        ),
        (503, b"<html>", ["HTTP 503: Service Unavailable"]),
        (502, b"[]", ["HTTP 502: Bad Gateway"]),
        (500, b'"text"', ["HTTP 500"]),
        (200, b"[]", ["answered no JSON object"]),
        (200, b"<html>", ["could not be asked", "the next run tries again"]),
        (0, b"", ["could not be asked", "the next run tries again"]),
        (0, b"SSH-2.0-OpenSSH\r\n", ["could not be asked", "the next run tries again"]),
        (0, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", ["could not be asked"]),
        (0, b"HTTP/1.1 400 Bad\r\nContent-Length: 9\r\n\r\n{", ["HTTP 400"]),
    ],
)
def test_what_cannot_be_used_is_said(
    answering: Answering, status: int, body: bytes, words: list[str]
) -> None:
    message = refusal(answering(status, body).current_version)
    for text in words:
        assert text in message
