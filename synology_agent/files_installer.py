"""The way of DSM 6.2, and of an API that refuses: files, INFO and DSM's own hooks."""

from __future__ import annotations

import hashlib
import itertools
import json
import string
from pathlib import Path
from typing import Any, Iterator

from .dsm import Dsm
from .entries import ARCHIVE, Entry, Service, read_entry
from .errors import DsmError
from .files import replace_files
from .pair import Pair, is_dual, read_pair

_ID_ALPHABET = string.ascii_letters + string.digits
_ID_LENGTH = 6


class FilesInstaller:
    """The archive, the copies, INFO and DEFAULT, each file replaced as a whole."""

    way = "files and hooks"

    def __init__(self, dsm: Dsm) -> None:
        """Work on this NAS."""
        self._dsm = dsm
        self._archive = dsm.real(ARCHIVE)

    def entries(self) -> list[Entry]:
        """Return the entries of INFO.

        Raises:
            DsmError: INFO cannot be read.
        """
        default = self._default()
        return [
            read_entry(self._dsm, entry_id, fields, entry_id == default)
            for entry_id, fields in self._info().items()
        ]

    def create(self, description: str, pair: Pair) -> None:
        """Make the archive folder first, INFO last: killed between, what is left is named nowhere."""
        info = self._info()
        entry_id = next(one for one in _ids(description) if one not in info)
        folder = self._archive / entry_id
        folder.mkdir(mode=0o700, exist_ok=True)
        replace_files({folder / name: content for name, content in pair.contents().items()})
        info[entry_id] = {"desc": description, "services": [], "user_deletable": True}
        self._write_info(info)

    def replace(self, entry: Entry, pair: Pair) -> None:
        """Write the archive and the copy of each service, then run their hooks."""
        self._write(self._archive / entry.id, pair)
        for service in entry.services:
            if not service.is_quickconnect:
                self._deliver(service, pair)

    def bind(self, service: Service, old_id: str, new_id: str) -> None:
        """Move the service in INFO, wherever it is bound, then write its copy and run its hooks."""
        del old_id
        info = self._info()
        for entry_id, fields in info.items():
            kept = [one for one in fields.get("services", ()) if not _is_same(one, service)]
            fields["services"] = kept + ([service.fields] if entry_id == new_id else [])
        self._write_info(info)
        self._deliver(service, _pair_in(self._archive / new_id))

    def make_default(self, entry: Entry) -> None:
        """Name it in DEFAULT; services stay where they are bound."""
        replace_files({self._archive / "DEFAULT": entry.id.encode() + b"\n"})

    def _deliver(self, service: Service, pair: Pair) -> None:
        folder = self._dsm.real(service.copy_folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._write(folder, pair)
        self._dsm.run_hooks(service.subscriber, service.key.partition("/")[2], service.is_package)

    def _write(self, folder: Path, pair: Pair) -> None:
        if is_dual(folder):
            raise DsmError(
                f"{folder} is in the dual layout of DSM 7.3, which only DSM's web API can change: a cert.pem "
                "written there would not be served"
            )
        replace_files({folder / name: content for name, content in pair.contents().items()})

    def _info(self) -> dict[str, Any]:
        path = self._archive / "INFO"
        try:
            info = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DsmError(f"{path} cannot be read: {error}") from None
        if not isinstance(info, dict) or not all(isinstance(fields, dict) for fields in info.values()):
            raise DsmError(f"{path} is in a shape that this agent does not know")
        return info

    def _write_info(self, info: dict[str, Any]) -> None:
        replace_files({self._archive / "INFO": json.dumps(info, indent=3).encode() + b"\n"})

    def _default(self) -> str:
        path = self._archive / "DEFAULT"
        try:
            return path.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise DsmError(f"{path} cannot be read: {error}") from None


def _pair_in(folder: Path) -> Pair:
    try:
        return read_pair(folder)
    except (OSError, ValueError) as error:
        raise DsmError(f"the certificate in {folder} cannot be read: {error}") from None


def _is_same(fields: dict[str, Any], service: Service) -> bool:
    return "{}/{}".format(fields.get("subscriber"), fields.get("service")) == service.key


def _ids(description: str) -> Iterator[str]:
    """Yield ids, always the same for a description: a run that was killed leaves no second folder."""
    for number in itertools.count():
        digest = hashlib.sha256(f"{description}/{number}".encode()).digest()
        yield "".join(_ID_ALPHABET[byte % len(_ID_ALPHABET)] for byte in digest[:_ID_LENGTH])
