"""The agent's config file: JSON, readable by its owner alone, since it holds the NAS's access key."""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .errors import ConfigError

SERVICES = ("secretsmanager", "monitoring")
ASSIGNMENTS = ("auto", "all", "default", "none")

_FIELDS = {
    "region",
    "access_key_id",
    "secret_access_key",
    "second_access_key_id",
    "second_secret_access_key",
    "endpoint",
    "ca_file",
    "certificates",
    "metric_namespace",
}
_CERTIFICATE_FIELDS = {"secret", "entry", "names", "assign"}


class AccessKey(NamedTuple):
    """An access key of AWS.

    Attributes:
        id: its id, no secret.
        secret: what requests are signed with.
    """

    id: str
    secret: str

    def __repr__(self) -> str:
        """Show the id, and never the secret."""
        return f"AccessKey({self.id!r})"


@dataclass(frozen=True)
class WantedCertificate:
    """One certificate that this NAS serves.

    Attributes:
        secret: ARN of the secret with the certificate document.
        entry: id of DSM's certificate entry that it replaces, as `xoEBak`, or the entry's description; where
            DSM has neither, an entry of that description is created.
        names: host names that it must be good for; the first names it in output and metrics.
        assign: what it serves: `auto`, `all`, `default`, `none`, or the services that are listed.
    """

    secret: str
    entry: str
    names: tuple[str, ...]
    assign: str | tuple[str, ...] = "auto"

    @property
    def name(self) -> str:
        """What it is called in output and metrics."""
        return self.names[0]

    @property
    def own_name(self) -> str:
        """A host name to ask the NAS's own page for."""
        return self.name.replace("*", "www", 1)


@dataclass(frozen=True)
class Config:
    """The agent's settings.

    Attributes:
        region: AWS region of the secrets.
        access_keys: the NAS's access key, and a second one that is tried where AWS refuses the first.
        endpoints: URLs in place of AWS's own, by service: `secretsmanager`, `monitoring`.
        ca_file: path of a PEM file with self-signed roots that are trusted beside the system's, or None.
        metric_namespace: this NAS's own CloudWatch namespace, or None to send no metrics.
        certificates: what this NAS serves.
    """

    region: str
    access_keys: tuple[AccessKey, ...] = field(repr=False)
    endpoints: dict[str, str]
    ca_file: Path | None
    metric_namespace: str | None
    certificates: tuple[WantedCertificate, ...]


def read_config(path: Path) -> Config:
    """Read the config file.

    Raises:
        ConfigError: it is missing, others may read it, or a field is missing, unknown or not allowed.
    """
    fields = _read_private_json(path)
    _only_known(fields, _FIELDS, str(path))
    listed = fields.get("certificates")
    if not isinstance(listed, list) or not listed:
        raise _wrong(path, "certificates", listed, "a list of certificates is wanted")
    certificates = tuple(_certificate(path, wanted) for wanted in listed)
    _refuse_contradictions(path, certificates)
    ca_file = _optional_text(path, fields, "ca_file")
    return Config(
        region=_text(path, fields, "region"),
        access_keys=_access_keys(path, fields),
        endpoints=_endpoints(path, fields.get("endpoint")),
        ca_file=Path(ca_file) if ca_file else None,
        metric_namespace=_optional_text(path, fields, "metric_namespace"),
        certificates=certificates,
    )


def _access_keys(path: Path, fields: dict[str, Any]) -> tuple[AccessKey, ...]:
    keys = []
    for prefix in ("", "second_"):
        id_field, secret_field = f"{prefix}access_key_id", f"{prefix}secret_access_key"
        if not prefix or fields.get(id_field) is not None or fields.get(secret_field) is not None:
            key_id, secret = _text(path, fields, id_field), _text(path, fields, secret_field, secret=True)
            keys.append(AccessKey(key_id, secret))
    return tuple(keys)


def _endpoints(path: Path, value: Any) -> dict[str, str]:
    """Return the endpoint of each service: one URL for all, or an object of URLs (VPC endpoints)."""
    if value is None:
        return {}
    endpoints = value if isinstance(value, dict) else dict.fromkeys(SERVICES, value)
    _only_known(endpoints, set(SERVICES), f"{path}: endpoint")
    for url in endpoints.values():
        if not isinstance(url, str) or not _is_safe(url):
            raise _wrong(path, "endpoint", url, "an https:// URL is wanted")
    return endpoints


def _is_safe(url: str) -> bool:
    """Tell whether requests may go there: by https, or by http to this machine; no host hides behind an @."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    safe = parts.scheme == "https" or (parts.scheme == "http" and host == "127.0.0.1")
    return safe and bool(host) and "@" not in parts.netloc


def _certificate(path: Path, fields: Any) -> WantedCertificate:
    if not isinstance(fields, dict):
        raise _wrong(path, "certificates", fields, "an object with secret, entry and names is wanted")
    _only_known(fields, _CERTIFICATE_FIELDS, f"{path}: certificates")
    names = fields.get("names")
    if not isinstance(names, list) or not _is_texts(names):
        raise _wrong(path, "names", names, "a list of host names is wanted")
    return WantedCertificate(
        secret=_text(path, fields, "secret"),
        entry=_text(path, fields, "entry"),
        names=tuple(name.lower() for name in names),
        assign=_assignment(path, fields.get("assign", "auto")),
    )


def _assignment(path: Path, value: Any) -> str | tuple[str, ...]:
    if isinstance(value, str) and value in ASSIGNMENTS:
        return value
    if _is_texts(value):
        return tuple(value)
    allowed = ", ".join(ASSIGNMENTS)
    raise _wrong(path, "assign", value, f"one of {allowed} is wanted, or a list of services")


def _refuse_contradictions(path: Path, certificates: tuple[WantedCertificate, ...]) -> None:
    """Refuse two certificates that want the same entry, secret or services."""
    for field_name in ("secret", "entry"):
        values = [getattr(wanted, field_name) for wanted in certificates]
        for value in values:
            if values.count(value) > 1:
                raise _wrong(path, field_name, value, "two certificates have it, and one may")
    takers = [wanted for wanted in certificates if wanted.assign in ("all", "default")]
    if len(takers) > 1:
        both = " and ".join(f"{wanted.name} ({wanted.assign})" for wanted in takers)
        raise _wrong(
            path, "assign", takers[1].assign, f"{both} both take the default certificate, and one may"
        )
    listed = [
        service for wanted in certificates if isinstance(wanted.assign, tuple) for service in wanted.assign
    ]
    for service in listed:
        if listed.count(service) > 1:
            raise _wrong(path, "assign", service, "two certificates list this service, and one may")


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) and one for one in value)


def _read_private_json(path: Path) -> dict[str, Any]:
    try:
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigError(
                f"{path} may be read by others (mode {stat.S_IMODE(mode):04o}), and it holds the NAS's "
                f"access key: run `chmod 600 {path}`; if others use this NAS, make a new key too"
            )
        fields = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ConfigError(f"{path} is not a JSON object")
    return fields


def _only_known(fields: dict[str, Any], known: set[str], where: str) -> None:
    for field_name in sorted(set(fields) - known):
        raise ConfigError(
            "{}: {!r} is no field of it; the fields are {}".format(
                where, field_name, ", ".join(sorted(known))
            )
        )


def _text(path: Path, fields: dict[str, Any], field_name: str, secret: bool = False) -> str:
    value = fields.get(field_name)
    if not isinstance(value, str) or not value:
        raise _wrong(path, field_name, "…" if secret and value else value, "a text is wanted")
    return value


def _optional_text(path: Path, fields: dict[str, Any], field_name: str) -> str | None:
    return _text(path, fields, field_name) if fields.get(field_name) is not None else None


def _wrong(path: Path, field_name: str, value: object, allowed: str) -> ConfigError:
    return ConfigError(f"{path}: {field_name} is {value!r}: {allowed}")
