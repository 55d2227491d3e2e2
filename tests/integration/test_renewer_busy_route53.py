"""Two certificates at once while Route 53 refuses for its request rate: case 4 from the field."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from local_cloud.ministack.server import LocalAws
from local_cloud.processes import LOOPBACK
from tests.integration.renewer_endings import end
from tests.renewer_bench import Renewer, make_renewer

_BUSY_CALLS = 6


class BusyRoute53:
    """Stands before Route 53 and refuses each second change and other call of the first dozen.

    After more of them botocore's adaptive retry waits a second a call, and the test would, too.
    """

    def __init__(self, target: str) -> None:
        self.refused: list[str] = []
        host, port = urlsplit(target).hostname, urlsplit(target).port
        lock, calls, refused = threading.Lock(), {False: 0, True: 0}, self.refused

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with lock:
                    changing = b"ChangeResourceRecordSetsRequest" in body
                    calls[changing] += 1
                    busy = calls[changing] % 2 == 0 and calls[changing] <= _BUSY_CALLS
                    if busy:
                        refused.append("PriorRequestNotComplete" if changing else "Throttling")
                        content, status = _refusal(refused[-1]), 400
                if not busy:
                    connection = http.client.HTTPConnection(host or LOOPBACK, port, timeout=30)
                    connection.request(self.command, self.path, body, dict(self.headers.items()))
                    answer = connection.getresponse()
                    content, status = answer.read(), answer.status
                    connection.close()
                self.send_response(status)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = answer  # noqa: N815 - the names that http.server asks for

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.endpoint = f"http://{LOOPBACK}:{self._server.server_port}"

    @contextmanager
    def serve(self) -> Iterator[str]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self.endpoint
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def _refusal(code: str) -> bytes:
    return (
        '<?xml version="1.0"?><ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/">'
        f"<Error><Type>Sender</Type><Code>{code}</Code><Message>Rate exceeded</Message></Error>"
        "<RequestId>1</RequestId></ErrorResponse>"
    ).encode()


def test_two_certificates_while_route_53_is_busy(renewer: Renewer, local_aws: LocalAws) -> None:
    both = [renewer, make_renewer(local_aws, renewer.server, renewer.dns_port, zone_of=renewer)]
    busy = BusyRoute53(local_aws.endpoint)
    with busy.serve() as endpoint:
        throttled = {"AWS_ENDPOINT_URL_ROUTE_53": endpoint}
        processes = [replace(one, more_environment=throttled).start() for one in both]
        outcomes = [end(one, process)[0] for one, process in zip(both, processes, strict=True)]
    assert set(busy.refused) == {"Throttling", "PriorRequestNotComplete"}
    assert [outcome["renewed"] for outcome in outcomes] == [True, True]
    assert [outcome["serial"] for outcome in outcomes] == [one.current().serial for one in both]
    assert renewer.challenge_records() == []
