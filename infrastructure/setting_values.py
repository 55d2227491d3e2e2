"""Checks of single settings: each takes the key, for an error's text, and the value, and returns it typed."""

from __future__ import annotations

import ipaddress
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lambda_renewer.request import NAMED_DIRECTORIES, is_dns_name, is_https_url

LONGEST_NAME = 253  # RFC 1035 section 2.3.4, as text

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_RATE = re.compile(r"rate\(([1-9][0-9]{0,4}) (minute|hour|day)(s?)\)")
_UNIT_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
_MAILBOX = re.compile("X+@X+[.]X+".replace("X", r"[^@:,?\x00-\x20\x7f-\U0010ffff]"))  # ASCII: RFC 6068
_THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")  # RFC 6890 section 2.2.2
# RFC 1918, RFC 6598 (shared by a provider's customers), RFC 4193, and the machine's own.
_LOCAL = [
    ipaddress.ip_network(one)
    for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7")
]
# CloudWatch's longest period: within it an alarm must find a run, so interval and window end within it.
_DAY = timedelta(days=1)
_MOST_DAYS = 36_500
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_PLAIN_KEY = re.compile(r"[a-z_]+")
_SECRET = re.compile(r"arn:aws:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+")
_ROLE = re.compile(r"arn:aws:iam::[0-9]{12}:role/[A-Za-z0-9/_+=,.@-]+")
_ZONE_ID = re.compile(r"Z[A-Z0-9]{1,31}")


class SettingsError(ValueError):
    """A setting is missing or not allowed; the text names its key, its value and what is allowed."""

    def __init__(self, key: str, value: object, allowed: str) -> None:
        """Name the `key`, a path such as `nas.office.address`, the `value` found and what is `allowed`."""
        option = key if _PLAIN_KEY.fullmatch(key) else f"--path '{key}'"
        super().__init__(
            f"synology-https:{key} is {json.dumps(value, default=str)}: {allowed}. "
            f"Set it with `pulumi config set {option} …`, or in the stack's Pulumi.<stack>.yaml."
        )


@dataclass(frozen=True)
class Schedule:
    """How often the renewer runs.

    Attributes:
        expression: as EventBridge Scheduler takes it, `rate(12 hours)`.
        interval: time between two runs, at most a day.
        window: how much later than planned a run may start; whole minutes, at most half of the interval, and
            such that both together are at most a day.
    """

    expression: str
    interval: timedelta
    window: timedelta


def path(key: str, name: str, field: str | None = None) -> str:
    """Return the path of a nested setting, as `pulumi config set --path` takes it."""
    entry = (
        f"{key}.{name}" if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name) else f"{key}[{json.dumps(name)}]"
    )
    return entry if field is None else f"{entry}.{field}"


def from_json(text: str | None) -> Any:
    """Return what Pulumi keeps as JSON; text that is none stays text, and is refused by the field's check."""
    try:
        return json.loads(text or "null")
    except (ValueError, RecursionError):
        return text


def text(key: str, value: object) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise SettingsError(key, value, "a value is wanted")
    return value


def one_of(key: str, value: object, allowed: tuple[str, ...]) -> str:
    """Return one of the texts that are `allowed`."""
    if not isinstance(value, str) or value not in allowed:
        raise SettingsError(key, value, f"one of {', '.join(allowed)} is allowed")
    return value


def entries(key: str, value: object, fields: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return an object of objects, name -> fields; other fields are refused by name."""
    value = {} if value is None else value
    if not isinstance(value, dict):
        raise SettingsError(key, value, f"an object by name, each with {', '.join(fields)}, is wanted")
    for name, about in value.items():
        if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
            raise SettingsError(key, name, "a name of lower-case letters, digits, dots and hyphens is wanted")
        if not isinstance(about, dict):
            raise SettingsError(path(key, name), about, f"an object with {', '.join(fields)} is wanted")
        for field in sorted(about.keys() - set(fields)):
            raise SettingsError(path(key, name), field, f"it has no such field; it has {', '.join(fields)}")
    return value


def names(key: str, value: object, allowed: str) -> tuple[str, ...]:
    """Return a list of texts without repetition; one text alone is a list of one."""
    found = [value] if isinstance(value, str) and value else value
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise SettingsError(key, value, allowed)
    if len(set(found)) != len(found):
        raise SettingsError(key, value, "each name may stand there once")
    return tuple(found)


def domain(key: str, value: object, *, wildcard: bool = False) -> str:
    """Return a DNS name in lower case, `*.` before it if allowed."""
    if not isinstance(value, str) or not is_dns_name(value, wildcard=wildcard):
        raise SettingsError(key, value, "a domain name in lower case, such as example.com, is wanted")
    return value


def label(key: str, value: object) -> str:
    """Return a host name of one label."""
    if not isinstance(value, str) or "." in value or not is_dns_name(f"{value}.test"):
        raise SettingsError(key, value, "a host name of one label, such as synology, is wanted")
    return value


def host_name(key: str, value: object, base: str) -> str:
    """Return the full host name: a label stands for that label under `base`."""
    if isinstance(value, str) and "." in value:
        return domain(key, value)
    return f"{label(key, value)}.{base}"


def address(key: str, value: object) -> Address:
    """Return an address that a NAS can have in its network."""
    allowed = "the NAS's IPv4 or IPv6 address, such as 192.168.0.10, is wanted"
    try:
        found = ipaddress.ip_address(value if isinstance(value, str) else "")
    except ValueError:
        raise SettingsError(key, value, allowed) from None
    unusable = found.is_loopback or found.is_multicast or found.is_link_local or found.is_unspecified
    if isinstance(found, ipaddress.IPv4Address):
        unusable = unusable or found.is_reserved or found in _THIS_NETWORK
    elif found.ipv4_mapped or found.scope_id:
        unusable = True
    if unusable:
        raise SettingsError(key, value, allowed)
    return found


def networks(key: str, value: object) -> tuple[str, ...]:
    """Return networks in CIDR notation, or none; AWS never sees an address that only a home network knows."""
    allowed = "a list of public addresses or networks such as [203.0.113.7/32] is wanted"
    found = []
    for one in names(key, [] if value is None else value, allowed):
        try:
            network = ipaddress.ip_network(one)
        except ValueError:
            raise SettingsError(key, one, allowed) from None
        if any(network.version == local.version and network.overlaps(local) for local in _LOCAL):
            raise SettingsError(
                key, one, f"AWS sees no such address, and the key would never work; {allowed}"
            )
        found.append(str(network))
    return tuple(sorted(found))


def mailbox(key: str, value: object) -> str | None:
    """Return an e-mail address, or None where there is none."""
    if value in (None, ""):
        return None
    if not isinstance(value, str) or not _MAILBOX.fullmatch(value):
        raise SettingsError(key, value, "one e-mail address is wanted, or nothing")
    return value


def profile(key: str, value: object) -> str:
    """Return the name of an ACME profile."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+", text(key, value)):
        raise SettingsError(key, value, "the name of an ACME profile, such as classic, is wanted")
    return text(key, value)


def directory(key: str, value: object) -> str:
    """Return an ACME directory's URL; Let's Encrypt's two have names."""
    url = NAMED_DIRECTORIES.get(text(key, value), text(key, value))
    if not is_https_url(url):
        known = " or ".join(NAMED_DIRECTORIES)
        raise SettingsError(key, value, f"{known}, or an https:// URL is wanted (RFC 8555 section 6.1)")
    return url


def ca_root(key: str, value: object) -> str | None:
    """Return certificates in PEM, or None where there are none; a private key is never shown."""
    if value in (None, ""):
        return None
    if isinstance(value, str) and "PRIVATE KEY" in value:
        raise SettingsError(key, "…", "a private key stands there, and only certificates are wanted")
    try:
        ssl.create_default_context(cadata=text(key, value))
    except (ssl.SSLError, ValueError, TypeError):
        raise SettingsError(key, value, "certificates in PEM are wanted, or nothing") from None
    return text(key, value)


def optional_text(key: str, value: object) -> str | None:
    """Return a text, or None where there is none."""
    return None if value in (None, "") else text(key, value)


def secret_arn(key: str, value: object) -> str | None:
    """Return the ARN of a secret, or None where there is none."""
    return _arn(key, value, _SECRET, "the whole ARN of a secret in Secrets Manager is wanted, or nothing")


def role_arn(key: str, value: object) -> str | None:
    """Return the ARN of an IAM role, or None where there is none."""
    return _arn(key, value, _ROLE, "the ARN of an IAM role is wanted, or nothing")


def zone_id(key: str, value: object) -> str | None:
    """Return the id of a hosted zone, or None where there is none."""
    return _arn(
        key, value, _ZONE_ID, "the id of a hosted zone, such as Z0123456789ABC, is wanted, or nothing"
    )


def true_or_false(key: str, value: object) -> bool:
    """Return a truth value, as JSON or as Pulumi's text of it."""
    found = from_json(value) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise SettingsError(key, value, "true or false is wanted")
    return found


def amount(key: str, value: object) -> str | None:
    """Return a sum of money as text with two decimals, or None where it is nothing or zero."""
    found = from_json(value) if isinstance(value, str) else value
    if found in (None, "") or (found == 0 and not isinstance(found, bool)):
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < 1e9:  # noqa: PLR2004
        raise SettingsError(key, value, "a number of US dollars a month, such as 5, is wanted, or nothing")
    return f"{found:.2f}"


def days(key: str, value: object) -> int | None:
    """Return a whole number of days, or None where it is nothing or zero."""
    found = from_json(value) if isinstance(value, str) else value
    if found in (None, "") or (found == 0 and not isinstance(found, bool)):
        return None
    if isinstance(found, bool) or not isinstance(found, int) or not 0 < found <= _MOST_DAYS:
        raise SettingsError(key, value, "a whole number of days, such as 47, is wanted, or nothing")
    return found


def rate(key: str, value: object) -> Schedule:
    """Return the schedule of a rate() of at most a day, with its window."""
    parts = _RATE.fullmatch(text(key, value))
    if parts is None or (parts[1] == "1") == bool(parts[3]):
        raise SettingsError(
            key,
            value,
            "rate(<number> minutes|hours|days), such as rate(12 hours) or rate(1 hour), is wanted",
        )
    interval = timedelta(seconds=int(parts[1]) * _UNIT_SECONDS[parts[2]])
    if interval > _DAY:
        raise SettingsError(key, value, "at least once a day is wanted: the alarms look at days")
    half = timedelta(minutes=interval // timedelta(minutes=2))
    return Schedule(text(key, value), interval, min(half, _DAY - interval))


def mapping(key: str, value: object, allowed: str) -> Mapping[str, str]:
    """Return an object of texts."""
    value = {} if value is None else value
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise SettingsError(key, value, allowed)
    return value


def _arn(key: str, value: object, shape: re.Pattern[str], allowed: str) -> str | None:
    if value in (None, ""):
        return None
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise SettingsError(key, value, allowed)
    return value
