"""A proxy before the local AWS and an ACME server that counts requests and spoils one of them.

What passes is named as a point: operation and ordinal, such as `finalize#1` or `PutSecretValue#3`. A run is
watched as a `Recording`; with a `Fault` in it, the request at one point is answered as a bad day would.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from local_cloud.acme.certificates import make_server_identity
from local_cloud.operations import acme_operation, acme_operations, aws_operation, refusal
from local_cloud.processes import LOOPBACK
from local_cloud.recording import Exchange, Fault, FaultKind, Recording

__all__ = ["Exchange", "Fault", "FaultKind", "FaultProxy", "Recording"]

_UPSTREAM_SECONDS = 60
_NOT_PASSED_ON = {"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"}


class FaultProxy:
    """Two listeners on loopback: http before the local AWS, https before an ACME server.

    Requests pass with their Host header, so AWS's signatures hold, and Pebble, which builds its URLs from it,
    keeps its clients with the proxy.

    Example:
        with FaultProxy(aws.endpoint, pebble.directory_url, pebble.ca_root, work) as proxy:
            recording = proxy.record(Fault("finalize#1", FaultKind.CUT))
    """

    def __init__(self, aws_endpoint: str, directory_url: str, ca_root: Path, work: Path) -> None:
        """Stand before both; the HTTPS certificate is written into `work`."""
        identity = make_server_identity(work)
        self.ca_root = identity.ca_root
        self._recording = Recording()
        served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        served.load_cert_chain(identity.certificate, identity.key)
        trusted = ssl.create_default_context(cafile=str(ca_root))
        acme_address, aws_address = _address(directory_url), _address(aws_endpoint)
        self._directory_path = urlsplit(directory_url).path
        operations = acme_operations(directory_url, ca_root)
        self._servers = {
            "acme": _Server(
                self,
                "acme",
                lambda: http.client.HTTPSConnection(
                    *acme_address, timeout=_UPSTREAM_SECONDS, context=trusted
                ),
                lambda handler, _: acme_operation(operations, handler.path),
                served,
            ),
            "aws": _Server(
                self,
                "aws",
                lambda: http.client.HTTPConnection(*aws_address, timeout=_UPSTREAM_SECONDS),
                lambda handler, body: aws_operation(handler.command, handler.path, handler.headers, body),
            ),
        }

    @property
    def aws_endpoint(self) -> str:
        """The URL in place of the local AWS's."""
        return f"http://{LOOPBACK}:{self._servers['aws'].server_port}"

    @property
    def directory_url(self) -> str:
        """The URL in place of the ACME directory's; `ca_root` verifies it."""
        return f"https://{LOOPBACK}:{self._servers['acme'].server_port}{self._directory_path}"

    @property
    def recording(self) -> Recording:
        """The run that is watched now."""
        return self._recording

    def record(self, fault: Fault | None = None, after: Callable[[str], None] = lambda _: None) -> Recording:
        """Begin a run: ordinals count from 1 again, and `fault` waits for its point."""
        self._recording = Recording(fault, after)
        return self._recording

    def __enter__(self) -> Self:
        for server in self._servers.values():
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers.values():
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(
        self,
        proxy: FaultProxy,
        service: str,
        connect: Callable[[], http.client.HTTPConnection],
        operation: Callable[[_Handler, bytes], str],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.proxy, self.service, self.tls = proxy, service, tls
        self.connect, self.operation = connect, operation
        super().__init__((LOOPBACK, 0), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.tls is None:
            super().finish_request(request, client_address)
            return
        with self.tls.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that was killed or gave up is what this proxy is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        arrived = time.monotonic()
        proxy, service = self.server.proxy, self.server.service
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        recording, operation = proxy.recording, self.server.operation(self, body)
        point = recording.name(service, operation, self.path)
        fault = recording.fault
        kind = None
        if fault is not None and point == fault.point and not recording.injected:
            recording.injected, kind = True, fault.kind
        if kind in {FaultKind.KILL_BEFORE, FaultKind.ERROR, FaultKind.THROTTLE}:
            recording.note(service, Exchange(point, operation, None), self.path, bad_nonce=False)
            if kind is FaultKind.KILL_BEFORE and fault is not None:
                fault.kill()
                self._hang_up()
            else:
                self._answer(*refusal(service, operation, throttled=kind is FaultKind.THROTTLE))
            return
        status, headers, content = self._forward(body)
        bad_nonce = status == http.client.BAD_REQUEST and b":badNonce" in content
        exchange = Exchange(
            point,
            operation,
            status,
            location=headers.get("Location", ""),
            service=service,
            retry_after=_seconds(headers.get("Retry-After", "")),
            arrived=arrived,
            answered=time.monotonic(),
        )
        recording.note(service, exchange, self.path, bad_nonce=bad_nonce)
        recording.after(operation)
        if kind is FaultKind.KILL_AFTER and fault is not None:
            fault.kill()
            self._hang_up()
            return
        if kind is FaultKind.LATE and fault is not None:
            fault.give_up()
            time.sleep(fault.late_seconds)
        self._answer(status, headers, content, cut=kind is FaultKind.CUT)

    do_GET = do_HEAD = do_POST  # noqa: N815 - the base class's names

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        with contextlib.closing(self.server.connect()) as connection:
            connection.request(self.command, self.path, body or None, dict(self.headers.items()))
            answer = connection.getresponse()
            content = answer.read()
        headers = dict(answer.headers.items())
        passed_on = {name: value for name, value in headers.items() if name.lower() not in _NOT_PASSED_ON}
        return answer.status, passed_on, content

    def _answer(self, status: int, headers: dict[str, str], content: bytes, *, cut: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        if cut and not content:  # half of an answer without a body ends in its headers
            self._headers_buffer = [b"".join(self._headers_buffer)[:20]]  # type: ignore[has-type]
            self.flush_headers()
            self._hang_up()
            return
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Log nothing: the recording is the log."""


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or LOOPBACK, parts.port or 443


def _seconds(retry_after: str) -> float:
    """Return the seconds of a Retry-After, a number or a date (RFC 9110 section 10.2.3)."""
    if not retry_after or retry_after.isdecimal():
        return float(retry_after or 0)
    return max((parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds(), 0.0)
