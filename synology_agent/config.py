"""The agent's config file: JSON, readable by its owner alone, since it holds the NAS's access key."""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import ConfigError

_FIELDS = {
    "region",
    "access_key_id",
    "secret_access_key",
    "endpoint",
    "ca_file",
    "certificates",
    "metric_namespace",
}
_CERTIFICATE_FIELDS = {"secret", "entry", "names"}


@dataclass(frozen=True)
class WantedCertificate:
    """One certificate that this NAS serves.

    Attributes:
        secret: ARN of the secret with the certificate document.
        entry: id of DSM's certificate entry that it replaces, as `xoEBak`, or the entry's description.
        names: host names that it must be good for.
    """

    secret: str
    entry: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Config:
    """The agent's settings.

    Attributes:
        region: AWS region of the secrets.
        access_key_id: the NAS's access key.
        secret_access_key: its secret.
        endpoint: URL in place of AWS's own endpoints, or None.
        ca_file: path of a PEM file with roots that are trusted beside the system's, or None.
        certificates: what this NAS serves.
    """

    region: str
    access_key_id: str
    secret_access_key: str
    endpoint: str | None
    ca_file: Path | None
    certificates: tuple[WantedCertificate, ...]

    def __repr__(self) -> str:
        """Show what it is about, and never the key."""
        return f"Config(region={self.region!r}, certificates={self.certificates!r})"


def read_config(path: Path) -> Config:
    """Read the config file.

    Raises:
        ConfigError: it is missing, others may read it, or a field is missing, unknown or not allowed.
    """
    fields = _read_private_json(path)
    _only_known(fields, _FIELDS, str(path))
    certificates = fields.get("certificates")
    if not isinstance(certificates, list) or not certificates:
        raise _wrong(path, "certificates", certificates, "a list of certificates is wanted")
    ca_file = _optional_text(path, fields, "ca_file")
    endpoint = _optional_text(path, fields, "endpoint")
    if endpoint is not None and not endpoint.startswith(("https://", "http://127.0.0.1:")):
        raise _wrong(path, "endpoint", endpoint, "an https:// URL is wanted")
    return Config(
        region=_text(path, fields, "region"),
        access_key_id=_text(path, fields, "access_key_id"),
        secret_access_key=_text(path, fields, "secret_access_key", secret=True),
        endpoint=endpoint,
        ca_file=Path(ca_file) if ca_file else None,
        certificates=tuple(_certificate(path, wanted) for wanted in certificates),
    )


def _certificate(path: Path, fields: Any) -> WantedCertificate:
    if not isinstance(fields, dict):
        raise _wrong(path, "certificates", fields, "an object with secret, entry and names is wanted")
    _only_known(fields, _CERTIFICATE_FIELDS, f"{path}: certificates")
    names = fields.get("names")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise _wrong(path, "names", names, "a list of host names is wanted")
    return WantedCertificate(
        secret=_text(path, fields, "secret"),
        entry=_text(path, fields, "entry"),
        names=tuple(name.lower() for name in names),
    )


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
    for field in sorted(set(fields) - known):
        raise ConfigError(
            "{}: {!r} is no field of it; the fields are {}".format(where, field, ", ".join(sorted(known)))
        )


def _text(path: Path, fields: dict[str, Any], field: str, secret: bool = False) -> str:
    value = fields.get(field)
    if not isinstance(value, str) or not value:
        raise _wrong(path, field, "…" if secret and value else value, "a text is wanted")
    return value


def _optional_text(path: Path, fields: dict[str, Any], field: str) -> str | None:
    return _text(path, fields, field) if fields.get(field) is not None else None


def _wrong(path: Path, field: str, value: object, allowed: str) -> ConfigError:
    return ConfigError(f"{path}: {field} is {value!r}: {allowed}")
