"""The stack's settings: read once, checked field by field, before anything is created.

Two forms: `domain` and `nas_address` for one certificate and one NAS; `certificates` and `nas`, objects by
name, for more. Every other setting is a default for all certificates or NASes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import setting_values as check
from .certificate_settings import (
    CERTIFICATES,
    INHERITED,
    CertificateSettings,
    load_certificate,
    load_certificates,
)
from .nas_settings import NAS, NasSettings, load_nas, load_nases
from .setting_values import SettingsError
from .zone_settings import ZONES, ZoneSettings, load_zones

__all__ = ["Settings", "SettingsError", "load_settings"]

ARCHITECTURES = ("arm64", "x86_64")
# An alarm on what a NAS serves needs a day to be sure, and begins at 0.3 of the lifetime: at 3.3 days.
_LEAST_WATCHED_DAYS = 4

Get = Callable[[str], str | None]


@dataclass(frozen=True)
class Settings:
    """The stack's settings.

    Attributes:
        certificates: by name, sorted.
        nases: by name, sorted.
        zones: the hosted zones that have settings, by name.
        architecture: the Lambda's.
        alarm_email: who is told, or None for no alarms.
        dashboard: whether there is one.
        budget_usd: the sum a month above which AWS mails, as text with two decimals, or None.
    """

    certificates: tuple[CertificateSettings, ...]
    nases: tuple[NasSettings, ...]
    zones: Mapping[str, ZoneSettings]
    architecture: str
    alarm_email: str | None
    dashboard: bool
    budget_usd: str | None

    @property
    def zone_names(self) -> tuple[str, ...]:
        """The hosted zones that the certificates need, sorted."""
        return tuple(sorted({zone for one in self.certificates for zone in one.zones}))

    @property
    def challenges(self) -> dict[str, tuple[str, ...]]:
        """Zone name -> the TXT record names that the renewer changes there, both sorted."""
        found: dict[str, set[str]] = {}
        for certificate in self.certificates:
            for zone, names in certificate.challenges.items():
                found.setdefault(zone, set()).update(names)
        return {zone: tuple(sorted(names)) for zone, names in sorted(found.items())}

    def warnings(self) -> list[str]:
        """Return what is allowed and yet likely a mistake, a line each."""
        return [*self._nas_warnings(), *self._certificate_warnings()]

    def _nas_warnings(self) -> list[str]:
        found = []
        for nas in self.nases:
            found += [
                f"{NAS} {nas.name}: {address} is a public address, and the records publish it; a NAS that is "
                "not opened to the Internet has a private one, such as 192.168.0.10"
                for address in nas.addresses
                if address.is_global
            ]
            found += [
                f"{NAS} {nas.name}: the profile {one.profile} of the certificate {one.name} may give no "
                "common name, and DSM wants one; classic gives it"
                for one in nas.certificates
                if one.profile != "classic"
            ]
        return found

    def _certificate_warnings(self) -> list[str]:
        found = []
        installed = {one.name for nas in self.nases for one in nas.certificates}
        for one in self.certificates:
            if one.name not in installed:
                found.append(f"{CERTIFICATES} {one.name}: no NAS installs it")
            if one.lifetime_days is not None and one.lifetime_days < _LEAST_WATCHED_DAYS:
                found.append(
                    f"{CERTIFICATES} {one.name}: in a lifetime of {one.lifetime_days} days no alarm is sure "
                    "to come before its end; look after it another way, or let it live longer"
                )
        return found + self._shared_names()

    def _shared_names(self) -> list[str]:
        """Return a line for each certificate that shares names with one before it."""
        found = []
        same: dict[tuple[str, frozenset[str]], str] = {}
        by_domain: dict[str, str] = {}
        # What a wildcard stands under -> a name that it is good for, and that name's certificate.
        by_parent: dict[str, tuple[str, str]] = {}
        for one in self.certificates:
            twin = same.setdefault((one.directory, frozenset(one.domains)), one.name)
            if twin != one.name:
                found.append(
                    f"{CERTIFICATES} {one.name}: it has the same names as {twin}, and the authority counts "
                    "them as one against its limits (Let's Encrypt: five a week)"
                )
                continue
            shared = _first_shared(one.domains, by_domain, by_parent)
            if shared is not None:
                domain, other = shared
                found.append(
                    f"{CERTIFICATES} {one.name}: {other} is good for {domain} too; on a NAS that has both, "
                    "the first in its list takes the name"
                )
            for domain in one.domains:
                by_domain.setdefault(domain, one.name)
                by_parent.setdefault(domain.partition(".")[2], (domain, one.name))
        return found


def load_settings(get: Get) -> Settings:
    """Read the settings.

    Args:
        get: gives a key's value as Pulumi keeps it, text or JSON, or None; `pulumi.Config().get`.

    Raises:
        SettingsError: a value is missing or not allowed.
    """
    _terms_agreed(get("terms_agreed"))
    certificates = _certificates(get)
    return Settings(
        certificates=certificates,
        nases=_nases(get, certificates),
        zones=_zones(get, certificates),
        architecture=check.one_of("architecture", get("architecture"), ARCHITECTURES),
        alarm_email=check.mailbox("alarm_email", get("alarm_email")),
        dashboard=check.true_or_false("dashboard", get("dashboard")),
        budget_usd=_budget(get),
    )


def _first_shared(
    domains: tuple[str, ...], by_domain: Mapping[str, str], by_parent: Mapping[str, tuple[str, str]]
) -> tuple[str, str] | None:
    """Return the first name that an earlier certificate is good for too, and that certificate's name."""
    for domain in domains:
        host, _, parent = domain.partition(".")
        if other := by_domain.get(domain) or by_domain.get(f"*.{parent}"):
            return domain, other
        if host == "*" and parent in by_parent:
            return by_parent[parent]
    return None


def _certificates(get: Get) -> tuple[CertificateSettings, ...]:
    defaults: dict[str, Any] = {key: get(key) for key in INHERITED}
    several, domain = check.from_json(get(CERTIFICATES)), get("domain") or None
    if not several:
        check.domain("domain", domain)
        about = {"domains": [domain, f"*.{domain}"]}
        return (load_certificate(str(domain), about, defaults, keys={"domains": "domain"}),)
    certificates = load_certificates(several, defaults)
    if domain is not None:
        raise SettingsError(
            CERTIFICATES, list(several), f"domain ({domain}) is set too: take one of them away"
        )
    return certificates


def _nases(get: Get, certificates: tuple[CertificateSettings, ...]) -> tuple[NasSettings, ...]:
    several, address = check.from_json(get(NAS)), get("nas_address") or None
    services, source_ips = check.from_json(get("services")), check.from_json(get("source_ips"))
    if not several:
        name = check.label("nas_name", check.text("nas_name", get("nas_name")))
        keys = {
            "address": "nas_address",
            "host": "nas_name",
            "services": "services",
            "source_ips": "source_ips",
        }
        about = {
            "address": address,
            "services": services,
            "source_ips": source_ips,
            "certificates": [one.name for one in certificates],
        }
        return (load_nas(name, about, certificates, keys=keys),)
    nases = load_nases(several, certificates, source_ips)
    if address is not None:
        raise SettingsError(NAS, list(several), f"nas_address ({address}) is set too: take one of them away")
    if services:
        raise SettingsError("services", services, f"{NAS} is set too: give each NAS there its own services")
    return nases


def _zones(get: Get, certificates: tuple[CertificateSettings, ...]) -> dict[str, ZoneSettings]:
    zones = load_zones(check.from_json(get(ZONES)))
    for name in zones.keys() - {zone for one in certificates for zone in one.zones}:
        raise SettingsError(ZONES, name, "no certificate is in this zone")
    return zones


def _budget(get: Get) -> str | None:
    budget = check.amount("budget_usd", get("budget_usd"))
    if budget is not None and not get("alarm_email"):
        raise SettingsError("budget_usd", budget, "nobody would be told: set alarm_email too")
    return budget


def _terms_agreed(value: str | None) -> None:
    if value != "true":
        raise SettingsError(
            "terms_agreed",
            value,
            "no certificate is issued before you accept the terms of service of the certificate authority; "
            "those of Let's Encrypt are at https://letsencrypt.org/repository/. Read them, then say true",
        )
