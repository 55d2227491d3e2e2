"""The certificate document, the contract with the renewer: see docs/certificate-document.md."""

from __future__ import annotations

import hashlib
import json
import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from .errors import DocumentRefused, NotIssuedYet, Withdrawn

SCHEMA = 1


@dataclass(frozen=True)
class Certificate:
    """What the agent takes from the certificate document.

    Attributes:
        leaf: PEM of the certificate.
        chain: PEM of the intermediates, the leaf's issuer first.
        private_key: PEM.
        serial: lower-case hexadecimal.
        fingerprint: SHA-256 of the leaf's DER, lower-case hexadecimal.
        issuer: common name of the leaf's issuer.
        not_after: end of validity, UTC.
    """

    leaf: str
    chain: str
    private_key: str
    serial: str
    fingerprint: str
    issuer: str
    not_after: datetime

    def __repr__(self) -> str:
        """Show what identifies the certificate, and never its key."""
        return f"Certificate(serial={self.serial!r}, not_after={self.not_after:%Y-%m-%d})"


def read_document(text: str) -> Certificate:
    """Read the certificate document.

    Raises:
        NotIssuedYet: its state is `empty`.
        Withdrawn: its state is `revoked`.
        DocumentRefused: its schema is not known here, or a field is missing or contradicts another.
    """
    fields = _object(text)
    if fields.get("schema") != SCHEMA:
        raise DocumentRefused(
            "the certificate document has schema {!r}, and this agent knows {}: update the agent".format(
                fields.get("schema"), SCHEMA
            )
        )
    if fields.get("state") == "empty":
        raise NotIssuedYet("nothing is issued yet: look at the renewer's log in AWS if this lasts over a day")
    if fields.get("state") == "revoked":
        raise Withdrawn(
            "the certificate was revoked, and a new one is coming; what is installed stays until then. "
            "Look at the renewer's log in AWS if this lasts over a day"
        )
    certificate = Certificate(
        leaf=_text(fields, "leaf"),
        chain=_text(fields, "chain"),
        private_key=_text(fields, "private_key"),
        serial=_text(fields, "serial"),
        fingerprint=_text(fields, "fingerprint_sha256"),
        issuer=_text(fields, "issuer"),
        not_after=_moment(fields, "not_after"),
    )
    if fingerprint(certificate.leaf) != certificate.fingerprint:
        raise DocumentRefused("the document's fingerprint_sha256 is not that of its leaf")
    return certificate


def fingerprint(pem: str) -> str:
    """Return the SHA-256 of the first certificate in `pem`, lower-case hexadecimal.

    Raises:
        DocumentRefused: there is no certificate in it.
    """
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    start = pem.find(begin)
    stop = pem.find(end, start)
    try:
        if start < 0 or stop < 0:
            raise ValueError
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem[start : stop + len(end)])).hexdigest()
    except ValueError:
        raise DocumentRefused("there is no certificate in PEM where one is wanted") from None


def leaf_fingerprint(path: Path) -> str:
    """Return the fingerprint of the first certificate in the PEM file; around it may stand any text.

    Raises:
        DocumentRefused: there is no certificate in it.
        OSError: it cannot be read.
    """
    return fingerprint(path.read_text(encoding="ascii", errors="replace"))


def _object(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except ValueError:
        raise DocumentRefused("the certificate document is not JSON") from None
    if not isinstance(fields, dict):
        raise DocumentRefused("the certificate document is not a JSON object")
    return fields


def _text(fields: dict[str, Any], field: str) -> str:
    value = fields.get(field)
    if not isinstance(value, str) or not value:
        raise DocumentRefused(f"the certificate document has no {field}")
    return value


def _moment(fields: dict[str, Any], field: str) -> datetime:
    value = _text(fields, field)
    try:
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        raise DocumentRefused(f"the certificate document's {field} is {value!r}, no time") from None
