"""Certificates for the agent's tests, in PEM."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Union

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

PrivateKey = Union[ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey]

HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)
EPOCH = datetime.datetime(1970, 1, 1)


class Authority(NamedTuple):
    """A certificate authority."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()


class Issued(NamedTuple):
    """A leaf, its issuer's certificate and its key."""

    leaf: str
    chain: str
    private_key: str


def make_authority(
    common_name: str,
    issuer: Authority | None = None,
    starts: datetime.timedelta = -DAY,
    ends: datetime.timedelta = 365 * DAY,
    key: PrivateKey | None = None,
) -> Authority:
    """Make a root, or an intermediate of `issuer`."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    return Authority(_sign(common_name, [], key, issuer, starts, ends, is_authority=True), key)


def issue(
    names: Sequence[str],
    issuer: Authority,
    starts: datetime.timedelta = -HOUR,
    ends: datetime.timedelta = 90 * DAY,
    key: PrivateKey | None = None,
    common_name: str | None = None,
    alternative: bool = True,
) -> Issued:
    """Issue a leaf that is valid from `starts` to `ends`, both from now."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = names[0] if common_name is None else common_name
    leaf = _sign(subject, names if alternative else [], key, issuer, starts, ends, is_authority=False)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Issued(leaf.public_bytes(Encoding.PEM).decode(), issuer.pem, private.decode())


def document_of(issued: Issued) -> dict[str, Any]:
    """Return a certificate document's fields, as far as the agent reads them."""
    leaf = x509.load_pem_x509_certificate(issued.leaf.encode())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    moments = (leaf.not_valid_before_utc, leaf.not_valid_after_utc)
    not_before, not_after = (moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in moments)
    return {
        "schema": 1,
        "domains": names.get_values_for_type(x509.DNSName),
        "leaf": issued.leaf,
        "chain": issued.chain,
        "private_key": issued.private_key,
        "serial": f"{leaf.serial_number:x}",
        "fingerprint_sha256": leaf.fingerprint(hashes.SHA256()).hex(),
        "issuer": "Test Intermediate",
        "not_before": not_before,
        "not_after": not_after,
        "issued_at": not_before,
        "revoked_serials": [],
    }


def _sign(
    common_name: str,
    names: Sequence[str],
    key: PrivateKey,
    issuer: Authority | None,
    starts: datetime.timedelta,
    ends: datetime.timedelta,
    is_authority: bool,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])
    now = EPOCH + datetime.timedelta(seconds=time.time())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + starts)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer is not None:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False
        )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
        )
    signer = issuer.key if issuer else key
    return builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())
