"""The certificate document, the one contract with the agent: see docs/certificate-document.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from .clock import from_rfc3339, to_rfc3339
from .errors import StoreError

SCHEMA = 1
EMPTY = json.dumps({"schema": SCHEMA, "state": "empty"}, sort_keys=True)

_EMPTY, _REVOKED = "empty", "revoked"

_MOMENTS = ("not_before", "not_after", "issued_at")


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key and where it came from.

    Attributes:
        name: the certificate's name in the stack.
        domains: the names in it, as they were asked for.
        key_type: such as `rsa4096`.
        leaf: PEM of the certificate itself.
        chain: PEM of the intermediates, leaf's issuer first, without the root.
        private_key: PEM, PKCS #8.
        serial: serial number, lower-case hexadecimal.
        fingerprint_sha256: SHA-256 of the leaf's DER, lower-case hexadecimal.
        issuer: common name of the leaf's issuer.
        not_before: start of validity.
        not_after: end of validity.
        issued_at: when the renewer received it.
        acme_directory: URL of the directory that issued it.
        acme_account: URL of the account that ordered it (`kid`).
        profile: the ACME profile that was asked for.
        ari_id: certificate identifier of RFC 9773 section 4.1.
        zone_ids: hosted zones that proved control, checked to be public.
        revoked_serials: serials of earlier certificates that must not be installed again.
    """

    name: str
    domains: tuple[str, ...]
    key_type: str
    leaf: str
    chain: str
    private_key: str
    serial: str
    fingerprint_sha256: str
    issuer: str
    not_before: datetime
    not_after: datetime
    issued_at: datetime
    acme_directory: str
    acme_account: str
    profile: str
    ari_id: str
    zone_ids: tuple[str, ...]
    revoked_serials: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Show what identifies the certificate, and never its key."""
        return f"Certificate({self.name!r}, serial={self.serial!r}, not_after={to_rfc3339(self.not_after)!r})"


@dataclass(frozen=True)
class NoCertificate:
    """Nothing to serve: nothing was issued yet, or the certificate was withdrawn.

    Attributes:
        revoked_serials: serials of the certificates that were withdrawn; empty in the state `empty`.
    """

    revoked_serials: tuple[str, ...] = ()


def write_revoked(serials: tuple[str, ...]) -> str:
    """Return the document of the state `revoked`: withdrawn, a new certificate is coming."""
    return json.dumps({"schema": SCHEMA, "state": _REVOKED, "revoked_serials": serials}, sort_keys=True)


def write_document(certificate: Certificate) -> str:
    """Return the certificate document as JSON text with sorted keys."""
    fields: dict[str, Any] = asdict(certificate)
    for moment in _MOMENTS:
        fields[moment] = to_rfc3339(fields[moment])
    return json.dumps({"schema": SCHEMA, **fields}, sort_keys=True)


def read_document(text: str) -> Certificate | NoCertificate:
    """Read a certificate document.

    Returns:
        The certificate, or NoCertificate for the states `empty` and `revoked`.

    Raises:
        StoreError: it is no document of a schema known here, or a field is missing.
    """
    fields = _object(text)
    if fields.get("schema") != SCHEMA:
        raise StoreError(
            f"the certificate document has schema {fields.get('schema')!r}, and this renewer knows {SCHEMA}: "
            "run `pulumi up` from a checkout that is as new as the one that wrote it"
        )
    try:
        if fields.get("state") in {_EMPTY, _REVOKED}:
            return NoCertificate(tuple(fields.get("revoked_serials", ())))
        values = {name: fields[name] for name in Certificate.__dataclass_fields__}
        values |= {moment: from_rfc3339(fields[moment]) for moment in _MOMENTS}
        values |= {name: tuple(fields[name]) for name in ("domains", "zone_ids", "revoked_serials")}
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"the certificate document has a missing or unreadable field: {error}") from None
    return Certificate(**values)


def _object(text: str) -> Mapping[str, Any]:
    try:
        fields = json.loads(text)
    except ValueError:
        raise StoreError("the certificate document is not JSON") from None
    if not isinstance(fields, dict):
        raise StoreError("the certificate document is not a JSON object")
    return fields
