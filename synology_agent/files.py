"""Files that survive a power cut, that nobody else can read, and that keep whose they were."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Mapping

_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700
_UNFINISHED = ".unfinished"


def private_folder(path: Path) -> Path:
    """Make the folder if it is missing, with its parents; only its owner may enter it."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(_PRIVATE_FOLDER)
    return path


def write_private(path: Path, content: bytes) -> None:
    """Replace the file as a whole, mode 0600, on disk when this returns."""
    _written_beside(path, content, _PRIVATE_FILE, None).replace(path)
    _sync_folder(path.parent)


def replace_files(contents: Mapping[Path, bytes]) -> None:
    """Replace files, each as a whole, with owner and mode of the old one (0400 where there was none).

    All are written beside their places first, so that a full disk changes nothing. A symbolic link stays, and
    what it points to is replaced. On disk when this returns.
    """
    written = []
    for path, content in contents.items():
        target = Path(os.path.realpath(str(path)))
        try:
            old = target.stat()
        except FileNotFoundError:
            written.append((_written_beside(target, content, 0o400, None), target))
        else:
            owner = (old.st_uid, old.st_gid)
            written.append((_written_beside(target, content, old.st_mode & 0o777, owner), target))
    for unfinished, target in written:
        unfinished.replace(target)
    for folder in {target.parent for _, target in written}:
        _sync_folder(folder)


def _written_beside(path: Path, content: bytes, mode: int, owner: tuple[int, int] | None) -> Path:
    unfinished = path.with_name(path.name + _UNFINISHED)
    if unfinished.exists():  # of a run that was killed: perhaps with a mode that forbids opening it
        unfinished.unlink()
    descriptor = os.open(str(unfinished), os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        if owner is not None and owner != (os.geteuid(), os.getegid()):
            os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)  # not at open: the umask may narrow that
        os.fsync(descriptor)
    return unfinished


def _sync_folder(path: Path) -> None:
    folder = os.open(str(path), os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
