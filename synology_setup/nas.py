"""The NAS as its root shell shows it: what it is, and DSM's own web API on it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from synology_agent.dsm import SYNOWEBAPI, ApiRefused, read_web_api_answer, web_api_arguments
from synology_agent.errors import DsmError

from .errors import SetupError
from .remote import Result, Shell

OLDEST_PYTHON = (3, 8)
OLDEST_DSM = (6, 2)
HOME_NAME = "@synology-https"
"""Folder of the agent on a volume: outside of every share, and an update of DSM leaves volumes alone."""

# Where DSM 7, Synology's and SynoCommunity's packages put Python 3.
_PYTHONS = (
    "/usr/bin/python3",
    "/usr/local/bin/python3",
    "/var/packages/[Pp]y*/target/bin/python3",
    "/var/packages/[Pp]y*/target/usr/bin/python3",
    "/var/packages/[Pp]y*/target/usr/local/bin/python3",
)
_MODULES = "import sys, hashlib, json, ssl, zipimport; print('%d.%d.%d' % sys.version_info[:3])"
_FACTS = """
at={root}
echo '== version'; cat "$at/etc.defaults/VERSION" 2>/dev/null
echo '== model'; sed -n 's/^upnpmodelname="\\(.*\\)"$/\\1/p' "$at/etc.defaults/synoinfo.conf" 2>/dev/null
echo '== host'; uname -n
echo '== clock'; date -u +%s
echo '== volumes'; ls -d "$at"/volume[0-9]* 2>/dev/null
echo '== homes'; ls -d "$at"/volume[0-9]*/{home} 2>/dev/null
echo '== pythons'
for python in {pythons}; do
    test -x "$python" || continue
    said=$("$python" -I -S -c {modules} </dev/null 2>/dev/null) && echo "$python $said"
done
exit 0
"""
_NOT_FOUND = 127  # of a shell
_SECTION = re.compile(r"^== (.*)\n", re.MULTILINE)


class DsmRefused(SetupError):
    """DSM's web API answered an error.

    Attributes:
        code: DSM's number for it, or None.
    """

    def __init__(self, error: DsmError) -> None:
        """Say what the agent's reader of the answer says."""
        super().__init__(str(error))
        self.code = error.code if isinstance(error, ApiRefused) else None


@dataclass(frozen=True)
class Facts:
    """What the NAS is.

    Attributes:
        dsm: its release, as (7, 2).
        product: the same as DSM names it, with its build, as `7.2.2-72806`.
        model: such as `DS920+`, or an empty text.
        host: its host name.
        clock_ahead: seconds that its clock is ahead of this machine's, at least by the time that asking took.
        volume: the volume for the agent's folder, as `/volume1`.
        home: the agent's folder.
        python: the Python that runs the agent.
        python_version: its version, as `3.8.15`.
    """

    dsm: tuple[int, int]
    product: str
    model: str
    host: str
    clock_ahead: float
    volume: str
    home: str
    python: str
    python_version: str


class Nas:
    """DSM below a root folder, reached as root; the folder is `/` but for a simulated one."""

    def __init__(self, shell: Shell, root: str = "") -> None:
        self.shell = shell
        self.root = root.rstrip("/")

    def path(self, inside: str) -> str:
        """Return where the path of a NAS is for its shell."""
        return f"{self.root}{inside}"

    def run(self, command: Sequence[str] | str, stdin: bytes = b"", *, seconds: float = 120) -> Result:
        """Run a command or a script as root; see `Shell.run`."""
        return self.shell.run(command, stdin, seconds=seconds)

    def web_api(self, api: str, method: str, version: int, **values: Any) -> dict[str, Any]:
        """Call DSM's web API on the NAS and return its data.

        Raises:
            DsmRefused: the API answered an error, or no answer.
            RemoteError: the command could not be run.
        """
        arguments = web_api_arguments(api, method, version, **values)
        result = self.run([self.path(SYNOWEBAPI), *arguments])
        try:
            if result.status == _NOT_FOUND:
                raise DsmError(f"this DSM offers no local web API ({SYNOWEBAPI})")
            if result.status != 0:
                words = result.stderr.decode(errors="replace").strip()[-300:]
                raise DsmError(f"DSM's {api} {method} ended with status {result.status}: {words}")
            return read_web_api_answer(f"{api} {method}", result.stdout.decode(errors="replace"))
        except DsmError as error:
            raise DsmRefused(error) from None

    def read_facts(self) -> Facts:
        """Ask the NAS what it is.

        Raises:
            SetupError: it is no Synology NAS, too old, or lacks a Python or a volume.
        """
        script = _FACTS.format(
            root=shlex.quote(self.root),
            home=HOME_NAME,
            pythons=" ".join(shlex.quote(self.root) + pattern for pattern in _PYTHONS),
            modules=shlex.quote(_MODULES),
        )
        answer = self.run(script).check("asking the NAS what it is").stdout.decode(errors="replace")
        found = {name: text.strip() for name, text in sections(answer).items()}
        version = dict(re.findall(r'^(\w+)="(.*)"$', found["version"], re.MULTILINE))
        product = f"{version.get('productversion', '?')}-{version.get('buildnumber', '?')}"
        release = _release(version)
        python, python_version = _choose_python(found["pythons"], release)
        homes, volumes = found["homes"].split(), _by_number(found["volumes"].split())
        if not homes and not volumes:
            raise SetupError(
                "the NAS has no volume to put the agent on: make one in Storage Manager, then start again"
            )
        volume = homes[0].rpartition("/")[0] if homes else volumes[0]
        return Facts(
            dsm=release,
            product=product,
            model=found["model"],
            host=found["host"],
            clock_ahead=float(found["clock"]) - datetime.now(UTC).timestamp(),
            volume=volume.removeprefix(self.root),
            home=f"{volume}/{HOME_NAME}",
            python=python,
            python_version=python_version,
        )


def sections(text: str) -> dict[str, str]:
    """Return what a script printed under each of its lines `== title`, by title."""
    _, *parts = _SECTION.split(text)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _release(version: dict[str, str]) -> tuple[int, int]:
    try:
        release = int(version["majorversion"]), int(version["minorversion"])
    except (KeyError, ValueError):
        raise SetupError(
            "/etc.defaults/VERSION names no DSM version: this is no Synology NAS, or not its root shell"
        ) from None
    if release < OLDEST_DSM:
        raise SetupError(
            f"the NAS has DSM {release[0]}.{release[1]}: the agent needs 6.2 or later "
            "(Control Panel > Update & Restore)"
        )
    return release


def _choose_python(lines: str, release: tuple[int, int]) -> tuple[str, str]:
    seen = [line.rsplit(" ", 1) for line in lines.splitlines()]
    for path, version in seen:
        if tuple(map(int, version.split(".")[:2])) >= OLDEST_PYTHON:
            return path, version
    too_old = ", ".join(f"{path} is {version}" for path, version in seen)
    package = "Python 3.9" if release >= (7, 0) else "Python3"
    raise SetupError(
        f"the NAS has no Python 3.8 or later{f' ({too_old})' if too_old else ''}: install the package "
        f"{package!r} in Package Center, or a newer Python of SynoCommunity, then start again"
    )


def _by_number(volumes: list[str]) -> list[str]:
    return sorted(volumes, key=lambda path: int(re.sub(r"\D", "", path.rsplit("/volume", 1)[-1]) or 0))
