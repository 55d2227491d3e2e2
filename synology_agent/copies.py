"""Copies of a certificate that DSM does not list: found by the old leaf, renewed file by file.

WebStation's portals may be missing in INFO, and some packages keep their own under other names, as OpenVPN's
`keys/{server.crt,server.key,ca_bundle.crt,ca.crt}`.
"""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Collection, Iterable, Iterator

from .certificates import read_pem
from .dsm import Dsm
from .pair import Pair

_ROOTS = ("/usr/syno/etc/certificate", "/usr/local/etc/certificate", "/usr/syno/etc/packages")
_LARGEST = 100_000  # bytes; a full chain with its key has under 20,000
_KEY = re.compile(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----(.*?)-----END", re.S)


@dataclass(frozen=True)
class Unlisted:
    """A folder with a copy that DSM does not list.

    Attributes:
        folder: where it stands.
        files: new content of each of its files; empty where the folder cannot be renewed as a whole.
    """

    folder: Path
    files: dict[Path, bytes]


def find_unlisted(dsm: Dsm, old_pairs: Iterable[Pair], new: Pair, listed: Collection[Path]) -> list[Unlisted]:
    """Return the folders that hold a leaf of `old_pairs`, each with what is to be written.

    `listed` are folders that DSM lists, whoever they belong to.
    """
    olds = {pair.fingerprint: pair for pair in old_pairs}
    found = []
    for folder in _folders(dsm, listed):
        texts = dict(_texts(folder))
        old = next((olds[one] for one in map(_first_leaf, texts.values()) if one in olds), None)
        if old is not None:
            found.append(Unlisted(folder, _renewed(texts, old, new)))
    return found


def _folders(dsm: Dsm, listed: Collection[Path]) -> Iterator[Path]:
    for root in map(dsm.real, _ROOTS):
        for place, below, _ in os.walk(str(root)):
            below[:] = sorted(name for name in below if name != "_archive")
            if Path(place) not in listed:
                yield Path(place)


def _texts(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in sorted(folder.iterdir()):
        try:
            if path.is_file() and path.stat().st_size <= _LARGEST:
                yield path, path.read_bytes()
        except OSError:
            continue


def _renewed(texts: dict[Path, bytes], old: Pair, new: Pair) -> dict[Path, bytes]:
    """Return each file's new content, by what it holds now; nothing where a key is not the old one."""
    old_chain, new_chain = _content(old.chain), _content(new.chain)
    old_leaf, new_leaf = old.leaf.read_bytes(), new.leaf.read_bytes()
    renewed = {}
    for path, content in texts.items():
        held, keys = _fingerprints(content), _keys(content)
        if keys:
            if keys != _keys(old.private_key.read_bytes()) or held:
                return {}
            renewed[path] = new.private_key.read_bytes()
        elif held and held[:1] == _fingerprints(old_leaf)[:1]:
            renewed[path] = new_leaf + new_chain if len(held) > 1 or "fullchain" in path.name else new_leaf
        elif set(held) <= set(_fingerprints(old_chain)) and (held or path.name == "chain.pem"):
            renewed[path] = new_chain
    return renewed


def _first_leaf(content: bytes) -> str | None:
    return next(iter(_fingerprints(content)), None)


def _fingerprints(content: bytes) -> list[str]:
    try:
        return [one.fingerprint for one in read_pem(content.decode("ascii", errors="replace"))]
    except ValueError:
        return []


def _keys(content: bytes) -> list[bytes]:
    found = []
    for body in _KEY.findall(content):
        try:
            found.append(base64.b64decode(b"".join(body.split()), validate=True))
        except ValueError:
            found.append(body)
    return found


def _content(path: Path | None) -> bytes:
    return path.read_bytes() if path is not None else b""


def package_of(dsm: Dsm, folder: Path) -> str:
    """Return the package, or subscriber, that a folder with a copy belongs to."""
    for root in map(dsm.real, _ROOTS):
        try:
            return folder.relative_to(root).parts[0]
        except (ValueError, IndexError):
            continue
    return folder.name
