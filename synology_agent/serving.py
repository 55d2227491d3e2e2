"""What is really served: the leaf in every copy, and the leaf that nginx shows on every port."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Collection, Iterable

from .dsm import Dsm
from .entries import ARCHIVE, Entry
from .errors import DsmError
from .pair import leaves
from .ports import Port, read_ports
from .tls import served_fingerprint

# After a reload nginx takes a moment to start its new workers, and its old ones to accept nothing more.
PROBE_TRIES = 20
PROBE_PAUSE_SECONDS = 0.5
# A reload without effect is asked for once more: giving up would put back what may have expired meanwhile.
_RELOADS = 2


@dataclass
class Expectation:
    """Which leaves are good where; several where DSM serves an RSA and an EC one.

    Attributes:
        folders: folder of a copy or an entry -> fingerprints.
        services: service's key -> fingerprints.
        silent: ports that gave no TLS answer before anything was changed, and need give none now.
    """

    folders: dict[Path, Collection[str]] = field(default_factory=dict)
    services: dict[str, Collection[str]] = field(default_factory=dict)
    silent: Collection[Port] = ()

    def add(self, dsm: Dsm, entry: Entry, fingerprints: Collection[str]) -> None:
        """Expect `fingerprints` in an entry, and wherever its services serve them."""
        self.folders[dsm.real(f"{ARCHIVE}/{entry.id}")] = fingerprints
        for service in entry.services:
            if not service.is_quickconnect:
                self.folders[dsm.real(service.copy_folder)] = fingerprints
                self.services[service.key] = fingerprints


def fingerprints_in(folder: Path) -> list[str]:
    """Return the fingerprints of the leaves that a folder serves."""
    return [leaf.fingerprint for leaf in leaves(folder)]


def served_at(port: Port, own_name: str) -> str | None:
    """Return the fingerprint served at a port, asked for by its host name or the NAS's; None if silent."""
    return served_fingerprint(port.number, port.name or own_name)


def stale_copies(expected: Expectation) -> list[str]:
    """Return the folders that hold another leaf than expected; one that there is not serves nothing."""
    return [
        str(folder)
        for folder, good in expected.folders.items()
        if folder.is_dir() and not set(fingerprints_in(folder)) & set(good)
    ]


def stale_ports(ports: Iterable[Port], expected: Expectation, own_name: str) -> list[str]:
    """Return the ports that serve another leaf than expected, or none though they should."""
    stale = []
    for port in ports:
        if port.service in expected.services:
            served = served_at(port, own_name)
            is_silent = served is None and port in expected.silent
            if served not in expected.services[port.service] and not is_silent:
                stale.append(f"port {port}")
    return stale


def silent_ports(ports: Iterable[Port], own_name: str) -> list[Port]:
    """Return the ports without a TLS answer, as of a rule that is switched off; never DSM's own page."""
    return [port for port in ports if port.name is not None and served_at(port, own_name) is None]


def what_is_stale(ports: Collection[Port], expected: Expectation, own_name: str) -> list[str]:
    """Return every copy and port that serves another leaf than expected; no answer is no other leaf."""
    expected.silent = ports
    return stale_copies(expected) + stale_ports(ports, expected, own_name)


def prove_served(
    dsm: Dsm, expected: Expectation, own_name: str, say: Callable[[str], None], reload: bool = False
) -> str:
    """Prove that every copy and port serves what is expected; where a port does not, reload nginx first.

    Args:
        dsm: the NAS.
        expected: which leaves are good where.
        own_name: host name to ask DSM's own page for.
        say: is told each step.
        reload: reload once in any case, as for what cannot be probed.

    Returns:
        What was proven, for a person.

    Raises:
        DsmError: another leaf is served somewhere, or nginx could not be reloaded.
    """
    copies = stale_copies(expected)
    if copies:
        raise DsmError("these copies hold another certificate: {}".format(", ".join(copies)))
    ports = read_ports(dsm)
    stale = stale_ports(ports, expected, own_name)
    reloaded = ""
    for _ in range(_RELOADS):
        if not stale and not reload:
            break
        if stale:
            say("nginx serves another leaf at {}: reloading it".format(", ".join(stale)))
        dsm.reload_nginx()
        reload, reloaded = False, ", after a reload of nginx"
        for _ in range(PROBE_TRIES):
            time.sleep(PROBE_PAUSE_SECONDS)
            stale = stale_ports(ports, expected, own_name)
            if not stale:
                break
    if stale:
        raise DsmError("nginx was reloaded, and serves another leaf at {}".format(", ".join(stale)))
    probed = [str(port) for port in ports if port.service in expected.services]
    return "served at {}{}".format(", ".join(probed) or "no port of nginx", reloaded)
