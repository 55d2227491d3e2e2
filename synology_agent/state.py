"""What the agent remembers between runs, for each certificate, and the lock that keeps two runs apart."""

from __future__ import annotations

import fcntl
import hashlib
import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator

from .errors import AgentError, Busy
from .files import private_folder, write_private

if TYPE_CHECKING:
    from .document import Certificate
    from .install import Proven

JOURNAL = "unfinished"  # beside the backups
_MOMENT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Installed:
    """The last finished install; empty where there was none.

    Attributes:
        version: VersionId of the secret.
        entry: id of DSM's entry.
        serial: lower-case hexadecimal.
        fingerprint: SHA-256 of the leaf.
        issuer: for a person.
        not_before: start of validity, or None.
        not_after: end of validity, or None.
        issued_at: when the renewer received it, or None.
        names: what it is good for.
        bound: keys of the services that it was left serving.
        assign: the assignment that was carried out.
        held: serial that a rollback by hand holds back, or an empty text.
    """

    version: str = ""
    entry: str = ""
    serial: str = ""
    fingerprint: str = ""
    issuer: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    issued_at: datetime | None = None
    names: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()
    assign: str | tuple[str, ...] = ""
    held: str = ""

    @classmethod
    def of(
        cls,
        certificate: Certificate,
        version: str,
        proven: Proven,
        assign: str | tuple[str, ...],
        before: Installed,
    ) -> Installed:
        """Describe an install that was proven; what was bound `before` is remembered besides."""
        return cls(
            version=version,
            entry=proven.entry,
            serial=certificate.serial,
            fingerprint=certificate.fingerprint,
            issuer=certificate.issuer,
            not_before=certificate.not_before,
            not_after=certificate.not_after,
            issued_at=certificate.issued_at,
            names=certificate.domains,
            bound=tuple(sorted({*proven.bound, *before.bound})),
            assign=assign,
        )


class CertificateState:
    """The folder of one certificate: its record, its staging area, its backups, its last run."""

    def __init__(self, home: Path, entry: str) -> None:
        """Use a folder below `home` that is named for the configured entry: a secret may be replaced."""
        self.folder = home / hashlib.sha256(entry.encode()).hexdigest()[:16]
        self.staging = self.folder / "staging"
        self.backups = self.folder / "backups"
        self._record = self.folder / "installed.json"
        self._last_run = self.folder / "last-run.json"

    def read(self) -> Installed:
        """Return the record of the last install; an empty one where there is none or it cannot be read."""
        fields = _read(self._record)
        try:
            for name in ("not_before", "not_after", "issued_at"):
                fields[name] = _moment(fields[name])
            for name in ("names", "bound"):
                fields[name] = tuple(fields[name])
            if isinstance(fields["assign"], list):
                fields["assign"] = tuple(fields["assign"])
            return Installed(**fields)
        except (KeyError, TypeError, ValueError):
            return Installed()

    def is_unfinished(self) -> bool:
        """Tell whether an install was interrupted: its journal is there (see backup.py)."""
        return (self.backups / JOURNAL).exists()

    def clear_staging(self) -> None:
        """Remove the staging area, where a new private key stood."""
        if self.staging.exists():
            import shutil  # noqa: PLC0415 - it brings three compressions along

            shutil.rmtree(str(self.staging), ignore_errors=True)

    def write(self, installed: Installed) -> None:
        """Remember an install that was proven."""
        fields = asdict(installed)
        for name in ("not_before", "not_after", "issued_at"):
            moment = fields[name]
            fields[name] = moment.strftime(_MOMENT) if moment else None
        self._write(self._record, fields)

    def read_last_run(self) -> dict[str, Any]:
        """Return when the last run was and how it ended: `at`, `exit_code`, `line`; empty if it never ran."""
        return _read(self._last_run)

    def write_last_run(self, at: datetime, exit_code: int, line: str) -> None:
        """Remember how this run ended."""
        self._write(self._last_run, {"at": at.strftime(_MOMENT), "exit_code": exit_code, "line": line})

    def _write(self, path: Path, fields: dict[str, Any]) -> None:
        private_folder(self.folder)
        write_private(path, json.dumps(fields, sort_keys=True).encode())


def _read(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _moment(text: str | None) -> datetime | None:
    return datetime.strptime(text, _MOMENT).replace(tzinfo=timezone.utc) if text else None


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Keep a second run out while the context lasts.

    Raises:
        Busy: one is under way.
        AgentError: the folder cannot be used.
    """
    try:
        lock = (private_folder(home) / "lock").open("w")
    except OSError as error:
        raise AgentError(f"the agent's own folder cannot be used: {error}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Busy("another run is under way; this one ends without doing anything") from None
        yield
