"""What stands in AWS's place on loopback: a server of given answers, over TLS too, and a proxy before it."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from synology_agent.aws import Aws
from synology_agent.config import AccessKey, Config, WantedCertificate

SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
GOOD = b'{"VersionId": "new", "SecretString": "text"}'
ENVIRONMENT = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


class Answer(NamedTuple):
    """What the server says; with status 0 the bytes are all that it sends."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def problem(code: str, message: str = "no", status: int = 400, *headers: tuple[str, str]) -> Answer:
    return Answer(status, json.dumps({"__type": f"x#{code}", "message": message}).encode(), headers)


class Served:
    """A server on loopback, until `stop`.

    Attributes:
        port: where it listens.
    """

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.port: int = self._server.server_port

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class AwsServer(Served):
    """Gives its answers one after the other, the last one for ever.

    Attributes:
        answers: what is still to be given.
        requests: headers and body of each request.
        said: what the client told a person.
        endpoint: its URL.
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

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(Handler)
        self.endpoint = f"http://127.0.0.1:{self.port}/"
        self.start()

    def client(self, *, keys: int = 1, patient: bool = False, **fields: Any) -> Aws:
        config = Config(
            region="eu-central-1",
            access_keys=tuple(AccessKey(f"AKIA{number}", SECRET_KEY) for number in range(keys)),
            endpoints=fields.get("endpoints", dict.fromkeys(("secretsmanager", "monitoring"), self.endpoint)),
            ca_file=fields.get("ca_file"),
            metric_namespace=None,
            certificates=(WantedCertificate("secret", "xoEBak", ("nas.example.com",)),),
        )
        return Aws(config, patient=patient, say=self.said.append)

    @property
    def keys_used(self) -> list[str]:
        return [headers["Authorization"].partition("Credential=")[2][:5] for headers, _ in self.requests]


class TlsServer(AwsServer):
    """The same over TLS.

    Args:
        full_chain: PEM file of its certificate.
        private_key: PEM file.
        name: the host name in its URL.
    """

    def __init__(self, full_chain: Path, private_key: Path, name: str = "localhost") -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(str(full_chain), str(private_key))
        super().__init__()
        self.endpoint = f"https://{name}:{self.port}/"

    def start(self) -> None:
        # Each thread shakes hands for itself; the client that refuses the certificate ends it.
        self._server.finish_request = self._finish_request  # type: ignore[method-assign]
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        super().start()

    def _finish_request(self, request: Any, client_address: Any) -> None:
        with self._context.wrap_socket(request, server_side=True) as tls:
            self._server.RequestHandlerClass(tls, client_address, self._server)


class ConnectProxy(Served):
    """A proxy that knows CONNECT (RFC 9110, section 9.3.6) and leads to `target`, whatever it is asked for.

    Attributes:
        asked: each host and port asked for.
        url: its own.
    """

    def __init__(self, target: int, *, credentials: str = "") -> None:
        self.asked: list[str] = []
        wanted = f"Basic {base64.b64encode(credentials.encode()).decode()}" if credentials else None
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                proxy.asked.append(self.path)
                if self.headers.get("Proxy-Authorization") != wanted:
                    self.send_error(407)
                    return
                with socket.create_connection(("127.0.0.1", target)) as upstream:
                    self.send_response_only(200)
                    self.end_headers()
                    back = threading.Thread(target=_pump, args=(upstream, self.connection))
                    back.start()
                    _pump(self.connection, upstream)
                    back.join()

            def do_POST(self) -> None:
                proxy.asked.append(self.path)
                self.send_error(403)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(Handler)
        self.url = f"http://{credentials and credentials + '@'}127.0.0.1:{self.port}"
        self.start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while True:
            some = source.recv(65_536)
            if not some:
                break
            sink.sendall(some)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def stop_all(servers: Sequence[Served]) -> None:
    for server in servers:
        server.stop()
