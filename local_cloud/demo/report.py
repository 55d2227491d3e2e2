"""What the demo shows: each step with its time, and the table of what was proven."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True)
class Line:
    """One thing that was proven, or not.

    Attributes:
        claim: what should hold.
        holds: whether it was seen to hold.
        measured: what was seen.
    """

    claim: str
    holds: bool
    measured: str


@dataclass
class Report:
    """The demo's report, shown as it goes and written as JSON at the end."""

    console: Console = field(default_factory=lambda: Console(highlight=False, soft_wrap=True))
    lines: list[Line] = field(default_factory=list)
    steps: list[dict[str, float | str]] = field(default_factory=list)
    parts: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Show that a step is under way, and its seconds when it is done."""
        began = time.monotonic()
        with self.console.status(f"{what} …"):
            if not self.console.is_terminal:
                self.console.print(f"… {what}")
            yield
        seconds = time.monotonic() - began
        self.steps.append({"step": what, "seconds": round(seconds, 2)})
        self.console.print(f"[green]✓[/green] {what} [dim]{seconds:.1f} s[/dim]")

    def note(self, text: str) -> None:
        """Show a detail of the current step."""
        self.console.print(f"  [dim]{escape(text)}[/dim]")

    def prove(self, claim: str, *, holds: bool, measured: str) -> None:
        """Add a line to the table."""
        self.lines.append(Line(claim, holds, measured))

    @property
    def proven(self) -> bool:
        """Whether there are lines, and each of them holds."""
        return bool(self.lines) and all(line.holds for line in self.lines)

    def show(self) -> None:
        """Print the table."""
        table = Table(title="What was proven", title_justify="left", show_lines=False)
        table.add_column("")
        table.add_column("Claim", ratio=3)
        table.add_column("Measured", ratio=4)
        for line in self.lines:
            mark = "[green]✓[/green]" if line.holds else "[red]✗[/red]"
            table.add_row(mark, escape(line.claim), escape(line.measured))
        self.console.print(table)

    def write(self, path: Path, *, seconds: float, error: str | None = None) -> None:
        """Write the report as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        report = {
            "proven": self.proven and error is None,
            "error": error,
            "seconds": round(seconds, 1),
            "parts": {**self.parts, "python": platform.python_version(), "system": sys.platform},
            "lines": [asdict(line) for line in self.lines],
            "steps": self.steps,
        }
        path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
