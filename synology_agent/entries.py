"""DSM's certificate entries and the services bound to them, and which entry is ours."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Iterable, Sequence

from .certificates import X509, covers
from .config import WantedCertificate
from .dsm import Dsm
from .errors import ConfigError, DsmError
from .pair import leaves

ARCHIVE = "/usr/syno/etc/certificate/_archive"

_QUICKCONNECT = "system/quickconnect"
_QUICKCONNECT_DESCRIPTION = "Synology QuickConnect Certificate"
_NAMED = {"ReverseProxy", "AppPortal", "WebStation"}
_ID = re.compile(r"[A-Za-z0-9]{6}")


@dataclass(frozen=True)
class Service:
    """A service that has a copy of a certificate.

    Attributes:
        key: subscriber and service, as `system/default` or `ReverseProxy/<uuid>`.
        is_package: its copy is below /usr/local/etc.
        display_name: as Control Panel shows it, in one line.
        is_settable: it may be bound; a missing `user_setable` means that it may (FTPS has none).
        fields: the whole object as DSM lists it, which binding has to send.
    """

    key: str
    is_package: bool
    display_name: str
    is_settable: bool
    fields: dict[str, Any] = field(repr=False, compare=False)

    @property
    def subscriber(self) -> str:
        """The part of `key` before the slash; a package's name where `is_package`."""
        return self.key.partition("/")[0]

    @property
    def has_host(self) -> bool:
        """Tell whether nginx may serve it at a host name of its own; all else is reached by the NAS's."""
        return self.subscriber in _NAMED

    @property
    def is_quickconnect(self) -> bool:
        """Tell whether it is QuickConnect's own, which keeps its certificate."""
        return self.key == _QUICKCONNECT

    @property
    def copy_folder(self) -> str:
        """The folder of its copy, as a path on the NAS."""
        base = "/usr/local/etc/certificate" if self.is_package else "/usr/syno/etc/certificate"
        return f"{base}/{self.key}"

    def __str__(self) -> str:
        """Name it for a person."""
        return self.display_name or self.key


@dataclass(frozen=True)
class Entry:
    """One of DSM's certificate entries.

    Attributes:
        id: six random characters, the name of its folder in the archive.
        description: may be empty.
        is_default: it serves what is bound to no other.
        services: what is bound to it.
        leaf: its certificate, or None where there is none to be read.
    """

    id: str
    description: str
    is_default: bool
    services: tuple[Service, ...]
    leaf: X509 | None = field(repr=False, compare=False, default=None)

    @property
    def is_quickconnect(self) -> bool:
        """Tell whether it is QuickConnect's own, which is never touched."""
        return self.description == _QUICKCONNECT_DESCRIPTION or any(
            service.is_quickconnect for service in self.services
        )

    def __str__(self) -> str:
        """Name it for a person."""
        return f"{self.id} ({self.description!r})"


def read_service(fields: dict[str, Any]) -> Service:
    """Read a service as the API or INFO lists it; keys that are not known stay in `fields`."""
    key = "{}/{}".format(fields["subscriber"], fields["service"])
    return Service(
        key=key,
        is_package=bool(fields.get("isPkg")),
        display_name=" ".join(str(fields.get("display_name", "")).split()),
        is_settable=key != _QUICKCONNECT and fields.get("user_setable", True) is not False,
        fields=fields,
    )


def read_entry(dsm: Dsm, entry_id: str, fields: dict[str, Any], is_default: bool) -> Entry:
    """Read an entry as the API or INFO lists it, with its leaf from the archive."""
    found = leaves(dsm.real(f"{ARCHIVE}/{entry_id}"))
    return Entry(
        id=entry_id,
        description=str(fields.get("desc", "")),
        is_default=is_default,
        services=tuple(read_service(service) for service in fields.get("services", ())),
        leaf=found[0] if found else None,
    )


def description_of(wanted: WantedCertificate) -> str:
    """Return the description that an entry of ours gets when it is created: never the id of one that went."""
    return wanted.name if _ID.fullmatch(wanted.entry) else wanted.entry


def find_entry(entries: Sequence[Entry], wanted: WantedCertificate, known_id: str) -> Entry | None:
    """Return the entry of `wanted`, or None where one is to be created.

    By the configured id, else by description, else the one that was ours before, as long as its names are
    still covered by ours.

    Args:
        entries: DSM's entries.
        wanted: what is configured.
        known_id: id of the entry that the last install used, or an empty text.

    Raises:
        ConfigError: it is QuickConnect's, or several have the description and none of them was ours.
    """
    by_id = _only_ours([one for one in entries if one.id == wanted.entry], wanted)
    if by_id:
        return by_id[0]
    described = _only_ours([one for one in entries if one.description == wanted.entry], wanted)
    if not described:  # one that was created in place of an id that went
        created = [one for one in entries if one.description == description_of(wanted)]
        described = [one for one in created if _is_covered(one, wanted)]
    ours = [
        one for one in entries if one.id == known_id and not one.is_quickconnect and _is_covered(one, wanted)
    ]
    if len(described) > 1:
        likely = [one for one in described if one in ours]
        likely = likely or [one for one in described if _is_covered(one, wanted)]
        if len(likely) == 1:
            return likely[0]
        raise ConfigError(
            "entry is {!r}, and DSM has several certificates of that description: {}. Put the id of the "
            "right one into the config in its place, or rename the others in Control Panel > Security > "
            "Certificate".format(wanted.entry, ", ".join(map(str, described)))
        )
    found = described or ours
    return found[0] if found else None


def owners(entries: Iterable[Entry]) -> dict[str, str]:
    """Return the id of the entry that each service is bound to, by the service's key."""
    return {service.key: entry.id for entry in entries for service in entry.services}


def entry_of(entries: Iterable[Entry], entry_id: str) -> Entry:
    """Return the entry with this id.

    Raises:
        DsmError: there is none.
    """
    for entry in entries:
        if entry.id == entry_id:
            return entry
    raise DsmError(f"DSM has no certificate entry {entry_id} (any more)")


def find_service(dsm: Dsm, entries: Iterable[Entry], key: str) -> Service:
    """Return the service with this key, bound or not, as DSM lists it.

    Raises:
        DsmError: DSM does not know it.
    """
    for service in [*(one for entry in entries for one in entry.services), *all_services(dsm)]:
        if service.key == key:
            return service
    raise DsmError(f"DSM has no service {key} (any more)")


def all_services(dsm: Dsm) -> list[Service]:
    """Return every service of _archive/SERVICES, bound or not: an array, or an object of arrays (unsure)."""
    try:
        listed = json.loads(dsm.real(f"{ARCHIVE}/SERVICES").read_text(encoding="utf-8"))
        groups = listed.values() if isinstance(listed, dict) else [listed]
        return [read_service(fields) for group in groups for fields in group]
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return []


def _only_ours(found: list[Entry], wanted: WantedCertificate) -> list[Entry]:
    for entry in found:
        if entry.is_quickconnect:
            raise ConfigError(
                f"entry is {wanted.entry!r}, which is QuickConnect's own certificate and is never touched: "
                "choose another"
            )
    return found


def _is_covered(entry: Entry, wanted: WantedCertificate) -> bool:
    return entry.leaf is not None and all(covers(wanted.names, name) for name in entry.leaf.names)
