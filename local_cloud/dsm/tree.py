"""The files in which DSM keeps certificates, read and written by every program of the simulation.

Sources are public tools and their authors' measurements, none of it official: `_archive` has one folder a
certificate, named by a random 6-character id; INFO maps the id to its description and services; each service
is served from a copy of its own, so that changing the archive alone changes nothing that is served.
"""

from __future__ import annotations

import json
import os
import secrets
import string
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

Json: TypeAlias = dict[str, Any]
"""A JSON object of DSM: an entry of INFO, a service, the parameters of an API call."""

_ID_ALPHABET = string.ascii_letters + string.digits
_ID_LENGTH = 6
SINGLE = ("cert.pem", "chain.pem", "fullchain.pem", "privkey.pem")
PREFIXES = ("RSA-", "ECC-")
"""Of the same four files in the dual layout."""

_DUAL = tuple(f"{prefix}{name}" for prefix in PREFIXES for name in SINGLE)
_MARK = "etc.defaults/VERSION"


@dataclass(frozen=True)
class Pair:
    """A certificate as DSM files it, in PEM: the leaf, the intermediates (may be empty) and the key."""

    leaf: bytes
    chain: bytes
    key: bytes

    def files(self) -> dict[str, bytes]:
        """Return the four files of an archive folder or of a copy in DSM's single layout."""
        contents = (self.leaf, self.chain, self.leaf + self.chain, self.key)
        return dict(zip(SINGLE, contents, strict=True))


@dataclass(frozen=True)
class DualPair:
    """DSM 7.3's own certificate: an RSA and an EC one, and no cert.pem (measured on 7.3-86009)."""

    rsa: Pair
    ecc: Pair

    def files(self) -> dict[str, bytes]:
        """Return the files of an archive folder or of a copy in DSM's dual layout.

        Six were measured, for a self-signed one: there is no file of an empty chain.
        """
        return {
            f"{prefix}{name}": content
            for prefix, pair in zip(PREFIXES, (self.rsa, self.ecc), strict=True)
            for name, content in pair.files().items()
            if content
        }


class DsmTree:
    """The tree below `root`, which stands for the NAS's `/`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.archive = self.path("/usr/syno/etc/certificate/_archive")

    @classmethod
    def containing(cls, program: str) -> Self:
        """Return the tree that `program`, one of its launchers, stands in.

        Raises:
            FileNotFoundError: no directory above it is a simulated DSM.
        """
        for folder in Path(program).resolve().parents:
            if (folder / _MARK).is_file():
                return cls(folder)
        raise FileNotFoundError(f"{program} does not stand in a simulated DSM (no {_MARK} above it)")

    def path(self, inside: str) -> Path:
        """Return where the NAS's path `inside` is on this machine, as in a chroot: `..` ends at `/`."""
        return self.root / os.path.normpath("/" + inside).lstrip("/")

    def info(self) -> dict[str, Json]:
        """Read `_archive/INFO`: id -> entry."""
        entries: dict[str, Json] = self._read_json(self.archive / "INFO")
        return entries

    def write_info(self, entries: dict[str, Json]) -> None:
        """Write `_archive/INFO`, and `SERVICES` with the services that it names and those known before.

        SERVICES is an array, as a public tool for 7.2.1 reads it; other tools know an object of arrays.
        """
        known = {service_key(service): service for service in self.services()}
        for entry in entries.values():
            known.update({service_key(service): service for service in entry["services"]})
        self.write_json(self.archive / "INFO", entries)
        self.write_json(self.archive / "SERVICES", list(known.values()))

    def known_services(self) -> dict[tuple[str, str], Json]:
        """Return every service, bound or not, with all keys that INFO, or else SERVICES, has of it."""
        listed = [service for entry in self.info().values() for service in entry["services"]]
        return {service_key(service): service for service in [*self.services(), *listed]}

    def services(self) -> list[Json]:
        """Read `_archive/SERVICES`: every service, bound or not."""
        path = self.archive / "SERVICES"
        services: list[Json] = self._read_json(path) if path.exists() else []
        return services

    @property
    def default_id(self) -> str:
        """The id in `_archive/DEFAULT`."""
        return (self.archive / "DEFAULT").read_text(encoding="utf-8").strip()

    @default_id.setter
    def default_id(self, entry_id: str) -> None:
        write_file(self.archive / "DEFAULT", entry_id.encode() + b"\n")

    def new_id(self) -> str:
        """Return an id that no archive folder has."""
        while True:
            entry_id = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))
            if not (self.archive / entry_id).exists():
                return entry_id

    def owner_of(self, subscriber: str, service: str) -> str | None:
        """Return the id of the entry that the service is bound to, if any."""
        for entry_id, entry in self.info().items():
            if (subscriber, service) in map(service_key, entry["services"]):
                return entry_id
        return None

    def copy_folder(self, service: Json) -> Path:
        """Return the folder of the service's own copy: packages keep theirs under /usr/local."""
        base = "/usr/local/etc/certificate" if service["isPkg"] else "/usr/syno/etc/certificate"
        return self.path(f"{base}/{service['subscriber']}/{service['service']}")

    def write_pair(self, entry_id: str, pair: Pair | DualPair) -> None:
        """Write the archive files of an entry; those of the other layout go, and any others stay."""
        _write_layout(self.archive / entry_id, pair.files())

    def copy_to_service(self, entry_id: str, service: Json) -> None:
        """Write the service's own copy from the archive.

        Of a dual entry the dual files are copied and no others: a cert.pem that was put there is not served.
        Without a leaf in the archive the copy stays (unsure).
        """
        archive = self.archive / entry_id
        if not leaf_file(archive).exists():
            return
        names = SINGLE if leaf_file(archive).name in SINGLE else _DUAL
        files = {name: (archive / name).read_bytes() for name in names if (archive / name).exists()}
        _write_layout(self.copy_folder(service), files)

    def log(self, name: str, line: str) -> None:
        """Append a line to `/var/log/<name>`."""
        path = self.path(f"/var/log/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def read_json(self, inside: str) -> Json:
        """Read a JSON object at the NAS's path `inside`."""
        value: Json = self._read_json(self.path(inside))
        return value

    def write_json(self, path: Path, value: object) -> None:
        """Write `value` atomically, as only its owner may read it."""
        write_file(path, json.dumps(value, indent=2).encode() + b"\n", mode=0o600)

    @staticmethod
    def _read_json(path: Path) -> Any:
        return json.loads(path.read_text(encoding="utf-8"))


def service_key(service: Json) -> tuple[str, str]:
    """Return what tells one service from another."""
    return service["subscriber"], service["service"]


def leaf_file(folder: Path) -> Path:
    """Return the file of the leaf that a folder serves; of a dual one, the RSA leaf."""
    dual = folder / "RSA-cert.pem"
    return dual if dual.exists() else folder / "cert.pem"


def _write_layout(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        write_file(folder / name, content, mode=0o400)
    for name in {*SINGLE, *_DUAL} - files.keys():
        (folder / name).unlink(missing_ok=True)


def write_file(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace `path` atomically, or what it links to, and make the folders above it."""
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
