"""The demo's own instruments: each must notice what it is there to notice, or its table proves nothing."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError
from rich.console import Console

from local_cloud import listeners
from local_cloud.acme.certificates import ServerIdentity, make_server_identity
from local_cloud.counting_proxy import CountingProxy
from local_cloud.demo.client import Client, Visitor
from local_cloud.demo.permissions import _try
from local_cloud.demo.report import Report
from local_cloud.ministack.server import REGION, LocalAws
from local_cloud.processes import LOOPBACK, free_port, wait_until

# --- A page to visit ----------------------------------------------------------------------------------


class Page:
    """An HTTPS page on loopback whose status can be changed."""

    def __init__(self, identity: ServerIdentity) -> None:
        self.status = 200
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(page.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.certificate, identity.key)
        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> ServerIdentity:
    return make_server_identity(tmp_path_factory.mktemp("identity"))


@pytest.fixture
def page(identity: ServerIdentity) -> Iterator[Page]:
    opened = Page(identity)
    yield opened
    opened.close()


@pytest.fixture
def client(identity: ServerIdentity) -> Client:
    return Client(identity.ca_root.read_text())


def test_a_client_sees_serial_and_status(client: Client, page: Page) -> None:
    answer = client.visit("localhost", page.port)
    assert answer.status.endswith("200 OK")
    assert answer.serial == answer.serial.lower().lstrip("0")
    assert int(answer.serial, 16) > 0


def test_a_client_refuses_another_name_and_another_root(client: Client, page: Page, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        client.visit("synology.example.com", page.port)
    other = Client(make_server_identity(tmp_path).ca_root.read_text())
    with pytest.raises(ssl.SSLCertVerificationError):
        other.visit("localhost", page.port)


def visits(visitor: Visitor) -> int:
    return visitor.answered + len(visitor.failures)


def test_a_visitor_counts_answers_and_serials(client: Client, page: Page) -> None:
    with Visitor(client, "localhost", page.port) as visitor:
        wait_until(lambda: visits(visitor) >= 3, what="three visits", seconds=10)
    assert visitor.answered >= 3
    assert visitor.failures == []
    assert visitor.serials == [client.visit("localhost", page.port).serial]
    before = visits(visitor)
    time.sleep(0.1)
    assert visits(visitor) == before  # it ended with its context


def test_a_visitor_counts_failures_where_nothing_answers(client: Client) -> None:
    with Visitor(client, "localhost", free_port()) as visitor:
        wait_until(lambda: visits(visitor) >= 3, what="three visits", seconds=10)
    assert visitor.answered == 0
    assert len(visitor.failures) >= 3
    assert "refused" in visitor.failures[0]
    assert visitor.serials == []


def test_a_visitor_notices_a_page_that_goes_away(client: Client, page: Page) -> None:
    with Visitor(client, "localhost", page.port) as visitor:
        wait_until(lambda: visitor.answered > 0, what="a visit", seconds=10)
        page.close()
        wait_until(lambda: bool(visitor.failures), what="a failure", seconds=10)
    assert visitor.answered > 0


@pytest.mark.parametrize("status", [404, 500, 502])
def test_a_visitor_counts_an_error_page_as_a_failure(client: Client, page: Page, status: int) -> None:
    page.status = status
    with Visitor(client, "localhost", page.port) as visitor:
        wait_until(lambda: visits(visitor) >= 1, what="a visit", seconds=10)
    assert visitor.answered == 0
    assert f" {status} " in visitor.failures[0]


def test_a_visitor_counts_an_untrusted_certificate_as_a_failure(page: Page, tmp_path: Path) -> None:
    stranger = Client(make_server_identity(tmp_path).ca_root.read_text())
    with Visitor(stranger, "localhost", page.port) as visitor:
        wait_until(lambda: visits(visitor) >= 1, what="a visit", seconds=10)
    assert visitor.answered == 0
    assert "CERTIFICATE_VERIFY_FAILED" in visitor.failures[0]


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 OK\r\nServer: nginx\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n1234",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
    ],
    ids=["nothing", "a line", "half a header", "half a body", "no last chunk"],
)
def test_a_visitor_counts_a_cut_answer_as_a_failure(
    client: Client, identity: ServerIdentity, said: bytes
) -> None:
    """An nginx worker that is killed at a reload cuts answers: the demo says that none was."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        done = threading.Event()

        def answer() -> None:
            server.settimeout(0.2)
            while not done.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection, context.wrap_socket(connection, server_side=True) as tls:
                    tls.recv(1000)
                    tls.sendall(said)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        try:
            with Visitor(client, "localhost", port) as visitor:
                wait_until(lambda: visits(visitor) >= 1, what="a visit", seconds=10)
        finally:
            done.set()
            thread.join()
    assert visitor.answered == 0
    assert visitor.failures


# --- The report -----------------------------------------------------------------------------------------


@pytest.fixture
def report() -> Report:
    return Report(Console(file=StringIO(), width=200))


def shown(report: Report) -> str:
    file = report.console.file
    assert isinstance(file, StringIO)
    return file.getvalue()


def written(report: Report, path: Path, error: str | None = None) -> dict[str, Any]:
    report.write(path, seconds=1.0, error=error)
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def test_a_report_without_lines_proves_nothing(report: Report, tmp_path: Path) -> None:
    assert report.proven is False
    assert written(report, tmp_path / "report.json")["proven"] is False


def test_one_line_that_does_not_hold_is_enough(report: Report, tmp_path: Path) -> None:
    report.prove("the first", holds=True, measured="seen")
    assert report.proven is True
    report.prove("the second", holds=False, measured="not seen")
    report.prove("the third", holds=True, measured="seen")
    assert report.proven is False
    assert written(report, tmp_path / "report.json")["proven"] is False
    report.show()
    assert (shown(report).count("✓"), shown(report).count("✗")) == (2, 1)


def test_an_error_makes_a_full_table_unproven(report: Report, tmp_path: Path) -> None:
    report.prove("all", holds=True, measured="seen")
    assert written(report, tmp_path / "report.json")["proven"] is True
    failed = written(report, tmp_path / "report.json", error="the agent exited with 1")
    assert (failed["proven"], failed["error"]) == (False, "the agent exited with 1")


def test_the_report_is_written_whole(report: Report, tmp_path: Path) -> None:
    report.parts["acme"] = "Pebble"
    with report.step("Größe"):
        report.note("a detail")
    report.prove("it holds · 100 %", holds=True, measured="[1] of 1")
    found = written(report, tmp_path / "new" / "report.json")
    assert found["lines"] == [{"claim": "it holds · 100 %", "holds": True, "measured": "[1] of 1"}]
    assert [step["step"] for step in found["steps"]] == ["Größe"]
    assert found["steps"][0]["seconds"] >= 0
    assert found["parts"]["acme"] == "Pebble"
    assert {"python", "system"} <= found["parts"].keys()


def test_what_was_measured_is_shown_as_it_is(report: Report) -> None:
    report.note("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed [/x]")
    report.prove("[bold]claim", holds=False, measured="['no', '[red]'] [/dim]")
    report.show()
    assert "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed [/x]" in shown(report)
    assert "[bold]claim" in shown(report)
    assert "['no', '[red]'] [/dim]" in shown(report)


def test_a_step_that_fails_is_not_shown_as_done(report: Report) -> None:
    with pytest.raises(ZeroDivisionError), report.step("a step"):
        raise ZeroDivisionError
    assert report.steps == []
    assert "✓" not in shown(report)


DENY_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}

# --- The counting proxy ---------------------------------------------------------------------------------


def through(proxy: CountingProxy, service: str, access_key: str, secret_key: str) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=proxy.endpoint,
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(proxies={}, retries={"total_max_attempts": 1}),
    )


def test_the_proxy_passes_signed_requests_and_counts_them(local_aws: LocalAws) -> None:
    arn = local_aws.client("secretsmanager").create_secret(Name="proxied", SecretString="value")["ARN"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "secretsmanager:*", "Resource": arn}],
    }
    key = local_aws.user("proxied", policy)
    with CountingProxy(local_aws.endpoint) as proxy:
        assert proxy.operations == []
        secrets = through(proxy, "secretsmanager", *key)
        assert secrets.get_secret_value(SecretId=arn)["SecretString"] == "value"
        assert secrets.describe_secret(SecretId=arn)["ARN"] == arn
        assert proxy.operations == ["GetSecretValue", "DescribeSecret"]
        # The signature is the client's own: what is wrong stays wrong, and counts.
        wrong = through(proxy, "secretsmanager", key.access_key, "x" * 40)
        with pytest.raises(ClientError) as refused:
            wrong.get_secret_value(SecretId=arn)
        assert "Signature" in refused.value.response["Error"]["Code"]
        with pytest.raises(ClientError) as missing:
            secrets.get_secret_value(SecretId=arn, VersionStage="AWSPENDING")
        assert missing.value.response["Error"]["Code"] == "ResourceNotFoundException"
        assert proxy.operations == ["GetSecretValue", "DescribeSecret", "GetSecretValue", "GetSecretValue"]


def test_the_proxy_counts_calls_that_name_their_operation_in_the_body_or_the_path(
    local_aws: LocalAws,
) -> None:
    """CloudWatch and IAM have other protocols; a call must not be counted as none."""
    key = local_aws.user("proxied-metrics", DENY_ALL)
    with CountingProxy(local_aws.endpoint) as proxy:
        with pytest.raises(ClientError):
            through(proxy, "cloudwatch", *key).put_metric_data(
                Namespace="n", MetricData=[{"MetricName": "m", "Value": 1.0}]
            )
        with pytest.raises(ClientError):
            through(proxy, "iam", *key).create_access_key()
        assert len(proxy.operations) == 2


def test_the_proxy_answers_no_longer_after_its_end(local_aws: LocalAws) -> None:
    with CountingProxy(local_aws.endpoint) as proxy:
        secrets = through(proxy, "secretsmanager", "test", "test")
        secrets.list_secrets()
    with pytest.raises((EndpointConnectionError, http.client.HTTPException, OSError)):
        through(proxy, "secretsmanager", "test", "test").list_secrets()
    assert proxy.operations == ["ListSecrets"]


# --- Who listens where ----------------------------------------------------------------------------------

LISTEN = """
import socket, sys
kind = socket.SOCK_DGRAM if sys.argv[2] == "udp" else socket.SOCK_STREAM
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family, kind) as one:
    one.bind((sys.argv[1], 0))
    if kind == socket.SOCK_STREAM:
        one.listen()
    print(one.getsockname()[1], flush=True)
    sys.stdin.read()
"""


def listen_in_a_child(address: str, protocol: str) -> tuple[subprocess.Popen[str], int]:
    child = subprocess.Popen(
        [sys.executable, "-c", LISTEN, address, protocol],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    return child, int(child.stdout.readline())


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_child_that_is_open_to_others_is_found(protocol: str) -> None:
    child, port = listen_in_a_child("0.0.0.0", protocol)  # noqa: S104 - to be found out
    with child:
        found = [one for one in listeners.open_to_others() if one.endswith(f" 0.0.0.0:{port}")]
        assert child.pid in {process.pid for process in listeners.children()}
    assert len(found) == 1
    assert not [one for one in listeners.open_to_others() if one.endswith(f":{port}")]
    assert child.pid not in {process.pid for process in listeners.children()}


def test_a_grandchild_that_is_open_to_others_is_found() -> None:
    between = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', *sys.argv[1:]]))"
    with subprocess.Popen(
        [sys.executable, "-c", between, LISTEN, "0.0.0.0", "tcp"],  # noqa: S104 - to be found out
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout
        port = int(child.stdout.readline())
        assert [one for one in listeners.open_to_others() if one.endswith(f" 0.0.0.0:{port}")]


def test_this_process_itself_is_looked_at() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104 - to be found out
        port = server.getsockname()[1]
        assert [one for one in listeners.open_to_others() if one.endswith(f" 0.0.0.0:{port}")]


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_child_on_loopback_is_counted_and_not_found(protocol: str) -> None:
    before = listeners.listening_ports()
    child, port = listen_in_a_child(LOOPBACK, protocol)
    with child:
        assert not [one for one in listeners.open_to_others() if one.endswith(f":{port}")]
        assert listeners.listening_ports() == before + 1


# --- Denials --------------------------------------------------------------------------------------------


def refuse(code: str) -> Any:
    def call() -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "GetSecretValue")

    return call


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException"])
def test_a_denial_is_a_denial(code: str) -> None:
    assert _try("a call", refuse(code)) == ("a call", False, code)


@pytest.mark.parametrize(
    "code",
    [
        *("ResourceNotFoundException", "InvalidChangeBatch", "ValidationException", "ThrottlingException"),
        *("InternalFailure", "InvalidClientTokenId", "SignatureDoesNotMatch", "NoSuchHostedZone", ""),
    ],
)
def test_any_other_error_is_none(code: str) -> None:
    assert _try("a call", refuse(code)) == ("a call", True, code)


def test_a_call_that_succeeds_was_allowed() -> None:
    assert _try("a call", lambda: None) == ("a call", True, "done")


def test_an_error_that_is_not_awss_is_no_denial() -> None:
    with pytest.raises(EndpointConnectionError):
        _try(
            "a call",
            lambda: (_ for _ in ()).throw(EndpointConnectionError(endpoint_url="http://x")).send(None),
        )
