"""What an install replaces, kept until the third install after it: the old pair, and who served what.

A backup is complete once its `before.json` stands. The file `unfinished` beside the backups is the journal:
it names the backup of an install that has begun and has neither been proven nor undone.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from .files import private_folder, write_private
from .pair import Pair, read_pair
from .state import JOURNAL

_KEPT = 3


@dataclass
class Before:
    """What stood before an install.

    Attributes:
        entry: id of the entry that was replaced, or an empty text where one was created.
        fingerprints: of its leaf, or of its two in the dual layout; what is put back.
        default: id of the default entry, or an empty text.
        to: id of the entry that services were moved to; empty until it is known.
        owners: every service's key -> id of the entry that it was bound to.
        services: the services that are taken: key -> fingerprints of the copy.
        files: copies that DSM does not list: path on the NAS -> name of the file in the backup.
    """

    entry: str
    fingerprints: list[str]
    default: str
    to: str = ""
    owners: dict[str, str] = field(default_factory=dict)
    services: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


class Backup:
    """One backup's folder."""

    def __init__(self, folder: Path) -> None:
        """Read it.

        Raises:
            OSError: it is not complete.
            ValueError: it is not readable.
        """
        self.folder = folder
        try:
            self.before = Before(**json.loads((folder / "before.json").read_text(encoding="utf-8")))
        except TypeError as error:
            raise ValueError(f"{folder}: {error}") from None

    @property
    def pair(self) -> Pair:
        """The old pair of the entry."""
        return read_pair(self.folder)

    def keep_file(self, path_on_nas: str, content: bytes) -> None:
        """Keep the content of a file that DSM does not list."""
        if path_on_nas not in self.before.files:
            name = f"file-{len(self.before.files)}"
            write_private(self.folder / name, content)
            self.before.files[path_on_nas] = name
            self.save()

    def save(self) -> None:
        """Write `before.json` anew."""
        _write(self.folder, self.before)


class Backups:
    """The backups of one certificate, oldest first by name."""

    def __init__(self, folder: Path) -> None:
        """Use this folder."""
        self._folder = folder
        self._journal = folder / JOURNAL

    def unfinished(self) -> Backup | None:
        """Return the backup of an install that was interrupted, if there is one."""
        try:
            return Backup(self._folder / self._journal.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def newest(self) -> Backup | None:
        """Return the backup of the last install, if there is one."""
        for folder in reversed(self._folders()):
            try:
                return Backup(folder)
            except (OSError, ValueError):
                continue
        return None

    def begin(self, before: Before, archive: Path | None) -> Backup:
        """Keep what stands: the files in the entry's `archive` folder, then `before`, then the journal."""
        for begun in self._folders():
            if not (begun / "before.json").exists():
                _drop(begun)  # of a run that was killed before it changed anything
        stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%f")
        folder = private_folder(private_folder(self._folder) / stamp)
        if archive is not None:
            for path in archive.glob("*.pem"):
                if path.is_file():
                    write_private(folder / path.name, path.read_bytes())
        _write(folder, before)
        write_private(self._journal, folder.name.encode())
        return Backup(folder)

    def finish(self) -> None:
        """End the journal: the install is proven. The last three backups stay."""
        self._end_journal()
        for folder in self._folders()[:-_KEPT]:
            _drop(folder)

    def consume(self, backup: Backup) -> None:
        """End the journal: `backup` has been put back, and is of no more use."""
        self._end_journal()
        _drop(backup.folder)

    def _end_journal(self) -> None:
        if self._journal.exists():
            self._journal.unlink()

    def _folders(self) -> list[Path]:
        return sorted(path for path in self._folder.glob("*") if path.is_dir())


def _write(folder: Path, before: Before) -> None:
    write_private(folder / "before.json", json.dumps(asdict(before), sort_keys=True).encode())


def _drop(folder: Path) -> None:
    """Remove a backup, its mark first: killed in the middle, what is left is no backup."""
    mark = folder / "before.json"
    if mark.exists():
        mark.unlink()
    shutil.rmtree(str(folder), ignore_errors=True)
