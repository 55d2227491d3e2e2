"""The certificate document, the contract with the renewer: see docs/certificate-document.md."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from .certificates import X509, read_pem
from .errors import ADVICE, DocumentRefused, NotIssuedYet, SchemaUnknown, Withdrawn

SCHEMA = 1

# As the renewer writes it, and nothing else: OpenSSL takes other labels for certificates too (such as X509
# CERTIFICATE), which would be served and never looked at here.
_BLOCKS = r"(?:-----BEGIN ({0})-----\n(?:[A-Za-z0-9+/=]+\n)+-----END \1-----\n)"
_CERTIFICATES = re.compile(_BLOCKS.format("CERTIFICATE") + "+")
_PRIVATE_KEY = re.compile(_BLOCKS.format("(?:RSA |EC )?PRIVATE KEY"))


@dataclass(frozen=True)
class Certificate:
    """What the agent takes from the certificate document.

    Attributes:
        domains: DNS names that it was issued for.
        leaf: PEM of the certificate.
        chain: PEM of the intermediates, the leaf's issuer first.
        private_key: PEM.
        serial: lower-case hexadecimal.
        fingerprint: SHA-256 of the leaf's DER, lower-case hexadecimal.
        issuer: common name of the leaf's issuer.
        not_before: start of validity, aware, UTC.
        not_after: end of validity, aware, UTC.
        issued_at: when the renewer received it, aware, UTC.
        revoked_serials: serials that must not be installed (again).
    """

    domains: tuple[str, ...]
    leaf: str
    chain: str
    private_key: str
    serial: str
    fingerprint: str
    issuer: str
    not_before: datetime
    not_after: datetime
    issued_at: datetime
    revoked_serials: tuple[str, ...]

    def __repr__(self) -> str:
        """Show what identifies the certificate, and never its key."""
        return f"Certificate(serial={self.serial!r}, not_after={self.not_after:%Y-%m-%d})"


def read_document(text: str) -> Certificate:
    """Read the certificate document.

    Raises:
        NotIssuedYet: its state is `empty`.
        Withdrawn: its state is `revoked`.
        SchemaUnknown: its schema is not known here.
        DocumentRefused: it is no JSON, or a field is missing, is none, or contradicts the leaf.
    """
    fields = _object(text)
    schema = fields.get("schema")
    if type(schema) is not int or schema != SCHEMA:
        raise SchemaUnknown(
            f"the certificate document has schema {schema!r}, and this agent knows {SCHEMA}: update the "
            "agent, with `python -m synology_setup install`"
        )
    if fields.get("state") == "empty":
        raise not_issued_yet()
    if fields.get("state") == "revoked":
        raise Withdrawn(
            "the certificate was revoked, and a new one is coming; what is installed stays until then. "
            "Look at the renewer's log in AWS if this lasts over a day"
        )
    certificate = Certificate(
        domains=_texts(fields, "domains"),
        leaf=_pem(fields, "leaf", _CERTIFICATES),
        chain=_pem(fields, "chain", _CERTIFICATES),
        private_key=_pem(fields, "private_key", _PRIVATE_KEY),
        serial=_text(fields, "serial"),
        fingerprint=_text(fields, "fingerprint_sha256"),
        issuer=_text(fields, "issuer"),
        not_before=_moment(fields, "not_before"),
        not_after=_moment(fields, "not_after"),
        issued_at=_moment(fields, "issued_at"),
        revoked_serials=_texts(fields, "revoked_serials"),
    )
    _compare(certificate, _only_certificate(certificate.leaf))
    return certificate


def not_issued_yet() -> NotIssuedYet:
    """Return the error for a secret without a certificate."""
    return NotIssuedYet("nothing is issued yet: look at the renewer's log in AWS if this lasts over a day")


def fingerprint(pem: str) -> str:
    """Return the SHA-256 of the first certificate in `pem`, lower-case hexadecimal.

    Raises:
        DocumentRefused: there is no certificate in it.
    """
    try:
        return read_pem(pem)[0].fingerprint
    except (ValueError, IndexError):
        raise DocumentRefused("there is no certificate in PEM where one is wanted") from None


def _only_certificate(pem: str) -> X509:
    try:
        found = read_pem(pem)
    except ValueError as error:
        raise _refused(f"'s leaf cannot be read: {error}") from None
    if len(found) != 1:
        raise _refused(f"'s leaf holds {len(found)} certificates, and one is wanted")
    return found[0]


def _compare(certificate: Certificate, leaf: X509) -> None:
    """Refuse a document that says otherwise than its own leaf."""
    for name, said, found in (
        ("fingerprint_sha256", certificate.fingerprint, leaf.fingerprint),
        ("serial", certificate.serial, leaf.serial),
        ("not_before", certificate.not_before, leaf.not_before),
        ("not_after", certificate.not_after, leaf.not_after),
    ):
        if said != found:
            raise _refused(f"'s {name} is {said}, and that of its leaf is {found}")


def _object(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        raise _refused(" is not JSON") from None
    if not isinstance(fields, dict):
        raise _refused(" is not a JSON object")
    return fields


def _text(fields: dict[str, Any], name: str) -> str:
    value = _raw(fields, name)
    if not value.isprintable():
        raise _refused(f"'s {name} is {value!r}, which cannot be printed")
    return value


def _raw(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise _refused(f" has no {name}")
    return value


def _pem(fields: dict[str, Any], name: str, form: re.Pattern[str]) -> str:
    value = _raw(fields, name)
    if "ENCRYPTED" in value:
        raise _refused(f"'s {name} is encrypted, and nobody is there to type its password")
    if not form.fullmatch(value):
        raise _refused(f"'s {name} is not PEM, or has something else around it")
    return value


def _texts(fields: dict[str, Any], name: str) -> tuple[str, ...]:
    value = fields.get(name)
    if not isinstance(value, list) or not all(isinstance(one, str) and one.isprintable() for one in value):
        raise _refused(f"'s {name} is not a list of texts")
    return tuple(value)


def _moment(fields: dict[str, Any], name: str) -> datetime:
    value = _text(fields, name)
    try:
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        raise _refused(f"'s {name} is {value!r}, no time") from None


def _refused(what: str) -> DocumentRefused:
    return DocumentRefused(f"the certificate document{what}. {ADVICE}")
