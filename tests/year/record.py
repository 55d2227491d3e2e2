"""What was seen in a year: how the runs ended, what was served, what was issued, what was reported."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Run:
    """One run of the renewer or of the agent.

    Attributes:
        at: when, in seconds since the epoch.
        who: `renewer` or `agent`.
        ended: `well`, `failed` or `died`.
        said: its reason, or its error.
        renewed: it made a new certificate current.
    """

    at: int
    who: str
    ended: str
    said: str = ""
    renewed: bool = False


@dataclass(frozen=True)
class Sight:
    """What a client that verifies saw at one port, before a run of the agent.

    Attributes:
        at: when.
        place: host name and port.
        begin, end: the certificate's life; 0 where none was seen.
        serial: its serial number in decimal, empty where none was seen.
        error: why the client would not go on, or empty.
    """

    at: int
    place: str
    begin: int = 0
    end: int = 0
    serial: str = ""
    error: str = ""


@dataclass(frozen=True)
class Issued:
    """A certificate that the authority issued; `current` is when it was first seen as AWSCURRENT, or 0."""

    serial: str
    begin: int
    end: int
    current: int = 0


@dataclass(frozen=True)
class Value:
    """A value of a metric, as CloudWatch gets it."""

    at: int
    namespace: str
    metric: str
    dimensions: dict[str, str]
    value: float


@dataclass
class Record:
    """One year, as it was lived."""

    runs: list[Run] = field(default_factory=list)
    sights: list[Sight] = field(default_factory=list)
    issued: list[Issued] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    seconds: float = 0.0

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote."""
        found: dict[str, Any] = json.loads(path.read_text())
        return cls(
            runs=[Run(**one) for one in found["runs"]],
            sights=[Sight(**one) for one in found["sights"]],
            issued=[Issued(**one) for one in found["issued"]],
            values=[Value(**one) for one in found["values"]],
            seconds=found["seconds"],
        )


def seconds_of(moment: datetime) -> int:
    """Return a moment in seconds since the epoch."""
    return int(moment.timestamp())


def moment_of(seconds: float) -> datetime:
    """Return the moment of so many seconds since the epoch, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
