"""`/usr/syno/bin/synopkg status|restart <Package>`: the exit code of `status` is 0 while it runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from local_cloud.dsm.packages import is_installed, is_running, restart
from local_cloud.dsm.tree import DsmTree


def main(program: str, arguments: Sequence[str]) -> int:
    """Run the program and return its exit code."""
    tree = DsmTree.containing(program)
    match list(arguments):
        case ["status", package]:
            running = is_running(tree, package)
            print(f"package {package} is {'running' if running else 'stopped'}")
            return 0 if running else 3
        case ["restart", package] if is_installed(tree, package):
            restart(tree, package)
            return 0
        case _:
            print(f"synopkg: cannot {' '.join(arguments)}", file=sys.stderr)
            return 255
