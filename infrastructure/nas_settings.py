"""Settings of the NASes: where each is, the host names that lead to it, and what it installs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import setting_values as check
from .certificate_settings import CertificateSettings
from .setting_values import LONGEST_NAME, Address, SettingsError, path

NAS = "nas"
FIELDS = ("address", "certificates", "host", "services", "source_ips")


@dataclass(frozen=True)
class NasSettings:
    """One NAS.

    Attributes:
        name: in the stack; a label, part of its user's name and of its metric namespace.
        addresses: its IPv4 and IPv6 addresses in its network; published as A and AAAA records.
        certificates: what it installs, in order.
        host_names: the full host names that lead to it, its own first.
        source_ips: networks that its key may be used from; empty for any.
    """

    name: str
    addresses: tuple[Address, ...]
    certificates: tuple[CertificateSettings, ...]
    host_names: tuple[str, ...]
    source_ips: tuple[str, ...]

    def names_of(self, certificate: CertificateSettings) -> list[str]:
        """Return the host names that `certificate` serves: those that no earlier one is good for."""
        served = []
        for host_name in self.host_names:
            first = next((one for one in self.certificates if one.covers(host_name)), None)
            if first == certificate:
                served.append(host_name)
        return served


def load_nases(
    value: object, certificates: tuple[CertificateSettings, ...], source_ips: object
) -> tuple[NasSettings, ...]:
    """Read `nas`, name -> fields.

    Raises:
        SettingsError: a value is missing or not allowed; a certificate is unknown; a host name leads to two
            NASes.
    """
    nases = tuple(
        load_nas(
            check.label(NAS, name),
            {"source_ips": source_ips} | about,
            certificates,
            keys={field: path(NAS, name, field) for field in FIELDS if field in about},
        )
        for name, about in sorted(check.entries(NAS, value, FIELDS).items())
    )
    owners: dict[str, str] = {}
    for nas in nases:
        for host_name in nas.host_names:
            if host_name in owners:
                where = path(NAS, nas.name, "services")
                raise SettingsError(where, host_name, f"it leads to the NAS {owners[host_name]} already")
            owners[host_name] = nas.name
    return nases


def load_nas(
    name: str,
    about: Mapping[str, Any],
    certificates: tuple[CertificateSettings, ...],
    *,
    keys: Mapping[str, str],
) -> NasSettings:
    """Read one NAS.

    Args:
        name: its name.
        about: its fields.
        certificates: those of the stack.
        keys: field -> its key in an error's text.
    """

    def key(field: str) -> str:
        return keys.get(field, path(NAS, name, field))

    installed = _certificates(key("certificates"), about.get("certificates"), certificates)
    base = installed[0].base
    services = [] if about.get("services") is None else about["services"]
    wanted = "a list of host names such as [navidrome] is wanted"
    if not isinstance(services, list):
        raise SettingsError(key("services"), services, wanted)
    own = check.host_name(key("host"), about.get("host", name), base)
    if "host" not in about and not installed[0].covers(own):
        own = base  # a certificate for one host alone
    hosts = [check.host_name(key("services"), service, base) for service in services]
    if len(set(hosts)) != len(hosts):
        raise SettingsError(key("services"), services, "each name may stand there once")
    if own in hosts:
        raise SettingsError(key("services"), services, "the NAS's own name stands there again")
    nas = NasSettings(
        name=name,
        addresses=_addresses(key("address"), about.get("address")),
        certificates=installed,
        host_names=(own, *hosts),
        source_ips=check.networks(key("source_ips"), about.get("source_ips")),
    )
    for host_name in nas.host_names:
        field = key("host") if host_name == own else key("services")
        if len(host_name) > LONGEST_NAME:
            raise SettingsError(field, host_name, f"it is longer than {LONGEST_NAME}")
        if not any(one.covers(host_name) for one in installed):
            names = ", ".join(domain for one in installed for domain in one.domains)
            raise SettingsError(field, host_name, f"none of its certificates is good for it ({names})")
    _refuse_same_entry(key("certificates"), installed)
    for one in installed:
        if not nas.names_of(one):
            raise SettingsError(
                key("certificates"),
                one.name,
                "no host name of this NAS needs it: add a service that it is good for, or take it away",
            )
    return nas


def _certificates(
    key: str, value: object, known: tuple[CertificateSettings, ...]
) -> tuple[CertificateSettings, ...]:
    by_name = {one.name: one for one in known}
    allowed = f"names of certificates are wanted, of {', '.join(sorted(by_name))}"
    if value is None and len(known) == 1:
        return known
    names = check.names(key, value, allowed)
    for name in names:
        if name not in by_name:
            raise SettingsError(key, name, f"there is no such certificate; {allowed}")
    if not names:
        raise SettingsError(key, value, allowed)
    return tuple(by_name[name] for name in names)


def _refuse_same_entry(key: str, installed: tuple[CertificateSettings, ...]) -> None:
    """Refuse two certificates that would be one entry in DSM: their first domain names it."""
    by_entry: dict[str, str] = {}
    for one in installed:
        other = by_entry.setdefault(one.domains[0], one.name)
        if other != one.name:
            raise SettingsError(
                key,
                one.name,
                f"its first domain {one.domains[0]} is that of {other} too, and names its entry in DSM: "
                "put another one first in one of them",
            )


def _addresses(key: str, value: object) -> tuple[Address, ...]:
    values = value if isinstance(value, list) and value else [value]
    found = tuple(check.address(key, one) for one in values)
    if len(set(found)) != len(found):
        raise SettingsError(key, value, "each address may stand there once")
    return found
