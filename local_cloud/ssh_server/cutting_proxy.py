"""A line to the SSH server that breaks after so many bytes."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from enum import Enum
from typing import Self

from local_cloud.processes import LOOPBACK, Startable

_CHUNK = 4096


class Direction(Enum):
    """Whose bytes are counted."""

    TO_SERVER = "to the server"
    TO_CLIENT = "to the client"


class CuttingProxy(Startable):
    """Passes bytes on, counts them, and closes both sides where told.

    Attributes:
        port: where it listens.
        passed: the bytes passed on so far, by direction.
    """

    def __init__(self, target: int) -> None:
        """Stand before the port `target` on loopback."""
        self.passed = dict.fromkeys(Direction, 0)
        self._target = target
        self._limits: dict[Direction, int] = {}
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]

    def cut_after(self, direction: Direction, count: int) -> None:
        """Cut the line once `count` more bytes have passed in the direction."""
        with self._lock:
            self._limits[direction] = self.passed[direction] + count

    def cut(self) -> None:
        """Cut the line at once."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
            self._limits.clear()
        for pair in pairs:
            for side in pair:
                with contextlib.suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)

    def start(self) -> Self:
        """Take connections."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def stop(self) -> None:
        """Cut what is open, and take no more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection((LOOPBACK, self._target))
            with self._lock:
                self._pairs.append((client, server))
            threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with client, server, selectors.DefaultSelector() as selector, contextlib.suppress(OSError):
            selector.register(client, selectors.EVENT_READ, (Direction.TO_SERVER, server))
            selector.register(server, selectors.EVENT_READ, (Direction.TO_CLIENT, client))
            while True:
                for key, _ in selector.select():
                    direction, other = key.data
                    source: socket.socket = key.fileobj  # type: ignore[assignment]
                    data = source.recv(_CHUNK)
                    allowed, cut = self._count(direction, len(data))
                    other.sendall(data[:allowed])
                    if cut:
                        self.cut()
                    if cut or not data:
                        return

    def _count(self, direction: Direction, size: int) -> tuple[int, bool]:
        """Return how many of `size` bytes may pass, and whether the line is to be cut after them."""
        with self._lock:
            left = self._limits.get(direction, self.passed[direction] + size + 1) - self.passed[direction]
            allowed = min(size, left)
            self.passed[direction] += allowed
            return allowed, allowed == left
