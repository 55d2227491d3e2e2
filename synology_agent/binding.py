"""Which services get our certificate: read what they serve now, then decide."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Collection, Iterable, Sequence

from .certificates import X509, covers
from .config import Config, WantedCertificate
from .dsm import Dsm
from .entries import Entry, Service, all_services, owners
from .errors import ConfigError
from .installers import Listing
from .pair import leaves
from .ports import Port, host_names, read_ports
from .serving import Expectation, what_is_stale
from .state import Installed


@dataclass(frozen=True)
class Served:
    """A service and what it serves now.

    Attributes:
        service: the service.
        owner: id of the entry it is bound to, or an empty text.
        leaf: what its copy holds, or None.
        hosts: host names of its own, as a reverse proxy has; often none.
    """

    service: Service
    owner: str
    leaf: X509 | None
    hosts: Sequence[str] = ()


@dataclass(frozen=True)
class Plan:
    """What an install binds to our entry.

    Attributes:
        take: services to move to it.
        default: make it the default.
        take_unlisted: also renew the copies of what is taken that DSM does not list.
    """

    take: tuple[Service, ...] = ()
    default: bool = False
    take_unlisted: bool = False


def what_is_lost(
    dsm: Dsm, listing: Listing, entry: Entry | None, wanted: WantedCertificate, installed: Installed
) -> list[str]:
    """Return why the installed certificate has to be installed again although AWS has no newer one.

    Raises:
        DsmError: DSM does not tell its ports.
    """
    if entry is None:
        return ["its entry is gone"]
    if wanted.assign != installed.assign:
        return [f"assign is {wanted.assign!r} now"]
    expected = Expectation()
    expected.add(dsm, entry, [installed.fingerprint])
    ports = listing.ports()
    unbound = plan_later(installed.bound, _served(dsm, listing.entries(), ports)).take
    return [f"{service} is bound to nothing" for service in unbound] + what_is_stale(
        ports, expected, wanted.own_name
    )


def plan_install(
    config: Config,
    dsm: Dsm,
    entries: Sequence[Entry],
    entry: Entry | None,
    wanted: WantedCertificate,
    names: Sequence[str],
    installed: Installed,
) -> Plan:
    """Decide what an install binds: `assign` is carried out once, and again when it changes.

    Args:
        config, dsm, entries, wanted, installed: as a run has them.
        entry: of `wanted`, or None where it is to be created.
        names: DNS names of the certificate to install.

    Raises:
        ConfigError: `assign` lists what DSM does not have.
        DsmError: DSM does not tell its ports.
    """
    served = _served(dsm, entries, read_ports(dsm))
    if entry is not None and installed.entry == entry.id and installed.assign == wanted.assign:
        return plan_later(installed.bound, served)
    default = next((one for one in entries if one.is_default), None)
    others = [other for other in config.certificates if other is not wanted]
    claimed = any(other.assign in ("all", "default") for other in others)
    return plan_first(
        wanted, names, served, entry.id if entry else "", default, datetime.now(timezone.utc), claimed
    )


def _served(dsm: Dsm, entries: Sequence[Entry], ports: Sequence[Port]) -> list[Served]:
    """Return every service with what it serves."""
    owner = owners(entries)
    services = {service.key: service for service in all_services(dsm)}
    services.update({service.key: service for one in entries for service in one.services})
    return [
        Served(
            service=service,
            owner=owner.get(key, ""),
            leaf=next(iter(leaves(dsm.real(service.copy_folder))), None),
            hosts=host_names(service, ports),
        )
        for key, service in services.items()
    ]


def plan_first(
    wanted: WantedCertificate,
    names: Collection[str],
    served: Iterable[Served],
    entry_id: str,
    default: Entry | None,
    now: datetime,
    default_is_claimed: bool = False,
) -> Plan:
    """Decide what a first install takes.

    `auto` takes a service if what it serves is self-signed, expired or wholly covered by ours; one that has a
    host name only if ours covers that; the default likewise.

    Args:
        wanted: what is configured.
        names: DNS names of our certificate.
        served: every service.
        entry_id: our entry, or an empty text where it is to be created; what it serves needs no binding.
        default: the default entry, if any.
        now: aware, UTC.
        default_is_claimed: another certificate of this NAS is configured to take the default.

    Raises:
        ConfigError: `assign` lists a service that DSM does not have, or that cannot be bound.
    """
    served = list(served)
    settable = [one for one in served if one.service.is_settable and (not entry_id or one.owner != entry_id)]
    if wanted.assign == "none":
        return Plan()
    if wanted.assign == "all":
        return Plan(tuple(one.service for one in settable), default=True, take_unlisted=True)
    if wanted.assign == "default":
        page = tuple(one.service for one in settable if one.service.key == "system/default")
        return Plan(page, default=True)
    if isinstance(wanted.assign, tuple):
        listed = [_listed(text, served) for text in wanted.assign]
        return Plan(tuple(one.service for one in settable if one.service in listed))
    taken = tuple(
        one.service
        for one in settable
        if all(covers(names, host) for host in one.hosts) and is_no_better(one.leaf, names, now)
    )
    takes_default = not default_is_claimed and (default is None or is_no_better(default.leaf, names, now))
    return Plan(taken, default=takes_default, take_unlisted=takes_default)


def plan_later(bound: Collection[str], served: Iterable[Served]) -> Plan:
    """Decide what a later run takes: what we bound and DSM lost, so that it is bound to nothing now.

    What is bound to another entry the owner changed, and it stays.
    """
    return Plan(
        tuple(
            one.service
            for one in served
            if one.service.key in bound and not one.owner and one.service.is_settable
        )
    )


def is_no_better(leaf: X509 | None, names: Collection[str], now: datetime) -> bool:
    """Tell whether nobody loses anything if a certificate for `names` takes this leaf's place."""
    if leaf is None or leaf.self_signed or leaf.not_after <= now:
        return True
    return bool(leaf.names) and all(covers(names, name) for name in leaf.names)


def _listed(text: str, served: Iterable[Served]) -> Service:
    found = [
        one.service
        for one in served
        if text in (one.service.key, one.service.display_name) or text in one.hosts
    ]
    if len(found) != 1 or not found[0].is_settable:
        known = ", ".join(f"{one.service} ({one.service.key})" for one in served if one.service.is_settable)
        raise ConfigError(
            f"assign lists {text!r}, and DSM has {len(found)} such services to be bound; it has {known}"
        )
    return found[0]
