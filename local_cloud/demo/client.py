"""A browser's part in the demo: a client that trusts the ACME root alone, once or without pause."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from functools import partial
from types import TracebackType
from typing import NamedTuple, Self

from local_cloud.processes import LOOPBACK

_TIMEOUT_SECONDS = 10


class Answer(NamedTuple):
    """What a visit saw.

    Attributes:
        serial: the served leaf's serial number, lower-case hexadecimal.
        status: the HTTP status line.
    """

    serial: str
    status: str


class Client:
    """Visits https://<name> at a port on 127.0.0.1."""

    def __init__(self, root: str) -> None:
        """Trust the PEM `root` alone."""
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.load_verify_locations(cadata=root)

    def visit(self, name: str, port: int) -> Answer:
        """Complete the handshake for `name` and ask for /.

        Raises:
            ssl.SSLError: the certificate is not good for the name, or not of the root.
            OSError: nothing answered, or not in full.
        """
        with (
            socket.create_connection((LOOPBACK, port), timeout=_TIMEOUT_SECONDS) as connection,
            self._context.wrap_socket(connection, server_hostname=name) as tls,
        ):
            certificate = tls.getpeercert() or {}
            tls.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            answer = http.client.HTTPResponse(tls, method="GET")
            try:
                answer.begin()
                if answer.length is None and not answer.chunked:  # the end of an answer that was cut looks so
                    raise ConnectionError(f"the answer has no length: {answer.status} {answer.reason}")
                answer.read()
            except http.client.HTTPException as error:
                raise ConnectionError(f"the answer is not whole: {error!r}") from error
            status = f"HTTP/{answer.version / 10} {answer.status} {answer.reason}"
        return Answer(str(certificate["serialNumber"]).lower().lstrip("0"), status)


class Visitor:
    """A thread that visits without pause while the context lasts.

    Attributes:
        answered: number of visits that were answered in full, with a good certificate.
        failures: what went wrong at the others.
        serials: the serials seen, in order of first sight.
    """

    def __init__(self, client: Client, name: str, port: int) -> None:
        """Visit `name` at `port` with `client`."""
        self.answered = 0
        self.failures: list[str] = []
        self.serials: list[str] = []
        self._visit = partial(client.visit, name, port)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._stop.wait(0.01):
            try:
                answer = self._visit()
            except OSError as error:
                self.failures.append(str(error))
                continue
            if " 200 " not in f"{answer.status} ":
                self.failures.append(answer.status)
                continue
            self.answered += 1
            if answer.serial not in self.serials:
                self.serials.append(answer.serial)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
