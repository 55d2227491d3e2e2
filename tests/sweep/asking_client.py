"""A client that asks each port of the NAS for its certificate, all the while that an install goes on."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from hashlib import sha256
from types import TracebackType
from typing import Self

from local_cloud.processes import LOOPBACK


@dataclass
class Client:
    """Asks every port for its certificate, again and again.

    Attributes:
        allowed: fingerprints that are good at each place now.
        wrong: what else was seen.
        asked: number of handshakes that were answered.
    """

    places: list[tuple[int, str]]
    allowed: dict[tuple[int, str], set[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    asked: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._stop.clear()
        self._thread = threading.Thread(target=self._ask_on)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _ask_on(self) -> None:
        while not self._stop.is_set():
            for place in self.places:
                try:
                    seen = ask(*place)
                except OSError as error:
                    self.wrong.append(f"{place}: {error}")
                    continue
                self.asked += 1
                if seen not in self.allowed[place]:
                    self.wrong.append(f"{place}: {seen[:8]}")
            time.sleep(0.03)


def ask(port: int, name: str) -> str:
    """Return the fingerprint of the leaf served; the handshake proves that its key is there too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((LOOPBACK, port), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname=name) as tls,
    ):
        leaf = tls.getpeercert(binary_form=True)
    assert leaf is not None
    return sha256(leaf).hexdigest()
