"""Packages that the simulated NAS can have, each with the way in which it keeps its certificate.

Field cases: a virtual host whose display name has line breaks, a portal that INFO does not list, OpenVPN with
copies under other names, and a directory server that serves the old one until it is restarted.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from local_cloud.dsm.tree import DsmTree, Json, Pair, write_file

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
"""Likely: public tools name the folder's end and its four files."""


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
    """Let the package read its certificate anew, and run."""
    tree.log("systemctl.log", f"restart {package}")
    write_file(_folder(tree, package) / "running", b"")
    remember_served(tree, package)


def remember_served(tree: DsmTree, package: str) -> None:
    """Remember what a package has read at its start: the copy of its first service."""
    for service in LISTED.get(package, ())[:1]:
        certificate = tree.copy_folder(service) / "cert.pem"
        if certificate.exists():
            digest = hashlib.sha256(certificate.read_bytes()).hexdigest()
            write_file(_folder(tree, package) / "served", digest.encode())


def serves(tree: DsmTree, package: str, leaf: bytes) -> bool:
    """Tell whether the package has read `leaf` (PEM) at its last start."""
    served = _folder(tree, package) / "served"
    return served.exists() and served.read_text() == hashlib.sha256(leaf).hexdigest()


def write_own_copies(tree: DsmTree, package: str, pair: Pair) -> None:
    """Write the copies that DSM does not know of."""
    if package == "WebStation":
        for name, content in pair.files().items():
            write_file(tree.copy_folder(PORTAL) / name, content, mode=0o400)
    if package == "VPNCenter":
        files = {
            "server.crt": pair.leaf,
            "server.key": pair.key,
            "ca_bundle.crt": pair.chain,
            "ca.crt": pair.chain,
        }
        for name, content in files.items():
            write_file(tree.path(OPENVPN_KEYS) / name, content, mode=0o400)


def _folder(tree: DsmTree, package: str) -> Path:
    return tree.path(f"/var/packages/{package}")
