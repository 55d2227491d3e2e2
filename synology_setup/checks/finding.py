"""What a check tells: green, red with what to do, or that it could not be told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One line of the table.

    Attributes:
        what: was looked at, as a statement that should hold.
        ok: whether it holds; None could not be told, or does not apply.
        measured: what was seen.
        advice: what to do; every red finding has one.
    """

    what: str
    ok: bool | None
    measured: str
    advice: str = ""

    def __post_init__(self) -> None:
        if self.ok is False and not self.advice:
            raise ValueError(f"the red finding {self.what!r} does not say what to do")


def good(what: str, measured: str) -> Finding:
    """It holds."""
    return Finding(what, True, measured)


def bad(what: str, measured: str, advice: str) -> Finding:
    """It does not hold."""
    return Finding(what, False, measured, advice)


def untold(what: str, measured: str, advice: str = "") -> Finding:
    """It could not be told, or does not apply."""
    return Finding(what, None, measured, advice)
