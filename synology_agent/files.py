"""Files that survive a power cut and that nobody else can read."""

from __future__ import annotations

import os
from pathlib import Path

_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700


def private_folder(path: Path) -> Path:
    """Make the folder if it is missing, with its parents; only its owner may enter it."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(_PRIVATE_FOLDER)
    return path


def write_private(path: Path, content: bytes) -> None:
    """Replace the file as a whole, mode 0600, on disk when this returns."""
    unfinished = path.with_name(path.name + ".unfinished")
    descriptor = os.open(str(unfinished), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, _PRIVATE_FILE)  # the umask may have narrowed it, an older file widened it
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    folder = os.open(str(path.parent), os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
