"""The install as a transaction: replace the entry, prove every copy and port, or put the old pair back."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Callable, NamedTuple

from .document import Certificate, leaf_fingerprint
from .dsm import QUICKCONNECT, Dsm, Entry, Service
from .errors import AgentError, DsmError, InstallFailed, RollbackFailed
from .files import private_folder, write_private
from .tls import served_fingerprint

# nginx takes a moment to start its new workers after a reload.
_PROBE_TRIES = 20
_PROBE_PAUSE_SECONDS = 0.5


class Pair(NamedTuple):
    """The files of a certificate, staged where DSM's commands can read them.

    Attributes:
        leaf: PEM file.
        chain: PEM file of the intermediates, or None for a self-signed leaf.
        full_chain: PEM file, leaf first.
        private_key: PEM file.
        fingerprint: SHA-256 of the leaf.
    """

    leaf: Path
    chain: Path | None
    full_chain: Path
    private_key: Path
    fingerprint: str


def stage(certificate: Certificate, folder: Path) -> Pair:
    """Write the certificate's files into `folder`, 0600 in 0700."""
    private_folder(folder)
    files = {
        "cert.pem": certificate.leaf,
        "chain.pem": certificate.chain,
        "fullchain.pem": certificate.leaf + certificate.chain,
        "privkey.pem": certificate.private_key,
    }
    for name, text in files.items():
        write_private(folder / name, text.encode())
    return _pair(folder)


def install(
    dsm: Dsm, entry: Entry, new: Pair, own_name: str, backup: Path, say: Callable[[str], None]
) -> str:
    """Replace the entry's certificate with `new`, and prove it served; otherwise put the old pair back.

    Args:
        dsm: the NAS.
        entry: the entry to replace in place.
        new: the staged, rehearsed certificate.
        own_name: host name to ask DSM's page for.
        backup: folder for the old pair; it is kept while an install is unfinished, and an older one in it is
            that of an install that was interrupted, so it stays.
        say: is told each step.

    Returns:
        What was proven, for a person.

    Raises:
        InstallFailed: the old certificate is back, and proven.
        RollbackFailed: neither could be proven.
    """
    old = _keep_old(dsm, entry, backup)
    try:
        proven = _replace(dsm, entry, new, own_name, say)
    except (DsmError, OSError) as error:
        say(f"undoing: {error}")
        try:
            restored = _put_back(dsm, entry, old, own_name, say)
        except (AgentError, OSError) as second:
            raise RollbackFailed(
                f"the new certificate was not served ({error}), and the old one could not be put back "
                f"({second}). Look at Control Panel, Security, Certificate now; the old files are in {backup}"
            ) from None
        _drop(backup)
        raise InstallFailed(
            f"the new certificate was not served: {error}. The old one is back: {restored}. "
            "The next run tries again; if it fails too, run with --verbose"
        ) from None
    _drop(backup)
    return proven


def not_served(dsm: Dsm, entry: Entry, wanted: str, own_name: str) -> list[str]:
    """Return where another leaf than `wanted` (SHA-256) stands, copies before ports; empty if nowhere."""
    return _stale_copies(dsm, entry, wanted) or _stale_ports(dsm, entry, wanted, own_name)


def _replace(dsm: Dsm, entry: Entry, pair: Pair, own_name: str, say: Callable[[str], None]) -> str:
    """Import the pair, read every copy back, probe every port; reload nginx where it serves the old leaf."""
    say(f"importing into entry {entry.id} through DSM's web API")
    dsm.import_into(entry, pair.leaf, pair.chain, pair.private_key)
    stale = _stale_copies(dsm, entry, pair.fingerprint)
    if stale:
        raise DsmError("DSM said success, and these copies did not change: {}".format(", ".join(stale)))
    reloaded = ""
    if _stale_ports(dsm, entry, pair.fingerprint, own_name):
        say("nginx serves the old leaf still: reloading it")
        dsm.reload_nginx()
        reloaded = ", after a reload of nginx"
        for _ in range(_PROBE_TRIES):
            if not _stale_ports(dsm, entry, pair.fingerprint, own_name):
                break
            time.sleep(_PROBE_PAUSE_SECONDS)
        else:
            stale = _stale_ports(dsm, entry, pair.fingerprint, own_name)
            raise DsmError("nginx was reloaded, and serves another leaf at {}".format(", ".join(stale)))
    copies = len(_own_services(entry))
    ports = [f"{port.number} for {port.name}" for port in dsm.ports(entry.services, own_name)]
    return "{} copies, served at {}{}".format(copies, ", ".join(ports) or "no port of nginx", reloaded)


def _put_back(dsm: Dsm, entry: Entry, old: Pair, own_name: str, say: Callable[[str], None]) -> str:
    try:
        return _replace(dsm, entry, old, own_name, say)
    except DsmError:
        # Where DSM refuses every import it refused the new pair, too: then the old one never went.
        if not_served(dsm, entry, old.fingerprint, own_name):
            raise
        return "nothing was changed"


def _stale_copies(dsm: Dsm, entry: Entry, wanted: str) -> list[str]:
    folders = [("the archive", dsm.archive_folder(entry.id))]
    for service in _own_services(entry):
        folders.append((service.display_name or service.copy_folder, dsm.copy_folder(service)))
    return [what for what, folder in folders if dsm.leaf_fingerprint(folder) != wanted]


def _stale_ports(dsm: Dsm, entry: Entry, wanted: str, own_name: str) -> list[str]:
    return [
        f"port {port.number} for {port.name}"
        for port in dsm.ports(entry.services, own_name)
        if served_fingerprint(port.number, port.name) != wanted
    ]


def _own_services(entry: Entry) -> list[Service]:
    return [service for service in entry.services if (service.subscriber, service.service) != QUICKCONNECT]


def _keep_old(dsm: Dsm, entry: Entry, backup: Path) -> Pair:
    complete = backup / "complete"
    if not complete.exists() or complete.read_bytes() != entry.id.encode():
        _drop(backup)
        private_folder(backup)
        for name in ("cert.pem", "chain.pem", "fullchain.pem", "privkey.pem"):
            source = dsm.archive_folder(entry.id) / name
            if source.exists():
                write_private(backup / name, source.read_bytes())
        write_private(complete, entry.id.encode())
    return _pair(backup)


def _drop(backup: Path) -> None:
    """Remove the backup, its mark first: killed in the middle, what is left is no backup for the next run."""
    if (backup / "complete").exists():
        (backup / "complete").unlink()
    shutil.rmtree(str(backup), ignore_errors=True)


def _pair(folder: Path) -> Pair:
    chain = folder / "chain.pem"
    return Pair(
        leaf=folder / "cert.pem",
        chain=chain if chain.exists() and chain.stat().st_size else None,
        full_chain=folder / "fullchain.pem",
        private_key=folder / "privkey.pem",
        fingerprint=leaf_fingerprint(folder / "cert.pem"),
    )
