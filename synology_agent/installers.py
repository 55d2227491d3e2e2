"""The ways to change a certificate in DSM, which one a NAS offers, and what DSM has now."""

from __future__ import annotations

from typing import Protocol

from .dsm import Dsm, has_certificate_api
from .entries import Entry, Service
from .pair import Pair
from .ports import Port, read_ports


class Installer(Protocol):
    """A way to change a certificate in DSM; none is believed: who calls reads back."""

    way: str

    def entries(self) -> list[Entry]:
        """Return DSM's certificate entries."""

    def create(self, description: str, pair: Pair) -> None:
        """Make an entry that serves nothing yet."""

    def replace(self, entry: Entry, pair: Pair) -> None:
        """Replace the entry's certificate, in the copies of its services too."""

    def bind(self, service: Service, old_id: str, new_id: str) -> None:
        """Move a service to another entry, and give it its copy."""

    def make_default(self, entry: Entry) -> None:
        """Let it serve whatever is bound to no other."""


def choose_installer(dsm: Dsm) -> Installer:
    """Return the way that this NAS offers: its local web API, which is DSM 7's, or else files."""
    # Each is imported where it is used: a run compiles what it imports; Python keeps no byte code of a zip.
    if has_certificate_api(dsm):
        from .web_api_installer import WebApiInstaller  # noqa: PLC0415

        return WebApiInstaller(dsm)
    from .files_installer import FilesInstaller  # noqa: PLC0415

    return FilesInstaller(dsm)


class Listing:
    """DSM's entries and ports, asked for once for all certificates: each answer is a program's start."""

    def __init__(self, dsm: Dsm) -> None:
        """Ask this NAS, when it is needed."""
        self._dsm = dsm
        self._entries: list[Entry] | None = None
        self._ports: list[Port] | None = None

    def entries(self) -> list[Entry]:
        """Return DSM's entries.

        Raises:
            DsmError: DSM refused, or answered in an unknown shape.
        """
        if self._entries is None:
            self._entries = choose_installer(self._dsm).entries()
        return self._entries

    def ports(self) -> list[Port]:
        """Return the ports that DSM serves certificates at.

        Raises:
            DsmError: DSM does not tell, or in an unknown shape.
        """
        if self._ports is None:
            self._ports = read_ports(self._dsm)
        return self._ports

    def forget(self) -> None:
        """Ask anew: something may have been changed."""
        self._entries = self._ports = None
