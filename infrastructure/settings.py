"""The stack's settings: read once, checked field by field, before anything is created."""

from __future__ import annotations

import ipaddress
import json
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lambda_renewer.request import KEY_TYPES, is_dns_name, is_https_url

ARCHITECTURES = ("arm64", "x86_64")

_RATE = re.compile(r"rate\(([1-9][0-9]{0,4}) (minute|hour|day)(s?)\)")  # 7 days are 10080 minutes
_UNIT_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
_MAILBOX = re.compile("X+@X+[.]X+".replace("X", r"[^@:,?\x00-\x20\x7f-\U0010ffff]"))  # ASCII: RFC 6068
_THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")  # RFC 6890 section 2.2.2
_LONGEST_NAME = 253  # RFC 1035 section 2.3.4, as text
_LONGEST_RATE = timedelta(days=7)  # a missed run must not cost more of a certificate's life
_LONGEST_WINDOW = timedelta(minutes=1440)  # EventBridge Scheduler, FlexibleTimeWindow


class SettingsError(ValueError):
    """A setting is missing or not allowed; the text names its key, its value and what is allowed."""

    def __init__(self, key: str, value: object, allowed: str) -> None:
        """Name the `key`, the `value` found and what is `allowed`."""
        super().__init__(
            f"synology-https:{key} is {json.dumps(value)}: {allowed}. "
            f"Set it with `pulumi config set {key} …`, or in the stack's Pulumi.<stack>.yaml."
        )


@dataclass(frozen=True)
class Schedule:
    """How often the renewer runs.

    Attributes:
        expression: as EventBridge Scheduler takes it, `rate(12 hours)`.
        interval: time between two runs.
        window: how much later than planned a run may start; at most half of the interval, whole minutes.
    """

    expression: str
    interval: timedelta
    window: timedelta


@dataclass(frozen=True)
class Settings:
    """The stack's settings.

    Attributes:
        domain: the hosted zone's name; the certificate is for it and its wildcard.
        nas_name: host name of the NAS under the domain.
        nas_address: its IPv4 address.
        services: further host names under the domain that lead to it.
        terms_agreed: the authority's terms of service were accepted.
        contact: e-mail address for the ACME account, or None.
        key_type: of the certificate.
        profile: ACME profile.
        directory: ACME directory URL.
        ca_root: PEM of the roots that verify the directory's HTTPS, or None.
        schedule: when the renewer runs.
        architecture: the Lambda's.
    """

    domain: str
    nas_name: str
    nas_address: str
    services: tuple[str, ...]
    terms_agreed: bool
    contact: str | None
    key_type: str
    profile: str
    directory: str
    ca_root: str | None
    schedule: Schedule
    architecture: str

    @property
    def certificate_domains(self) -> tuple[str, str]:
        """The names in the certificate: the domain and its wildcard."""
        return self.domain, f"*.{self.domain}"

    @property
    def challenge_names(self) -> tuple[str, ...]:
        """The TXT record names of dns-01: apex and wildcard share one (RFC 8555 section 8.4)."""
        return (f"_acme-challenge.{self.domain}",)

    @property
    def host_names(self) -> tuple[str, ...]:
        """The full host names that lead to the NAS, its own first."""
        return tuple(f"{label}.{self.domain}" for label in (self.nas_name, *self.services))


def load_settings(get: Callable[[str], str | None]) -> Settings:
    """Read the settings.

    Args:
        get: gives a key's value as Pulumi keeps it, text or JSON, or None; `pulumi.Config().get`.

    Raises:
        SettingsError: a value is missing or not allowed.
    """
    settings = Settings(
        domain=_domain(get),
        nas_name=_label("nas_name", _text(get, "nas_name")),
        nas_address=_address(get),
        services=_services(get),
        terms_agreed=_terms_agreed(get),
        contact=_contact(get),
        key_type=_one_of(get, "key_type", KEY_TYPES),
        profile=_profile(get),
        directory=_https_url(get, "directory"),
        ca_root=_ca_root(get),
        schedule=_schedule(get),
        architecture=_one_of(get, "architecture", ARCHITECTURES),
    )
    if settings.nas_name in settings.services:
        raise SettingsError("services", list(settings.services), "the NAS's own name stands there again")
    for name in (*settings.challenge_names, *settings.host_names):
        if len(name) > _LONGEST_NAME:
            raise SettingsError("domain", settings.domain, f"{name} under it is longer than {_LONGEST_NAME}")
    return settings


def _text(get: Callable[[str], str | None], key: str) -> str:
    value = get(key)
    if not value:
        raise SettingsError(key, value, "a value is wanted")
    return value


def _one_of(get: Callable[[str], str | None], key: str, allowed: tuple[str, ...]) -> str:
    value = get(key)
    if value not in allowed:
        raise SettingsError(key, value, f"one of {', '.join(allowed)} is allowed")
    return value


def _domain(get: Callable[[str], str | None]) -> str:
    value = get("domain")
    if value is None or not is_dns_name(value):
        raise SettingsError("domain", value, "a domain name in lower case, such as example.com, is wanted")
    return value


def _label(key: str, value: object) -> str:
    if not isinstance(value, str) or "." in value or not is_dns_name(f"{value}.test"):
        raise SettingsError(key, value, "a host name of one label, such as synology, is wanted")
    return value


def _address(get: Callable[[str], str | None]) -> str:
    value = get("nas_address")
    allowed = "the NAS's IPv4 address, such as 192.168.0.10, is wanted"
    try:
        address = ipaddress.IPv4Address(value or "")
    except ValueError:
        raise SettingsError("nas_address", value, allowed) from None
    unusable = address.is_loopback or address.is_multicast or address.is_link_local or address.is_reserved
    if unusable or address in _THIS_NETWORK:
        raise SettingsError("nas_address", value, allowed)
    return str(address)


def _services(get: Callable[[str], str | None]) -> tuple[str, ...]:
    text = get("services") or "[]"
    names = _json(text)
    if not isinstance(names, list):
        raise SettingsError("services", text, "a list of host names such as [navidrome] is wanted")
    labels = tuple(_label("services", name) for name in names)
    if len(set(labels)) != len(labels):
        raise SettingsError("services", names, "each name may stand there once")
    return labels


def _terms_agreed(get: Callable[[str], str | None]) -> bool:
    value = get("terms_agreed")
    if value != "true":
        raise SettingsError(
            "terms_agreed",
            value,
            "no certificate is issued before you accept the terms of service of the certificate authority; "
            "those of Let's Encrypt are at https://letsencrypt.org/repository/. Read them, then say true",
        )
    return True


def _contact(get: Callable[[str], str | None]) -> str | None:
    value = get("contact") or None
    if value is not None and not _MAILBOX.fullmatch(value):
        raise SettingsError("contact", value, "one e-mail address is wanted, or nothing")
    return value


def _profile(get: Callable[[str], str | None]) -> str:
    value = _text(get, "profile")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", value):
        raise SettingsError("profile", value, "the name of an ACME profile, such as classic, is wanted")
    return value


def _https_url(get: Callable[[str], str | None], key: str) -> str:
    value = _text(get, key)
    if not is_https_url(value):
        raise SettingsError(key, value, "an https:// URL is wanted (RFC 8555 section 6.1)")
    return value


def _ca_root(get: Callable[[str], str | None]) -> str | None:
    value = get("ca_root") or None
    if value is None:
        return None
    if "PRIVATE KEY" in value:
        raise SettingsError("ca_root", "…", "a private key stands there, and only certificates are wanted")
    try:
        ssl.create_default_context(cadata=value)
    except (ssl.SSLError, ValueError, TypeError):
        raise SettingsError("ca_root", value, "certificates in PEM are wanted, or nothing") from None
    return value


def _schedule(get: Callable[[str], str | None]) -> Schedule:
    value = _text(get, "schedule")
    parts = _RATE.fullmatch(value)
    if parts is None or (parts[1] == "1") == bool(parts[3]):
        raise SettingsError(
            "schedule",
            value,
            "rate(<number> minutes|hours|days), such as rate(12 hours) or rate(1 hour), is wanted",
        )
    interval = timedelta(seconds=int(parts[1]) * _UNIT_SECONDS[parts[2]])
    if interval > _LONGEST_RATE:
        raise SettingsError("schedule", value, f"at most every {_LONGEST_RATE.days} days is allowed")
    half = timedelta(minutes=interval // timedelta(minutes=2))
    return Schedule(value, interval, min(half, _LONGEST_WINDOW))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
