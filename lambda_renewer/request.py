"""The certificate request: what the event asks for, parsed once and checked field by field."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from .errors import RequestError

KEY_TYPES = ("rsa2048", "rsa3072", "rsa4096", "ec256", "ec384")
ACTIONS = ("renew", "report", "revoke")

# RFC 5280 section 5.3.1, as far as an ACME account may give them (RFC 8555 section 7.6).
REVOCATION_REASONS = {
    "unspecified": 0,
    "keyCompromise": 1,
    "affiliationChanged": 3,
    "superseded": 4,
    "cessationOfOperation": 5,
}

NAMED_DIRECTORIES = {
    "letsencrypt": "https://acme-v02.api.letsencrypt.org/directory",
    "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}

_FIELDS = {
    *("action", "force", "serial", "reason", "now"),
    *("name", "domains", "key_type", "profile", "directory", "contact", "terms_agreed", "eab_secret"),
    *("ca_root", "preferred_chain", "delegations", "zones", "secret", "interval_seconds", "window_seconds"),
}

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)", re.ASCII)
_ROLE = re.compile(r"arn:aws:iam::[0-9]{12}:role/[A-Za-z0-9/_+=,.@-]+", re.ASCII)
_MAX_NAME = 253
_MAX_DOMAINS = 100  # Let's Encrypt's limit of identifiers a certificate
_MAX_SECONDS = 366 * 86_400  # a schedule rarer than yearly is a mistake, and must not overflow a date


@dataclass(frozen=True)
class CertificateRequest:
    """One certificate that is wanted, and where it goes.

    Attributes:
        action: one of ACTIONS.
        force: renew although it is not due.
        serial: of the certificate to revoke, lower-case hexadecimal, or None.
        reason: why, a key of REVOCATION_REASONS.
        revoke_first: revoke before the new certificate is there.
        name: the certificate's name in the stack.
        domains: DNS names in ASCII, lower case, the first one leading; `*.` allowed as the first label.
        key_type: one of KEY_TYPES.
        profile: ACME profile (draft-ietf-acme-profiles), named in the order where the directory has any.
        directory: ACME directory URL (RFC 8555 section 7.1.1).
        contact: e-mail address of the account, or None.
        terms_agreed: the authority's terms of service were accepted.
        eab_secret: ARN of the secret with the credentials of External Account Binding, or None.
        ca_root: PEM of the roots that verify the directory's HTTPS, or None for the public ones.
        preferred_chain: common name of the topmost issuer of the chain that is wanted, or None.
        delegations: domain -> name to which its `_acme-challenge` is delegated by CNAME.
        zones: hosted zone name -> Route 53 hosted zone id.
        zone_roles: hosted zone id -> ARN of the role through which a zone of another AWS account is reached.
        secret: ARN of the secret that holds the certificate document.
        interval: time between two scheduled runs.
        window: the schedule's flexible window.
    """

    action: str
    force: bool
    serial: str | None
    reason: str
    revoke_first: bool
    name: str
    domains: tuple[str, ...]
    key_type: str
    profile: str
    directory: str
    contact: str | None
    terms_agreed: bool
    eab_secret: str | None
    ca_root: str | None
    preferred_chain: str | None
    delegations: Mapping[str, str]
    zones: Mapping[str, str]
    zone_roles: Mapping[str, str]
    secret: str
    interval: timedelta
    window: timedelta

    def fingerprint(self) -> str:
        """Return a digest of what decides the order, to tell whether one in flight is for this request."""
        wanted = (sorted(self.domains), self.key_type, self.profile, self.directory, self.preferred_chain)
        return hashlib.sha256(json.dumps(wanted).encode()).hexdigest()


def parse_request(event: Mapping[str, Any]) -> CertificateRequest:
    """Read the event that EventBridge Scheduler, `pulumi up` or the command line sends.

    Raises:
        RequestError: a field is missing, unknown or not allowed; it names the field and the value.
    """
    if not isinstance(event, Mapping):
        raise RequestError("event", event, "a JSON object is wanted")
    for field in sorted(set(event) - _FIELDS):
        # Its value is not shown: nobody knows what it is.
        raise RequestError(field, "…", f"the fields are {', '.join(sorted(_FIELDS))}")
    action = _one_of(event, "action", ACTIONS)
    zones = _zones(event)
    return CertificateRequest(
        action=action,
        force=_true_or_false(event, "force", default=False),
        serial=_serial(event, needed=action == "revoke"),
        reason=_one_of({"reason": "unspecified", **event}, "reason", tuple(REVOCATION_REASONS)),
        revoke_first=_true_or_false(event, "now", default=False),
        name=_text(event, "name"),
        domains=_domains(event),
        key_type=_one_of(event, "key_type", KEY_TYPES),
        profile=_text(event, "profile"),
        directory=_directory(event),
        contact=_optional_text(event, "contact"),
        terms_agreed=_true_or_false(event, "terms_agreed"),
        eab_secret=_optional_text(event, "eab_secret"),
        ca_root=_optional_text(event, "ca_root"),
        preferred_chain=_optional_text(event, "preferred_chain"),
        delegations=_delegations(event),
        zones={name: zone["id"] for name, zone in zones.items()},
        zone_roles={zone["id"]: zone["role"] for zone in zones.values() if zone.get("role")},
        secret=_text(event, "secret"),
        interval=_seconds(event, "interval_seconds", least=1),
        window=_seconds(event, "window_seconds", least=0),
    )


def is_dns_name(name: str, *, wildcard: bool = False) -> bool:
    """Tell whether `name` is a lower-case DNS name of at least two labels (RFC 1123), `*.` if allowed."""
    labels = name.removeprefix("*.").split(".") if wildcard else name.split(".")
    if len(name) > _MAX_NAME or len(labels) < 2 or labels[-1].isdecimal():  # noqa: PLR2004
        return False  # no top-level domain is all digits (RFC 3696 section 2): that is an address
    return all(_LABEL.fullmatch(label) for label in labels)


def is_record_name(name: str) -> bool:
    """Tell whether `name` is a lower-case DNS name whose labels may also begin with an underscore."""
    labels = name.split(".")
    return is_dns_name(".".join(label.removeprefix("_") for label in labels)) and len(name) <= _MAX_NAME


def is_https_url(url: str) -> bool:
    """Tell whether `url` is an https URL whose host is a name or an address, without user or password."""
    try:
        parts = urlsplit(url)
        host, usable_port = parts.hostname or "", parts.port != 0
    except ValueError:
        return False
    if parts.scheme != "https" or parts.username is not None or not usable_port:
        return False
    if re.search(r"[\x00-\x20\x7f]", url):  # urlsplit drops line ends without a word
        return False
    return host == "localhost" or is_dns_name(host) or _is_address(host)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def to_ascii(name: str) -> str:
    """Return an internationalized name in ASCII (IDNA 2008, mapped as UTS 46 says); empty if it is none."""
    if name.isascii():
        return name.lower()
    import idna  # noqa: PLC0415 - its tables are large, and most names are ASCII

    wildcard = "*." if name.startswith("*.") else ""
    try:
        return wildcard + idna.encode(name.removeprefix("*."), uts46=True).decode()
    except idna.IDNAError:
        return ""


def _text(event: Mapping[str, Any], field: str) -> str:
    value = event.get(field)
    if not isinstance(value, str) or not value:
        raise RequestError(field, value, "a text is wanted")
    return value


def _optional_text(event: Mapping[str, Any], field: str) -> str | None:
    return _text(event, field) if event.get(field) is not None else None


def _one_of(event: Mapping[str, Any], field: str, allowed: tuple[str, ...]) -> str:
    value = event.get(field)
    if value not in allowed:
        raise RequestError(field, value, f"one of {', '.join(allowed)} is wanted")
    return str(value)


def _true_or_false(event: Mapping[str, Any], field: str, *, default: bool | None = None) -> bool:
    value = event.get(field, default)
    if not isinstance(value, bool):
        raise RequestError(field, value, "true or false is wanted")
    return value


def _seconds(event: Mapping[str, Any], field: str, *, least: int) -> timedelta:
    value = event.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _MAX_SECONDS:
        raise RequestError(field, value, f"a whole number of seconds, {least} to {_MAX_SECONDS}, is wanted")
    return timedelta(seconds=value)


def _directory(event: Mapping[str, Any]) -> str:
    value = _text(event, "directory")
    url = NAMED_DIRECTORIES.get(value, value)
    if not is_https_url(url):
        names = " or ".join(NAMED_DIRECTORIES)
        raise RequestError(
            "directory", value, f"{names}, or an https:// URL is wanted (RFC 8555 section 6.1)"
        )
    return url


def _serial(event: Mapping[str, Any], *, needed: bool) -> str | None:
    value = event.get("serial")
    if value is None and not needed:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]+", value, re.ASCII):
        raise RequestError("serial", value, "the serial number of the certificate, in hexadecimal, is wanted")
    return value


def _delegations(event: Mapping[str, Any]) -> dict[str, str]:
    value = event.get("delegations", {})
    allowed = 'an object such as {"example.com": "example-com.acme.example.net"} is wanted'
    if not isinstance(value, dict):
        raise RequestError("delegations", value, allowed)
    delegations = {to_ascii(domain): target for domain, target in value.items()}
    for domain, target in delegations.items():
        if not (isinstance(target, str) and is_dns_name(domain) and is_record_name(target)):
            raise RequestError("delegations", value, allowed)
    return delegations


def _domains(event: Mapping[str, Any]) -> tuple[str, ...]:
    value = event.get("domains")
    if not isinstance(value, list) or not 0 < len(value) <= _MAX_DOMAINS:
        raise RequestError("domains", value, f"a list of 1 to {_MAX_DOMAINS} DNS names is wanted")
    domains = tuple(_domain(name) for name in value)
    if len(set(domains)) != len(domains):
        raise RequestError("domains", value, "each name may stand there once")
    return domains


def _domain(name: object) -> str:
    """Return the name as it stands in a certificate: in ASCII (RFC 5890 section 2.3.2.1) and lower case."""
    ascii_name = to_ascii(name) if isinstance(name, str) else ""
    if not is_dns_name(ascii_name, wildcard=True):
        raise RequestError("domains", name, "a DNS name such as example.com or *.example.com is wanted")
    return ascii_name


def _zones(event: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    value = event.get("zones")
    allowed = (
        'an object such as {"example.com": {"id": "Z123"}} is wanted; a zone of another account has a role '
        "beside its id, arn:aws:iam::<account>:role/<name>"
    )
    if not isinstance(value, dict) or not value:
        raise RequestError("zones", value, allowed)
    for zone in value.values():
        if not isinstance(zone, dict) or not {"id"} <= set(zone) <= {"id", "role"}:
            raise RequestError("zones", value, allowed)
        if not isinstance(zone["id"], str) or not zone["id"] or not _is_role(zone.get("role")):
            raise RequestError("zones", value, allowed)
    return {to_ascii(name.rstrip(".")): zone for name, zone in value.items()}


def _is_role(value: object) -> bool:
    """Tell whether `value` is the ARN of an IAM role, or None."""
    return value is None or (isinstance(value, str) and bool(_ROLE.fullmatch(value)))
