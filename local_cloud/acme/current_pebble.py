"""A current Pebble, built with this machine's Go: Debian 12's lacks renewal information and profiles."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

VERSION = "v2.10.0"
_BUILD_SECONDS = 280


def build_pebble(build: Path) -> Path | None:
    """Return Pebble of VERSION, built once below `build` through Go's own module settings; None without Go.

    Raises:
        subprocess.SubprocessError: it could not be built.
    """
    folder = build.resolve() / "tools" / "go" / VERSION
    program = folder / "pebble"
    if program.is_file():
        return program
    go = shutil.which("go")
    if go is None:
        return None
    subprocess.run(
        [go, "install", f"github.com/letsencrypt/pebble/v2/cmd/pebble@{VERSION}"],
        env={**os.environ, "GOBIN": str(folder)},
        check=True,
        timeout=_BUILD_SECONDS,
    )
    return program
