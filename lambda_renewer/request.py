"""The certificate request: what the event asks for, parsed once and checked field by field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from .errors import RequestError

KEY_TYPES = ("rsa2048", "rsa3072", "rsa4096", "ec256", "ec384")
ACTIONS = ("renew",)

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)", re.ASCII)
_MAX_NAME = 253
_MAX_DOMAINS = 100  # Let's Encrypt's limit of identifiers a certificate
_MAX_SECONDS = 366 * 86_400  # a schedule rarer than yearly is a mistake, and must not overflow a date


@dataclass(frozen=True)
class CertificateRequest:
    """One certificate that is wanted, and where it goes.

    Attributes:
        name: the certificate's name in the stack.
        domains: DNS names, lower case, the first one leading; `*.` allowed as the first label.
        key_type: one of KEY_TYPES.
        profile: ACME profile (draft-ietf-acme-profiles), named in the order where the directory has any.
        directory: ACME directory URL (RFC 8555 section 7.1.1).
        contact: e-mail address of the account, or None.
        terms_agreed: the authority's terms of service were accepted.
        ca_root: PEM of the roots that verify the directory's HTTPS, or None for the public ones.
        zones: hosted zone name -> Route 53 hosted zone id.
        secret: ARN of the secret that holds the certificate document.
        interval: time between two scheduled runs.
        window: the schedule's flexible window.
    """

    name: str
    domains: tuple[str, ...]
    key_type: str
    profile: str
    directory: str
    contact: str | None
    terms_agreed: bool
    ca_root: str | None
    zones: Mapping[str, str]
    secret: str
    interval: timedelta
    window: timedelta


def parse_request(event: Mapping[str, Any]) -> CertificateRequest:
    """Read the event that EventBridge Scheduler, `pulumi up` or the command line sends.

    Raises:
        RequestError: a field is missing, unknown or not allowed; it names the field and the value.
    """
    if not isinstance(event, Mapping):
        raise RequestError("event", event, "a JSON object is wanted")
    known = {
        *("action", "name", "domains", "key_type", "profile", "directory", "contact", "terms_agreed"),
        *("ca_root", "zones", "secret", "interval_seconds", "window_seconds"),
    }
    for field in sorted(set(event) - known):
        raise RequestError(field, event[field], f"the fields are {', '.join(sorted(known))}")
    _one_of(event, "action", ACTIONS)
    return CertificateRequest(
        name=_text(event, "name"),
        domains=_domains(event),
        key_type=_one_of(event, "key_type", KEY_TYPES),
        profile=_text(event, "profile"),
        directory=_https_url(event, "directory"),
        contact=_text(event, "contact") if event.get("contact") is not None else None,
        terms_agreed=_true_or_false(event, "terms_agreed"),
        ca_root=_text(event, "ca_root") if event.get("ca_root") is not None else None,
        zones=_zones(event),
        secret=_text(event, "secret"),
        interval=_seconds(event, "interval_seconds", least=1),
        window=_seconds(event, "window_seconds", least=0),
    )


def is_dns_name(name: str, *, wildcard: bool = False) -> bool:
    """Tell whether `name` is a lower-case DNS name of at least two labels (RFC 1123), `*.` if allowed."""
    labels = name.removeprefix("*.").split(".") if wildcard else name.split(".")
    return len(name) <= _MAX_NAME and len(labels) > 1 and all(_LABEL.fullmatch(label) for label in labels)


def _text(event: Mapping[str, Any], field: str) -> str:
    value = event.get(field)
    if not isinstance(value, str) or not value:
        raise RequestError(field, value, "a text is wanted")
    return value


def _one_of(event: Mapping[str, Any], field: str, allowed: tuple[str, ...]) -> str:
    value = event.get(field)
    if value not in allowed:
        raise RequestError(field, value, f"one of {', '.join(allowed)} is wanted")
    return str(value)


def _true_or_false(event: Mapping[str, Any], field: str) -> bool:
    value = event.get(field)
    if not isinstance(value, bool):
        raise RequestError(field, value, "true or false is wanted")
    return value


def _seconds(event: Mapping[str, Any], field: str, *, least: int) -> timedelta:
    value = event.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _MAX_SECONDS:
        raise RequestError(field, value, f"a whole number of seconds, {least} to {_MAX_SECONDS}, is wanted")
    return timedelta(seconds=value)


def _https_url(event: Mapping[str, Any], field: str) -> str:
    value = _text(event, field)
    try:
        usable = urlsplit(value).scheme == "https" and bool(urlsplit(value).hostname)
    except ValueError:  # such as an IPv6 address without its closing bracket
        usable = False
    if not usable:
        raise RequestError(field, value, "an https:// URL is wanted (RFC 8555 section 6.1)")
    return value


def _domains(event: Mapping[str, Any]) -> tuple[str, ...]:
    value = event.get("domains")
    if not isinstance(value, list) or not 0 < len(value) <= _MAX_DOMAINS:
        raise RequestError("domains", value, f"a list of 1 to {_MAX_DOMAINS} DNS names is wanted")
    for name in value:
        if not isinstance(name, str) or not is_dns_name(name, wildcard=True):
            raise RequestError("domains", name, "a DNS name such as example.com or *.example.com is wanted")
    if len(set(value)) != len(value):
        raise RequestError("domains", value, "each name may stand there once")
    return tuple(value)


def _zones(event: Mapping[str, Any]) -> dict[str, str]:
    value = event.get("zones")
    allowed = 'an object such as {"example.com": {"id": "Z123"}} is wanted'
    if not isinstance(value, dict) or not value:
        raise RequestError("zones", value, allowed)
    for zone in value.values():
        if not isinstance(zone, dict) or set(zone) != {"id"}:
            raise RequestError("zones", value, allowed)
        if not isinstance(zone["id"], str) or not zone["id"]:
            raise RequestError("zones", value, allowed)
    return {name.rstrip(".").lower(): zone["id"] for name, zone in value.items()}
