"""`/usr/bin/systemctl` and DSM's `synosystemctl`, as far as certificates need them.

`reload nginx` is nginx's own reload. `is-active` is systemctl's alone: no public tool asks synosystemctl so.
A package is the unit `pkgctl-<Package>`; its restart goes to `/var/log/systemctl.log`, where a test can read
it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from local_cloud.dsm.faults import can_fail
from local_cloud.dsm.nginx import reload_nginx
from local_cloud.dsm.packages import is_installed, is_running, restart
from local_cloud.dsm.tree import DsmTree

_NO_SUCH_UNIT = 5
"""systemctl's exit code for a unit that is not loaded (systemctl(1), "Exit status")."""


@can_fail()
def main(program: str, arguments: Sequence[str]) -> int:
    """Run the program and return its exit code."""
    tree = DsmTree.containing(program)
    quiet = "-q" in arguments
    match [argument for argument in arguments if argument != "-q"]:
        case ["reload", ("nginx" | "nginx.service")]:
            done = reload_nginx(tree)
            sys.stderr.write(done.stderr)
            return done.returncode
        case ["restart", unit] if is_installed(tree, _package(unit)):
            restart(tree, _package(unit))
            return 0
        case ["is-active", unit] if Path(program).name == "systemctl":
            active = is_running(tree, _package(unit)) or unit.removesuffix(".service") == "nginx"
            if not quiet:
                print("active" if active else "inactive")
            return 0 if active else 3
        case [("reload" | "restart") as verb, unit]:
            name = unit.removesuffix(".service")
            print(f"Failed to {verb} {name}.service: Unit {name}.service not found.", file=sys.stderr)
            return _NO_SUCH_UNIT
        case _:
            print(f"Unknown operation {' '.join(arguments)}.", file=sys.stderr)
            return 1


def _package(unit: str) -> str:
    name = unit.removesuffix(".service")
    return name.removeprefix("pkgctl-") if name.startswith("pkgctl-") else "no package"
