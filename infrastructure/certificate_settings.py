"""Settings of the certificates: what each is for, who issues it, and where its proof of control goes.

Two certificates may share names: their TXT values stand side by side in one record set, since the renewer
changes it by compare-and-swap. So an office and a home may each have a key of their own for the same
wildcard. Preview warns of it: where both have exactly the same names, the authority counts them as one
(Let's Encrypt: five a week); where one is good for some names of the other, the order in a NAS's list
decides, since on one NAS the first certificate that is good for a host name takes it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lambda_renewer.dns01 import challenge_name
from lambda_renewer.request import KEY_TYPES, is_record_name

from . import setting_values as check
from .setting_values import LONGEST_NAME, Schedule, SettingsError, path

CERTIFICATES = "certificates"
# Keys that a certificate may set for itself; the stack's setting of the same name is its default.
INHERITED = (
    *("key_type", "profile", "directory", "contact", "eab_secret", "ca_root", "preferred_chain"),
    *("lifetime_days", "schedule"),
)
FIELDS = ("domains", "zone", "challenge_delegation", *INHERITED)

_MOST_DOMAINS = 100  # Let's Encrypt's limit of identifiers a certificate
_SHORT_LIVED = "shortlived"  # Let's Encrypt's profile of six days; its others are of 45 days or more
_SHORT_LIFE_DAYS = 10  # as lambda_renewer.decide has it, which sees the certificate itself
_DELEGATION = 'an object such as {"example.com": "example-com.acme.example.net"} is wanted'


@dataclass(frozen=True)
class CertificateSettings:
    """One certificate.

    Attributes:
        name: in the stack; in the simple form the domain.
        domains: DNS names in lower case, `*.` allowed; the first one leads and names DSM's entry.
        key_type: of its private key, one of `lambda_renewer.request.KEY_TYPES`.
        profile: ACME profile.
        directory: ACME directory URL.
        contact: e-mail address for the ACME account, or None.
        eab_secret: ARN of the secret with the credentials of External Account Binding, or None.
        ca_root: PEM of the roots that verify the directory's HTTPS, or None.
        preferred_chain: common name of the topmost issuer of the chain that is wanted, or None.
        lifetime_days: for how long the authority's certificates are good, or None where the profile tells.
        delegations: domain -> name to which its `_acme-challenge` is delegated by CNAME.
        zones: names of the hosted zones that its challenge records stand in, its own first.
        schedule: when the renewer looks at it.
    """

    name: str
    domains: tuple[str, ...]
    key_type: str
    profile: str
    directory: str
    contact: str | None
    eab_secret: str | None
    ca_root: str | None
    preferred_chain: str | None
    lifetime_days: int | None
    delegations: Mapping[str, str]
    zones: tuple[str, ...]
    schedule: Schedule

    @property
    def base(self) -> str:
        """The first domain without `*.`, under which a NAS's labels stand."""
        return self.domains[0].removeprefix("*.")

    @property
    def challenges(self) -> dict[str, tuple[str, ...]]:
        """Zone name -> the TXT record names of dns-01 there (RFC 8555 section 8.4), sorted."""
        found = defaultdict(set)
        for domain in self.domains:
            name = challenge_name(domain, self.delegations)
            zone = zone_of(name, self.zones)
            assert zone is not None  # noqa: S101 - load_certificate has refused it
            found[zone].add(name)
        return {zone: tuple(sorted(names)) for zone, names in sorted(found.items())}

    @property
    def short_lived(self) -> bool:
        """Whether its lifetime is under ten days: it is looked at more often, its alarms begin earlier."""
        return _is_short_lived(self.profile, self.lifetime_days)

    def covers(self, host_name: str) -> bool:
        """Tell whether it is good for `host_name` (RFC 6125 section 6.4.3)."""
        return host_name in self.domains or f"*.{host_name.partition('.')[2]}" in self.domains


def load_certificates(value: object, defaults: Mapping[str, Any]) -> tuple[CertificateSettings, ...]:
    """Read `certificates`, name -> fields.

    Args:
        value: the setting.
        defaults: the stack's own settings, by key, for what a certificate leaves out.

    Raises:
        SettingsError: a value is missing or not allowed.
    """
    found = check.entries(CERTIFICATES, value, FIELDS)
    return tuple(
        load_certificate(
            name, about, defaults, keys={field: path(CERTIFICATES, name, field) for field in about}
        )
        for name, about in sorted(found.items())
    )


def load_certificate(
    name: str, about: Mapping[str, Any], defaults: Mapping[str, Any], *, keys: Mapping[str, str]
) -> CertificateSettings:
    """Read one certificate.

    Args:
        name: its name.
        about: its own fields.
        defaults: the stack's settings.
        keys: field -> its key in an error's text; the field's own name where it is left out.
    """
    values = {field: about.get(field, defaults.get(field)) for field in FIELDS}

    def key(field: str) -> str:
        return keys.get(field, field if field in defaults else path(CERTIFICATES, name, field))

    domains = _domains(key("domains"), values["domains"])
    profile = check.profile(key("profile"), values["profile"])
    lifetime_days = check.days(key("lifetime_days"), values["lifetime_days"])
    default_rate = "rate(6 hours)" if _is_short_lived(profile, lifetime_days) else "rate(12 hours)"
    wanted = "the name of a hosted zone, or a list of such names, is wanted"
    zones = values["zone"] or domains[0].removeprefix("*.")
    certificate = CertificateSettings(
        name=name,
        domains=domains,
        key_type=check.one_of(key("key_type"), values["key_type"], KEY_TYPES),
        profile=profile,
        directory=check.directory(key("directory"), values["directory"]),
        contact=check.mailbox(key("contact"), values["contact"]),
        eab_secret=check.secret_arn(key("eab_secret"), values["eab_secret"]),
        ca_root=check.ca_root(key("ca_root"), values["ca_root"]),
        preferred_chain=check.optional_text(key("preferred_chain"), values["preferred_chain"]),
        lifetime_days=lifetime_days,
        delegations=_delegations(key("challenge_delegation"), values["challenge_delegation"], domains),
        zones=tuple(check.domain(key("zone"), zone) for zone in check.names(key("zone"), zones, wanted)),
        schedule=check.rate(key("schedule"), values["schedule"] or default_rate),
    )
    for one in domains:
        record = challenge_name(one, certificate.delegations)
        if zone_of(record, certificate.zones) is None:
            raise SettingsError(
                key("domains"),
                one,
                f"its record {record} is outside the hosted zone {', '.join(certificate.zones)}: name the "
                f"zone that it is in, in {path(CERTIFICATES, name, 'zone')}",
            )
        if len(record) > LONGEST_NAME:
            raise SettingsError(key("domains"), one, f"{record} under it is longer than {LONGEST_NAME}")
    return certificate


def zone_of(name: str, zones: Iterable[str]) -> str | None:
    """Return the longest of `zones` that holds `name`, on a label boundary, or None."""
    holding = [zone for zone in zones if f".{name}".endswith(f".{zone}")]
    return max(holding, key=len, default=None)


def _is_short_lived(profile: str, lifetime_days: int | None) -> bool:
    return profile == _SHORT_LIVED if lifetime_days is None else lifetime_days < _SHORT_LIFE_DAYS


def _domains(key: str, value: object) -> tuple[str, ...]:
    allowed = (
        f"a list of 1 to {_MOST_DOMAINS} domain names, such as [example.com, '*.example.com'], is wanted"
    )
    domains = check.names(key, value, allowed)
    if not 0 < len(domains) <= _MOST_DOMAINS:
        raise SettingsError(key, value, allowed)
    for one in domains:
        check.domain(key, one, wildcard=True)
        if f"*.{one.partition('.')[2]}" in domains and not one.startswith("*."):
            raise SettingsError(
                key,
                one,
                "the wildcard beside it is good for it already, and authorities refuse both together",
            )
    return domains


def _delegations(key: str, value: object, domains: tuple[str, ...]) -> dict[str, str]:
    delegations = check.mapping(key, value, _DELEGATION)
    for domain, target in delegations.items():
        if domain not in {one.removeprefix("*.") for one in domains}:
            raise SettingsError(key, domain, "it is none of the certificate's domains, written without *.")
        if not is_record_name(target):
            raise SettingsError(key, target, _DELEGATION)
    return dict(sorted(delegations.items()))
