"""A proxy before the local AWS that counts the calls: what a client says of itself is no proof."""

from __future__ import annotations

import http.client
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from local_cloud.operations import aws_operation
from local_cloud.processes import LOOPBACK

_TIMEOUT_SECONDS = 60


class CountingProxy:
    """Passes POST requests on as they are, so that their signatures hold, and notes their operations.

    Attributes:
        operations: the operation of each call so far, such as `DescribeSecret`, in order of arrival.
    """

    def __init__(self, target: str, tls: ssl.SSLContext | None = None) -> None:
        """Stand before `target`, an http:// URL on loopback; with `tls`, as https://localhost."""
        self.operations: list[str] = []
        host, port = urlsplit(target).hostname or LOOPBACK, urlsplit(target).port or 80
        operations = self.operations

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                operations.append(aws_operation("POST", self.path, self.headers, body))
                connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
                try:
                    connection.request("POST", self.path, body, dict(self.headers.items()))
                    answer = connection.getresponse()
                    content = answer.read()
                finally:
                    connection.close()
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Log nothing: the operations are the log."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._tls = tls is not None
        if tls is not None:
            # The handshake is made in the connection's own thread, at its first read.
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def endpoint(self) -> str:
        """The proxy's own URL."""
        origin = "https://localhost" if self._tls else f"http://{LOOPBACK}"
        return f"{origin}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
