"""The way of DSM 7: its local web API replaces an entry in place, writes the copies and reloads."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

from .dsm import Dsm
from .entries import Entry, Service, read_entry
from .errors import DsmError
from .pair import Pair

_CRT = "SYNO.Core.Certificate.CRT"


class WebApiInstaller:
    """`synowebapi`, which does what Control Panel does."""

    way = "DSM's web API"

    def __init__(self, dsm: Dsm) -> None:
        """Work on this NAS."""
        self._dsm = dsm

    def entries(self) -> list[Entry]:
        """Return the entries with their services: their union is the enumeration (there is no Service get).

        Raises:
            DsmError: DSM refused, or answered in an unknown shape.
        """
        listed = self._dsm.web_api(_CRT, "list", 1)
        with _known_shape(_CRT):
            return [
                read_entry(self._dsm, item["id"], item, item.get("is_default") is True)
                for item in listed["certificates"]
            ]

    def create(self, description: str, pair: Pair) -> None:
        """Import without an id: a new entry that serves nothing until bound."""
        self._import(pair, desc=description)

    def replace(self, entry: Entry, pair: Pair) -> None:
        """Import with the entry's id: its services keep it, and DSM writes their copies."""
        self._import(pair, id=entry.id, desc=entry.description)

    def bind(self, service: Service, old_id: str, new_id: str) -> None:
        """Move one service; a stale `old_id` would clear its binding (measured), so it has to be fresh."""
        self._dsm.web_api(
            "SYNO.Core.Certificate.Service",
            "set",
            1,
            settings=[{"service": service.fields, "old_id": old_id, "id": new_id}],
        )

    def make_default(self, entry: Entry) -> None:
        """Make it the default; the text "true", since a bare `true` is refused (measured)."""
        self._dsm.web_api(_CRT, "set", 1, id=entry.id, desc=entry.description, as_default="true")

    def _import(self, pair: Pair, **values: str) -> None:
        # as_default is never sent here: with it DSM reassigns services in the same call (measured on 7.3).
        files = {"key_tmp": pair.private_key, "cert_tmp": pair.leaf, "inter_cert_tmp": pair.chain}
        paths = {name: self._dsm.on_nas(path) for name, path in files.items() if path is not None}
        self._dsm.web_api("SYNO.Core.Certificate", "import", 1, **paths, **values)


@contextmanager
def _known_shape(api: str) -> Iterator[None]:
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DsmError(f"DSM's {api} answered in a shape that this agent does not know: {error!r}") from None
