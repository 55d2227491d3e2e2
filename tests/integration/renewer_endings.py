"""How a run of the renewer in a process of its own ended."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.renewer_bench import Renewer


def end(renewer: Renewer, process: subprocess.Popen[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the outcome and the accounts that were ordered with."""
    output = renewer.end(process)
    assert process.returncode == 0, output
    lines = output.splitlines()
    return json.loads(lines[-1]), [line.split()[-1] for line in lines if line.startswith("ordered with")]
