"""The demo's visitor notices each answer that a guest would not want."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from local_cloud.acme.certificates import ServerIdentity, make_server_identity
from local_cloud.demo.client import Client, Visitor
from local_cloud.processes import LOOPBACK, free_port, wait_until


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
