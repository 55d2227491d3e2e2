"""Virtual environments of the embedded cloud's parts: made once, from pinned requirements, beside ours."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from local_cloud.processes import ServiceError, alone

_INSTALL_SECONDS = 600


def provide_environment(folder: Path, requirements: Path) -> Path:
    """Return the interpreter of the environment at `folder`, which is made unless it is up to date.

    It holds what `requirements` says and nothing else, pip included: what stands in MiniStack's, a Lambda
    could import. A second call downloads nothing; two processes do not meet.

    Raises:
        ServiceError: it could not be made; the text ends with what pip said.
    """
    python = folder / "bin" / "python"
    stamp = folder / "requirements.sha256"
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    with alone(folder.with_name(f"{folder.name}.lock")):
        if not (python.exists() and stamp.is_file() and stamp.read_text() == wanted):
            shutil.rmtree(folder, ignore_errors=True)
            _run("-m", "venv", "--without-pip", folder)
            pip = ("-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check")
            _run(*pip, "--requirement", requirements)
            stamp.write_text(wanted)
    return python


def _run(*arguments: str | Path) -> None:
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise ServiceError(f"{' '.join(map(str, arguments))} took over {_INSTALL_SECONDS} s") from error
    if done.returncode:
        raise ServiceError(f"{' '.join(map(str, arguments))} failed:\n{done.stdout}")
