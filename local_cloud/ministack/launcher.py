"""Start MiniStack with AWS's own rules in force, on 127.0.0.1 only: `python launcher.py`.

It runs in MiniStack's environment, by path. GATEWAY_PORT names the port. It refuses to start when MiniStack
no longer has what a rule changes, so that no test is ever green because a rule silently fell off.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path


def main() -> None:
    """Apply the rules, then serve until SIGTERM."""
    os.environ.update(AUTH="true", BIND_HOST="127.0.0.1")  # MiniStack's defaults: no checks, all addresses
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    rules = importlib.import_module("rules")
    try:
        rules.apply_all()
    except rules.MissingTargetError as error:
        sys.exit(f"The local AWS does not start: {error}")
    importlib.import_module("ministack.app").main()


if __name__ == "__main__":
    main()
