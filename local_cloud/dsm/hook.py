"""The hooks that tell a subscriber of its new certificate.

`/usr/libexec/certificate.d/<subscriber> <service>`, for packages below `/usr/local/libexec/certificate.d`,
and `/usr/libexec/security-profile/tls-profile/<subscriber>.sh`, where system/default has `dsm.sh` without an
argument. Here each call is one line of `/var/log/certificate.d.log`. The system hook of DSM 6.2 exits at
once for `default` (likely).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from local_cloud.dsm.faults import can_fail
from local_cloud.dsm.releases import release_of
from local_cloud.dsm.tree import DsmTree, Json

LOG = "certificate.d.log"


@can_fail()
def main(program: str, arguments: Sequence[str]) -> int:
    """Run the hook and return its exit code."""
    tree = DsmTree.containing(program)
    name = Path(program).name
    if release_of(tree).systemd or (name, *arguments) != ("system", "default"):
        tree.log(LOG, " ".join([name, *arguments]))
    return 0


def run_hook(tree: DsmTree, service: Json) -> None:
    """Do what DSM does after it has written a service's copy."""
    tree.log(LOG, f"{service['subscriber']} {service['service']}")
