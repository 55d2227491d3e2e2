"""Choosing the ACME server of this machine."""

from __future__ import annotations

from pathlib import Path

from local_cloud.acme.acme2certifier import Acme2Certifier
from local_cloud.acme.pebble import Pebble
from local_cloud.acme.server import AcmeServer
from local_cloud.system_programs import ProgramMissing, provide


def find_acme_server(work: Path, dns_port: int, lifetime_seconds: int, *, build: Path) -> AcmeServer:
    """Return Pebble where it is on PATH or can be unpacked, else acme2certifier; `name` says which.

    The server is not started yet.

    Example:
        with find_acme_server(work, dns.port, 86_400, build=Path("build")) as server:
            print(f"certificates come from {server.name}, {server.directory_url}")
    """
    try:
        program = provide(["pebble"], build)["pebble"]
    except ProgramMissing:
        return Acme2Certifier(work, dns_port, lifetime_seconds, build=build)
    return Pebble(program, work, dns_port, lifetime_seconds)
