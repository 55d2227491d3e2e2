"""What a benchmark finds: figures with their spread, against a peer's and an aim, as JSON and Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Sample:
    """What several runs of the same thing measured.

    Attributes:
        values: one a run.
        unit: of all of them.
    """

    values: tuple[float, ...]
    unit: str

    @property
    def median(self) -> float:
        """The value in the middle."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        low, high = min(self.values), max(self.values)
        spread = f" ({_short(low)} to {_short(high)})" if _short(low) != _short(high) else ""
        return f"{_short(self.median)}{spread} {self.unit}".strip()


def sample(values: Sequence[float], unit: str = "") -> Sample:
    """Return a sample of `values`."""
    return Sample(tuple(float(value) for value in values), unit)


@dataclass(frozen=True)
class Figure:
    """One line of the report.

    Attributes:
        what: what was measured.
        ours: what it took.
        peer: whom it is compared with; empty for a figure that stands alone.
        theirs: what it took there, in the same run of the benchmark.
        at_most: the aim: the greatest allowed value, or ratio to the peer's where there is a peer.
    """

    what: str
    ours: Sample
    peer: str = ""
    theirs: Sample | None = None
    at_most: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours as a part of the peer's; None without a peer, or where the peer took nothing."""
        if self.theirs is None or not self.theirs.median:
            return None
        return self.ours.median / self.theirs.median

    @property
    def holds(self) -> bool | None:
        """Whether the aim was met; None where there is none."""
        if self.at_most is None:
            return None
        compared = self.ours.median if self.theirs is None else self.ratio
        return compared is not None and compared <= self.at_most


@dataclass
class Part:
    """One benchmark's outcome.

    Attributes:
        name: what was measured.
        figures: its lines.
        notes: what a reader has to know about how it was measured.
        tables: further Markdown, such as a simulation's.
        versions: of what took part.
    """

    name: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        what: str,
        ours: Sample,
        *,
        against: tuple[str, Sample] | None = None,
        at_most: float | None = None,
    ) -> None:
        """Add a line."""
        peer, theirs = against or ("", None)
        self.figures.append(Figure(what, ours, peer, theirs, at_most))

    def markdown(self) -> str:
        """Return the part as Markdown."""
        lines = [f"## {self.name}", ""]
        if self.figures:
            lines += ["| | ours | peer | ratio | aim | |", "|---|---|---|---:|---|---|"]
            lines += [_row(figure) for figure in self.figures]
            lines.append("")
        for table in self.tables:
            lines += [table, ""]
        lines += [f"- {note}" for note in self.notes]
        return "\n".join(lines).rstrip() + "\n"

    def as_json(self) -> dict[str, Any]:
        """Return the part as what JSON can hold."""
        return {
            "name": self.name,
            "figures": [_figure_as_json(figure) for figure in self.figures],
            "notes": self.notes,
            "tables": self.tables,
            "versions": self.versions,
        }


def _row(figure: Figure) -> str:
    ratio = "" if figure.ratio is None else _ratio(figure.ratio)
    aim = "" if figure.at_most is None else f"at most {_aim(figure)}"
    met = {None: "", True: "met", False: "**missed**"}[figure.holds]
    peer = "" if figure.theirs is None else f"{figure.peer}: {figure.theirs}"
    return f"| {figure.what} | {figure.ours} | {peer} | {ratio} | {aim} | {met} |"


def _aim(figure: Figure) -> str:
    if figure.at_most is None:
        return ""
    if figure.theirs is None:
        return f"{_short(figure.at_most)} {figure.ours.unit}".strip()
    return _ratio(figure.at_most)


def _ratio(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"  # noqa: PLR2004


def _short(value: float) -> str:
    """Return three digits, or all of a whole number."""
    if value == int(value) or value >= 100:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _figure_as_json(figure: Figure) -> dict[str, Any]:
    return {
        "what": figure.what,
        "unit": figure.ours.unit,
        "ours": {"median": figure.ours.median, "values": figure.ours.values},
        "peer": figure.peer or None,
        "theirs": None
        if figure.theirs is None
        else {"median": figure.theirs.median, "values": figure.theirs.values},
        "ratio": figure.ratio,
        "at_most": figure.at_most,
        "holds": figure.holds,
    }
