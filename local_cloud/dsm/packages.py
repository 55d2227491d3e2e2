"""Packages that the simulated NAS can have, each with the way in which it keeps its certificate.

Field cases: a virtual host whose display name has line breaks, a portal that INFO does not list, OpenVPN with
copies under other names, and a directory server that serves the old one until it is restarted.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from local_cloud.dsm.tree import DsmTree, DualPair, Json, Pair, leaf_file, write_file

VIRTUAL_HOST: Json = {
    "display_name": "site:80\n/443\n",
    "isPkg": True,
    "multiple_cert": True,
    "owner": "root",
    "service": "vhost_1a969efd-5fc8-4f48-a4c8-662b43a8489e",
    "subscriber": "WebStation",
}
PORTAL: Json = {
    "display_name": "portal",
    "isPkg": True,
    "owner": "root",
    "service": "6c1f3a52-8a55-4a5c-9d2e-0b6f3f1f8a11",
    "subscriber": "WebStation",
}
"""Has a copy on disk and is missing in INFO."""
OPENVPN: Json = {
    "display_name": "OpenVPN",
    "isPkg": True,
    "owner": "VPNCenter",
    "service": "OpenVPN",
    "subscriber": "VPNCenter",
}
LDAP: Json = {
    "display_name": "LDAP Server",
    "isPkg": True,
    "owner": "DirectoryServer",
    "service": "slapd",
    "subscriber": "DirectoryServer",
}
LISTED = {"WebStation": [VIRTUAL_HOST], "VPNCenter": [OPENVPN], "DirectoryServer": [LDAP]}
"""Package -> its services in INFO."""

OPENVPN_KEYS = "/usr/syno/etc/packages/VPNCenter/openvpn/keys"
"""Two public tools name it. That DSM's own hook leaves it as it is, is the harder reading."""


def install_package(tree: DsmTree, package: str, *, running: bool = True) -> None:
    """Lay out a package: `/var/packages/<Package>`, which has `running` while it runs."""
    write_file(_folder(tree, package) / "INFO", f'package="{package}"\n'.encode())
    if running:
        write_file(_folder(tree, package) / "running", b"")
        remember_served(tree, package)


def is_installed(tree: DsmTree, package: str) -> bool:
    """Tell whether the NAS has the package."""
    return (_folder(tree, package) / "INFO").exists()


def is_running(tree: DsmTree, package: str) -> bool:
    """Tell whether the package runs."""
    return (_folder(tree, package) / "running").exists()


def restart(tree: DsmTree, package: str) -> None:
    """Let the package read its certificate anew, and run, also where it was stopped."""
    tree.log("systemctl.log", f"restart {package}")
    write_file(_folder(tree, package) / "running", b"")
    remember_served(tree, package)


def stop(tree: DsmTree, package: str) -> None:
    """Stop the package, as its owner does."""
    (_folder(tree, package) / "running").unlink(missing_ok=True)


def remember_served(tree: DsmTree, package: str) -> None:
    """Remember the leaf that a package reads at its start, where it reads one then."""
    leaf = _read_at_start(tree, package)
    if leaf is not None and leaf.exists():
        write_file(_folder(tree, package) / "served", _fingerprint(leaf.read_bytes()).encode())


def served_by(tree: DsmTree, package: str) -> str | None:
    """Return the fingerprint of what a package serves, read at its last start.

    It is the SHA-256 of the DER, in hex; None while the package is stopped, and for one that does not keep
    what it has read.
    """
    served = _folder(tree, package) / "served"
    return served.read_text() if is_running(tree, package) and served.exists() else None


def serves(tree: DsmTree, package: str, leaf: bytes) -> bool:
    """Tell whether the package serves `leaf` (PEM)."""
    return served_by(tree, package) == _fingerprint(leaf)


def write_own_copies(tree: DsmTree, package: str, pair: Pair | DualPair) -> None:
    """Write the copies that DSM does not know of; OpenVPN's are of one certificate, whatever DSM's are."""
    if package == "WebStation":
        for name, content in pair.files().items():
            write_file(tree.copy_folder(PORTAL) / name, content, mode=0o400)
    if package == "VPNCenter":
        single = pair if isinstance(pair, Pair) else pair.rsa
        files = {
            "server.crt": single.leaf,
            "server.key": single.key,
            "ca_bundle.crt": single.chain,
            "ca.crt": single.chain,
        }
        for name, content in files.items():
            write_file(tree.path(OPENVPN_KEYS) / name, content, mode=0o400)


def _read_at_start(tree: DsmTree, package: str) -> Path | None:
    if package == "VPNCenter":
        return tree.path(OPENVPN_KEYS) / "server.crt"
    return leaf_file(tree.copy_folder(LDAP)) if package == "DirectoryServer" else None


def _fingerprint(leaf: bytes) -> str:
    import ssl  # noqa: PLC0415  # most programs start without it

    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(leaf.decode())).hexdigest()


def _folder(tree: DsmTree, package: str) -> Path:
    return tree.path(f"/var/packages/{package}")
