"""What the agent remembers between runs: which version it installed, for each secret."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from .files import private_folder, write_private


@dataclass(frozen=True)
class Installed:
    """What the last finished install put in place; empty texts where there was none.

    Attributes:
        version: VersionId of the secret.
        fingerprint: SHA-256 of the leaf.
        not_after: the end of its validity, for a person.
    """

    version: str = ""
    fingerprint: str = ""
    not_after: str = ""


class CertificateState:
    """The folder that belongs to one secret: its record, its staging area, its backup."""

    def __init__(self, home: Path, secret: str) -> None:
        """Use a folder below `home` that is named for the secret."""
        self.folder = home / hashlib.sha256(secret.encode()).hexdigest()[:16]
        self.staging = self.folder / "staging"
        self.backup = self.folder / "backup"
        self._record = self.folder / "installed.json"

    def read(self) -> Installed:
        """Return the record of the last install; an empty one where there is none or it cannot be read."""
        try:
            return Installed(**json.loads(self._record.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return Installed()

    def write(self, installed: Installed) -> None:
        """Remember an install that was proven."""
        private_folder(self.folder)
        write_private(self._record, json.dumps(vars(installed), sort_keys=True).encode())
