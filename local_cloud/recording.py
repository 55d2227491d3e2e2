"""What passed a proxy before the local AWS and an ACME server, and the fault that it was to inject.

What passes is named as a point: operation and ordinal, such as `finalize#1` or `PutSecretValue#3`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

# Asked again and again until something has happened: only the first of a row is a point.
_POLLS = {"order", "GetChange"}


class FaultKind(Enum):
    """What happens to a request."""

    KILL_BEFORE = "kill-before"  # its sender is killed, the server never sees it
    KILL_AFTER = "kill-after"  # the server has answered, and the sender is killed before it hears
    ERROR = "error"  # a 500, the server never sees it
    THROTTLE = "throttle"  # asked to slow down, the server never sees it
    CUT = "cut"  # the server has answered, and half of the answer arrives
    LATE = "late"  # the server has answered, and the client gives up before it hears


@dataclass(frozen=True)
class Fault:
    """One fault at one point.

    Attributes:
        point: the request's name, such as `finalize#1`.
        kind: what happens to it.
        kill: ends the client's process at once.
        give_up: makes the client's wait for the late answer time out, or waits until it has; without it, the
            answer is only late by `late_seconds`.
        late_seconds: how long a late answer takes besides.
    """

    point: str
    kind: FaultKind
    kill: Callable[[], None] = lambda: None
    give_up: Callable[[], None] = lambda: None
    late_seconds: float = 0.1


@dataclass(frozen=True)
class Exchange:
    """One request and what the server answered.

    Attributes:
        point: its name; empty for a poll that repeats the one before, and for a nonce's second try.
        operation: such as `newOrder`.
        status: the server's, or None where the request did not reach it.
        location: the answer's Location, such as the new order's URL.
        service: `acme` or `aws`.
        retry_after: the seconds that the answer's Retry-After asks for, 0 without one.
        arrived: when the request came, on the monotonic clock.
        answered: when the server had answered.
    """

    point: str
    operation: str
    status: int | None
    location: str = ""
    service: str = ""
    retry_after: float = 0.0
    arrived: float = 0.0
    answered: float = 0.0


@dataclass
class Recording:
    """What passed in one run.

    Attributes:
        fault: the fault to inject, or None.
        after: called after each request that reached the server, with its operation.
        exchanges: the requests so far, in order of their arrival.
        injected: the fault was injected.
    """

    fault: Fault | None = None
    after: Callable[[str], None] = lambda _: None
    exchanges: list[Exchange] = field(default_factory=list)
    injected: bool = False
    _ordinals: Counter[str] = field(default_factory=Counter)
    _last: dict[str, tuple[str, bool]] = field(default_factory=dict)  # by service: (path, its nonce was bad)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def points(self) -> list[str]:
        """The points in order of their arrival."""
        return [exchange.point for exchange in self.exchanges if exchange.point]

    def name(self, service: str, operation: str, path: str) -> str:
        """Return the point at which a request stands, or nothing for a repetition."""
        with self._lock:
            last_path, bad_nonce = self._last.get(service, ("", False))
            self._last[service] = (path, False)
            if path == last_path and (operation in _POLLS or bad_nonce):
                return ""
            self._ordinals[operation] += 1
            return f"{operation}#{self._ordinals[operation]}"

    def note(self, service: str, exchange: Exchange, path: str, *, bad_nonce: bool) -> None:
        """Keep what came of a request."""
        with self._lock:
            self.exchanges.append(exchange)
            if bad_nonce:
                self._last[service] = (path, True)
