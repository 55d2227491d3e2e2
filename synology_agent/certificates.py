"""X.509 certificates, read from their DER (RFC 5280): just what a decision of the agent needs.

Python's ssl shows a chain only after a handshake, and then not in the order in which it stood. What is no DER
is a ValueError, and mutated bytes never raise anything else.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Iterable

from .der import (
    BITS,
    BOOLEAN,
    INTEGER,
    OCTETS,
    OID,
    SEQUENCE,
    Value,
    expect,
    first,
    read_oid,
    read_time,
    read_values,
)

_BEGIN = "-----BEGIN CERTIFICATE-----"
_PEM = re.compile(_BEGIN + r"(.*?)-----END CERTIFICATE-----", re.S)

_VERSION, _EXTENSIONS = 0xA0, 0xA3  # context tags of TBSCertificate
_DNS_NAME, _KEY_ID = 0x82, 0x80  # context tags of GeneralName and AuthorityKeyIdentifier
_PSS_HASH = 0xA0  # context tag of RSASSA-PSS-params

_ENCODINGS = {0x14: "latin-1", 0x1E: "utf-16-be"}  # of TeletexString and BMPString; the others are UTF-8

_COMMON_NAME, _ORGANIZATION = "2.5.4.3", "2.5.4.10"
_SUBJECT_ALTERNATIVE_NAME, _BASIC_CONSTRAINTS = "2.5.29.17", "2.5.29.19"
_SUBJECT_KEY_ID, _AUTHORITY_KEY_ID = "2.5.29.14", "2.5.29.35"
_RSA, _EC, _PSS = "1.2.840.113549.1.1.1", "1.2.840.10045.2.1", "1.2.840.113549.1.1.10"
_CURVE_BITS = {"1.2.840.10045.3.1.7": 256, "1.3.132.0.34": 384, "1.3.132.0.35": 521}
_HASHES = {
    "1.2.840.113549.1.1.4": "md5",
    "1.2.840.113549.1.1.5": "sha1",
    "1.2.840.113549.1.1.11": "sha256",
    "1.2.840.113549.1.1.12": "sha384",
    "1.2.840.113549.1.1.13": "sha512",
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "1.2.840.10045.4.1": "sha1",
    "1.2.840.10045.4.3.2": "sha256",
    "1.2.840.10045.4.3.3": "sha384",
    "1.2.840.10045.4.3.4": "sha512",
}


@dataclass(frozen=True)
class X509:
    """A certificate.

    Attributes:
        der: its bytes.
        serial: lower-case hexadecimal, without leading zeros.
        subject: DER of the subject's Name.
        issuer: DER of the issuer's Name.
        subject_name: the subject's common name, or its organization, for a person.
        issuer_name: the issuer's common name, or its organization, for a person.
        names: DNS names of the subject alternative name, lower case; the common name where there is none.
        not_before: start of validity, aware, UTC.
        not_after: end of validity, aware, UTC.
        key_type: `rsa`, `ec`, or the algorithm's OID.
        key_bits: 0 where it is not known.
        signature_hash: such as `sha256`, or the signature algorithm's OID.
        is_authority: its basic constraints say that it may sign certificates.
        subject_key_id: or None.
        authority_key_id: or None.
        fingerprint: SHA-256 of the DER, lower-case hexadecimal.
    """

    der: bytes = field(repr=False)
    serial: str
    subject: bytes = field(repr=False)
    issuer: bytes = field(repr=False)
    subject_name: str
    issuer_name: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    key_type: str
    key_bits: int
    signature_hash: str
    is_authority: bool
    subject_key_id: bytes | None
    authority_key_id: bytes | None
    fingerprint: str

    @property
    def self_signed(self) -> bool:
        """Tell whether it names itself as its issuer."""
        return self.subject == self.issuer

    def names_issuer(self, issuer: X509) -> bool:
        """Tell whether `issuer` is the one that it names, by name and, where both have one, by key id."""
        if self.issuer != issuer.subject:
            return False
        return None in (self.authority_key_id, issuer.subject_key_id) or (
            self.authority_key_id == issuer.subject_key_id
        )


def read_pem(text: str) -> list[X509]:
    """Return every certificate in the text, in order; other text around them is ignored.

    Raises:
        ValueError: one of them is none, or is cut off.
    """
    bodies = _PEM.findall(text)
    if len(bodies) != text.count(_BEGIN):
        raise ValueError("no certificate: it begins in PEM and does not end")
    found = []
    for body in bodies:
        found.append(
            read_der(base64.b64decode("".join(body.split()).encode("ascii", "replace"), validate=True))
        )
    return found


@lru_cache(maxsize=64)  # the same leaf lies in the copy of every service
def read_der(der: bytes) -> X509:
    """Read a certificate.

    Raises:
        ValueError: it is none, or is not in DER.
    """
    try:
        return _read(der)
    except IndexError:
        raise ValueError("no certificate: a value in it is empty") from None


def covers(names: Iterable[str], wanted: str) -> bool:
    """Tell whether one of `names` is good for `wanted`: a wildcard stands for one label (RFC 9525, 6.3).

    A wanted wildcard is covered by the same wildcard alone. As in OpenSSL, `*.com` is good for no name below.
    """
    wanted = wanted.lower().rstrip(".")
    label, _, parent = wanted.partition(".")
    good = {wanted, "*." + parent} if label and "." in parent else {wanted}
    return any(name.lower().rstrip(".") in good for name in names)


def _read(der: bytes) -> X509:
    (certificate,) = expect(der, 1, SEQUENCE)
    tbs, algorithm, _ = expect(certificate.content, 3, SEQUENCE, SEQUENCE, BITS)
    fields = list(read_values(tbs.content))
    if fields[0].tag == _VERSION:
        fields.pop(0)
    if [value.tag for value in fields[:6]] != [INTEGER] + [SEQUENCE] * 5:
        raise ValueError("no certificate: its fields are others")
    serial, _, issuer, validity, subject, key = fields[:6]
    not_before, not_after = expect(validity.content, 2)
    extensions = _read_extensions(fields[6:])
    key_type, key_bits = _read_key(key.content)
    common_name = _name_part(subject.content, _COMMON_NAME)
    names = _dns_names(extensions.get(_SUBJECT_ALTERNATIVE_NAME))
    if _SUBJECT_ALTERNATIVE_NAME not in extensions and common_name:
        names = (common_name.lower(),)
    return X509(
        der=der,
        serial=f"{int.from_bytes(serial.content, 'big', signed=True):x}",
        subject=subject.whole,
        issuer=issuer.whole,
        subject_name=common_name or _name_part(subject.content, _ORGANIZATION),
        issuer_name=_name_part(issuer.content, _COMMON_NAME) or _name_part(issuer.content, _ORGANIZATION),
        names=names,
        not_before=read_time(not_before),
        not_after=read_time(not_after),
        key_type=key_type,
        key_bits=key_bits,
        signature_hash=_signature_hash(algorithm.content),
        is_authority=_is_authority(extensions.get(_BASIC_CONSTRAINTS)),
        subject_key_id=_subject_key_id(extensions.get(_SUBJECT_KEY_ID)),
        authority_key_id=_authority_key_id(extensions.get(_AUTHORITY_KEY_ID)),
        fingerprint=hashlib.sha256(der).hexdigest(),
    )


def _read_extensions(fields: list[Value]) -> dict[str, bytes]:
    found = {}
    for outer in fields:
        if outer.tag == _EXTENSIONS:
            for extension in read_values(first(outer.content).content):
                parts = list(read_values(extension.content))
                kind = read_oid(parts[0])
                if kind in found or parts[-1].tag != OCTETS:
                    raise ValueError(f"no certificate: its extension {kind} is there twice, or is none")
                found[kind] = parts[-1].content
    return found


def _read_key(content: bytes) -> tuple[str, int]:
    algorithm, key = expect(content, 2, SEQUENCE, BITS)
    parts = list(read_values(algorithm.content))
    kind = read_oid(parts[0])
    if kind == _RSA:
        modulus = first(first(key.content[1:]).content)
        return "rsa", int.from_bytes(modulus.content, "big").bit_length()
    if kind == _EC:
        curve = read_oid(parts[1]) if parts[1].tag == OID else ""  # or its parameters, one by one
        return "ec", _CURVE_BITS.get(curve, 0)
    return kind, 0


def _signature_hash(algorithm: bytes) -> str:
    kind, *parameters = read_values(algorithm)
    signature = read_oid(kind)
    if signature == _PSS:  # the hash is a parameter, and SHA-1 where it is not there (RFC 4055, 3.1)
        given = [value for value in read_values(parameters[0].content) if value.tag == _PSS_HASH]
        signature = read_oid(first(first(given[0].content).content)) if given else "1.3.14.3.2.26"
    return _HASHES.get(signature, signature)


def _name_part(name: bytes, wanted: str) -> str:
    """Return the last part of a Name that has this type, or an empty text."""
    found = ""
    for part_set in read_values(name):
        for part in read_values(part_set.content):
            kind, value = expect(part.content, 2, OID)
            if read_oid(kind) == wanted:
                found = value.content.decode(_ENCODINGS.get(value.tag, "utf-8"), errors="replace")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in found)


def _dns_names(extension: bytes | None) -> tuple[str, ...]:
    if extension is None:
        return ()
    values = read_values(first(extension).content)
    names = tuple(one.content.decode("latin-1").lower() for one in values if one.tag == _DNS_NAME)
    for name in names:
        if not name.isascii() or not name.isprintable():
            raise ValueError(f"no certificate: {name!r} is no DNS name")
    return names


def _is_authority(extension: bytes | None) -> bool:
    if extension is None:
        return False
    return any(
        value.tag == BOOLEAN and value.content != b"\x00" for value in read_values(first(extension).content)
    )


def _subject_key_id(extension: bytes | None) -> bytes | None:
    return None if extension is None else first(extension).content


def _authority_key_id(extension: bytes | None) -> bytes | None:
    if extension is None:
        return None
    found = [value.content for value in read_values(first(extension).content) if value.tag == _KEY_ID]
    return found[0] if found else None
