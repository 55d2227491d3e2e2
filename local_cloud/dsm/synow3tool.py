"""`/usr/syno/bin/synow3tool --gen-all`: writes nginx's configuration; nginx itself is left alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from local_cloud.dsm.faults import can_fail
from local_cloud.dsm.nginx import generate
from local_cloud.dsm.tree import DsmTree


@can_fail()
def main(program: str, arguments: Sequence[str]) -> int:
    """Run the program and return its exit code."""
    if list(arguments) != ["--gen-all"]:
        print("Usage: synow3tool --gen-all (the simulation knows no more)", file=sys.stderr)
        return 1
    try:
        generate(DsmTree.containing(program))
    except FileNotFoundError as error:
        print(f"synow3tool: {error}", file=sys.stderr)
        return 1
    return 0
