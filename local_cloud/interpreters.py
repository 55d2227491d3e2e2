"""The Python that DSM ships: the agent runs under it in the demo and the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

DSM_PYTHON = "3.8"


def find_python(version: str = DSM_PYTHON) -> Path | None:
    """Return an interpreter of `version`, such as `3.8`: from PATH, else from pyenv, or None."""
    candidates = [shutil.which(f"python{version}")]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates += [str(path / "bin" / "python") for path in sorted(pyenv.glob(f"versions/{version}.*"))]
    for candidate in candidates:
        if candidate and _runs(candidate, version):
            return Path(candidate)
    return None


def _runs(program: str, version: str) -> bool:
    """Tell whether it is that version: pyenv's shims stand on PATH for versions that are not active too."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.startswith(f"Python {version}.")
