"""`/usr/syno/bin/synopkg status|restart <Package>`.

The exit code of `status` tells the state (measured on 7.3.2): 0 is running, 17 is stopped, 255 is not
installed. The answer is JSON there, and a sentence on DSM 6.2 (whose exit codes are unsure: here the same).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from local_cloud.dsm.faults import can_fail
from local_cloud.dsm.packages import is_installed, is_running, restart
from local_cloud.dsm.releases import release_of
from local_cloud.dsm.tree import DsmTree

_STOPPED = 17
_ABSENT = 255


@can_fail()
def main(program: str, arguments: Sequence[str]) -> int:
    """Run the program and return its exit code."""
    tree = DsmTree.containing(program)
    match list(arguments):
        case ["status", package]:
            print(_status(tree, package))
            return 0 if is_running(tree, package) else _STOPPED if is_installed(tree, package) else _ABSENT
        case ["restart", package] if is_installed(tree, package):
            restart(tree, package)
            print(_done(tree, package))
            return 0
        case _:
            print(f"synopkg: cannot {' '.join(arguments)}", file=sys.stderr)
            return _ABSENT


def _status(tree: DsmTree, package: str) -> str:
    running = is_running(tree, package)
    if not release_of(tree).systemd:
        return f"package {package} is {'started' if running else 'stopped'}"
    active = {"status": "running", "status_code": 0} if running else {"status": "stop", "status_code": 273}
    absent = {"error": {"status": "non_installed", "status_code": _ABSENT}}
    aspects = {"active": active, **({} if is_installed(tree, package) else absent)}
    return _line({"aspect": aspects, "package": package, "status": active["status"]})


def _done(tree: DsmTree, package: str) -> str:
    if not release_of(tree).systemd:
        return f"package {package} restart successfully"
    return _line({"action": "restart", "package": package, "success": True})


def _line(answer: object) -> str:
    return json.dumps(answer, separators=(",", ":"))
