"""Certificates for the agent's tests, in PEM."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)
EPOCH = datetime.datetime(1970, 1, 1)


class Authority(NamedTuple):
    """A certificate authority."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()


class Issued(NamedTuple):
    """A leaf, its issuer's certificate and its key."""

    leaf: str
    chain: str
    private_key: str


def make_authority(common_name: str, issuer: Authority | None = None) -> Authority:
    """Make a root, or an intermediate of `issuer`."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(_sign(common_name, [], key, issuer, -DAY, 365 * DAY), key)


def issue(
    names: Sequence[str],
    issuer: Authority,
    starts: datetime.timedelta = -HOUR,
    ends: datetime.timedelta = 90 * DAY,
) -> Issued:
    """Issue a leaf that is valid from `starts` to `ends`, both from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = _sign(names[0], names, key, issuer, starts, ends)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Issued(leaf.public_bytes(Encoding.PEM).decode(), issuer.pem, private.decode())


def _sign(
    common_name: str,
    names: Sequence[str],
    key: ec.EllipticCurvePrivateKey,
    issuer: Authority | None,
    starts: datetime.timedelta,
    ends: datetime.timedelta,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = EPOCH + datetime.timedelta(seconds=time.time())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + starts)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
        )
    return builder.sign(issuer.key if issuer else key, hashes.SHA256())
