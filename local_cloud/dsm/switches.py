"""What the simulation can be told to do: `/var/simulation.json` in the tree, read at each call.

It is hard on its client by default and soft by switch.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from local_cloud.dsm.tree import DsmTree

SWITCHES = "/var/simulation.json"
_TEXTS = {
    "fail": "failed (simulated)\n",
    "hang": "",
    "lie": "",
    "noise": "[Line 42] {noise} [\n{not: json}\n",
}


@dataclass(frozen=True)
class Fault:
    """How a program goes wrong.

    Attributes:
        kind: "fail" ends at once, "hang" waits and then does the work, "lie" is a success without effect,
            "noise" prints before the answer.
        exit_code: of "fail".
        text: what "fail" prints to stderr, and "noise" to stdout; None is a text of the kind's own, of which
            the noise has braces (no source has any on stdout: the harder reading).
        seconds: how long "hang" waits.
        calls: how many calls it spoils yet; None is all.
    """

    kind: str
    exit_code: int = 1
    text: str | None = None
    seconds: float = 60
    calls: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in _TEXTS:
            raise ValueError(f"there is no fault {self.kind!r}: it is one of {', '.join(_TEXTS)}")

    @property
    def printed(self) -> str:
        """What is printed."""
        return _TEXTS[self.kind] if self.text is None else self.text


@dataclass(frozen=True)
class Switches:
    """The switches and their defaults."""

    lie_on_import: bool = False
    """Import answers success and does nothing: `success:true` is no proof in this API family."""

    lie_on_bind: bool = False
    """Certificate.Service set answers success and does nothing."""

    refuse_import: int | None = None
    """Import fails with this error code."""

    no_reload: bool | Literal["non-default"] = "non-default"
    """After an import or a binding nginx keeps the old leaf until reloaded: for entries that are not the
    default (DSM reloads only if it thinks the default changed), always (true) or never (false)."""

    fail_reload: bool = False
    """`systemctl reload nginx` fails and changes nothing, and so does DSM's own reload."""

    private_tmp: bool = True
    """synowebapi does not see what others put into /tmp (reported on 7.2.2, not so on 7.3)."""

    faults: Mapping[str, Fault] = field(default_factory=dict)
    """Faults by where they strike: a program and, after colons, words of its command line. A parameter
    `key=value` counts by its value. So "systemctl:reload", "synowebapi:import", or
    "synowebapi:SYNO.Core.Certificate.Service:set"."""


def read_switches(tree: DsmTree) -> Switches:
    """Read the switches; without the file they are all at their defaults.

    Raises:
        TypeError: the file names a switch that there is not.
        ValueError: it names a fault that there is not.
    """
    path = tree.path(SWITCHES)
    return _made(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else Switches()


def write_switches(tree: DsmTree, **changes: Any) -> None:
    """Change the named switches, keep the others; a fault may be given as its kind.

    Raises:
        TypeError: there is no such switch.
        ValueError: there is no such fault.
    """
    with _locked(tree):
        _write(tree, _made({**vars(read_switches(tree)), **changes}))


def take_fault(tree: DsmTree, program: str, arguments: list[str]) -> Fault | None:
    """Return the fault that strikes this call, if any, and count the call."""
    place = _place(read_switches(tree), program, arguments)
    if place is None:
        return None
    with _locked(tree):
        switches = read_switches(tree)
        fault = switches.faults.get(place)
        if fault is None or fault.calls is None:
            return fault
        rest = {other: kept for other, kept in switches.faults.items() if other != place}
        if fault.calls > 1:
            rest[place] = replace(fault, calls=fault.calls - 1)
        _write(tree, replace(switches, faults=rest))
        return fault


def _place(switches: Switches, program: str, arguments: list[str]) -> str | None:
    words = {argument.split("=", 1)[-1].strip('"') for argument in arguments}
    for place in switches.faults:
        name, *wanted = place.split(":")
        if name == program and words.issuperset(wanted):
            return place
    return None


def _made(fields: Mapping[str, Any]) -> Switches:
    faults = {place: _fault(value) for place, value in fields.get("faults", {}).items()}
    return Switches(**{**fields, "faults": faults})


def _fault(value: Any) -> Fault:
    if isinstance(value, Fault):
        return value
    return Fault(value) if isinstance(value, str) else Fault(**value)


def _write(tree: DsmTree, switches: Switches) -> None:
    tree.write_json(tree.path(SWITCHES), asdict(switches))


@contextmanager
def _locked(tree: DsmTree) -> Iterator[None]:
    path = tree.path(f"{SWITCHES}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
