"""Certificates for the simulated DSM: self-signed as DSM's own, or from a CA that is made here or given."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from local_cloud.dsm.tree import Pair

KeyType: TypeAlias = Literal["ec", "rsa"]
_PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Issuer:
    """A certificate authority: its certificate (which goes into the chain) and its key, in PEM."""

    certificate: bytes
    key: bytes


def make_issuer(common_name: str = "Simulated Intermediate", *, issuer: Issuer | None = None) -> Issuer:
    """Make a certificate authority, a root of its own or issued by `issuer`."""
    pair = _issue(common_name, [], issuer=issuer, key_type="ec", days=365, authority=True)
    return Issuer(pair.leaf, pair.key)


def issue(
    names: Sequence[str],
    *,
    issuer: Issuer | None = None,
    key_type: KeyType = "ec",
    days: int = 90,
    common_name: str | None = None,
) -> Pair:
    """Issue a leaf for DNS `names`; without an issuer it is self-signed.

    The common name is the first name unless given; an empty one leaves the subject empty, as Let's Encrypt's
    `tlsserver` and `shortlived` profiles do.
    """
    name = names[0] if common_name is None else common_name
    return _issue(name, names, issuer=issuer, key_type=key_type, days=days, authority=False)


def _issue(
    common_name: str,
    names: Sequence[str],
    *,
    issuer: Issuer | None,
    key_type: KeyType,
    days: int,
    authority: bool,
) -> Pair:
    key: _PrivateKey
    if key_type == "ec":
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])
    issuer_name, signer = (subject, key) if issuer is None else _opened(issuer)
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(alternatives, critical=not common_name)
    leaf = builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return Pair(leaf, b"" if issuer is None else issuer.certificate, private)


def _opened(issuer: Issuer) -> tuple[x509.Name, _PrivateKey]:
    key = load_pem_private_key(issuer.key, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise TypeError(f"the issuer's key is a {type(key).__name__}; it must be RSA or EC")
    return x509.load_pem_x509_certificates(issuer.certificate)[0].subject, key
