"""AWS's answers that arrive in part, or not at all: what botocore does with them, and what we make of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lambda_renewer import aws
from lambda_renewer.dns01 import ChallengeRecords
from lambda_renewer.waiting import Deadline
from tests.unit.renewer.challenge_route53 import ChallengeRoute53

NAME = "_acme-challenge.example.com"
OURS = {NAME: ('"ours"',)}
FOREIGN = '"foreign"'
SECRET = b'{"VersionId": "v1", "SecretString": "text", "VersionStages": ["AWSCURRENT"]}'
CHANGE = (
    b'<GetChangeResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ChangeInfo><Id>/change/C1</Id>'
    b"<Status>INSYNC</Status><SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt></ChangeInfo></GetChangeResponse>"
)
Server = Callable[[bytes, int], list[str]]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Returns a function that starts AWS: it cuts the first answers, and lists the requests."""
    started: list[ThreadingHTTPServer] = []

    def start(content: bytes, cut: int) -> list[str]:
        seen: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                seen.append(self.path)
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if len(seen) <= cut else content)

            do_GET = do_POST  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        started.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=started[-1].serve_forever, args=(0.02,), daemon=True).start()
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{started[-1].server_port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "NO_PROXY": "*",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        retries = Config(retries={"mode": "standard", "total_max_attempts": 2})
        monkeypatch.setattr(aws, "_CONFIG", aws._CONFIG.merge(retries))
        return seen

    yield start
    for one in started:
        one.shutdown()
        one.server_close()


def test_an_answer_in_json_that_was_cut_is_asked_for_again(server: Server) -> None:
    seen = server(SECRET, 1)
    client = aws.Aws(0, Deadline(60)).client("secretsmanager")
    assert client.get_secret_value(SecretId="s")["SecretString"] == "text"
    assert len(seen) == 2


def test_an_answer_in_xml_that_was_cut_is_asked_for_again(server: Server) -> None:
    seen = server(CHANGE, 1)
    client = aws.Aws(0, Deadline(60)).client("route53")
    assert client.get_change(Id="C1")["ChangeInfo"]["Status"] == "INSYNC"
    assert len(seen) == 2


def test_answers_that_are_always_cut_are_an_error_of_aws(server: Server) -> None:
    server(SECRET, 9)
    with pytest.raises(ClientError, match="the answer was cut short") as caught:
        aws.Aws(0, Deadline(60)).client("secretsmanager").get_secret_value(SecretId="s")
    assert caught.value.operation_name == "GetSecretValue"
    server(CHANGE, 9)
    with pytest.raises(ClientError, match="the answer was cut short"):
        aws.Aws(0, Deadline(60)).client("route53").get_change(Id="C1")


class LosesAnAnswer(ChallengeRoute53):
    """Route 53 behind botocore, which sends a batch a second time where the answer to the first was lost."""

    lose = True

    def change_resource_record_sets(self, HostedZoneId: str, ChangeBatch: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        if self.lose:
            self.lose = False
            super().change_resource_record_sets(HostedZoneId, ChangeBatch)
        return super().change_resource_record_sets(HostedZoneId, ChangeBatch)


@pytest.mark.parametrize("foreign", [(), (FOREIGN,)])
def test_a_change_whose_answer_was_lost_is_awaited_all_the_same(foreign: tuple[str, ...]) -> None:
    route53 = LosesAnAnswer("Z1")
    if foreign:
        route53.put("Z1", NAME, *foreign)
    records = ChallengeRecords(lambda _: route53, {"example.com": "Z1"}, Deadline(10))  # type: ignore[arg-type, return-value]
    records.present(OURS, leftovers={})
    assert len(route53.refused) == 1
    assert route53.values("Z1", NAME) == {'"ours"', *foreign}
    assert route53.polls() == [0, 1]  # the lost one could not be asked for, a later one was
    route53.lose = True
    records.remove(OURS)
    assert route53.values("Z1", NAME) == set(foreign)
