"""How DSM 6.2 reloads nginx: `/usr/syno/etc/rc.sysv/nginx.sh reload`, `synoservicectl --reload nginx`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from local_cloud.dsm.faults import can_fail
from local_cloud.dsm.nginx import reload_nginx
from local_cloud.dsm.tree import DsmTree

_RELOAD = {"nginx.sh": ["reload"], "synoservicectl": ["--reload", "nginx"]}


@can_fail()
def main(program: str, arguments: Sequence[str]) -> int:
    """Run either program and return its exit code."""
    if list(arguments) != _RELOAD[Path(program).name]:
        print(f"Unknown option {' '.join(arguments)}", file=sys.stderr)
        return 1
    done = reload_nginx(DsmTree.containing(program))
    sys.stderr.write(done.stderr)
    return done.returncode
