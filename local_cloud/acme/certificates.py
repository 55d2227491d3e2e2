"""Throw-away certificates: for the ACME servers' own HTTPS, and for a stand-in CA to issue with."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local_cloud.processes import LOOPBACK

_LIFETIME = datetime.timedelta(days=825)  # the longest that Apple's platforms accept for a private CA
_BACKDATED = datetime.timedelta(hours=1)


@dataclass(frozen=True)
class Authority:
    """A certificate with its key, able to sign others."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def certificate_pem(self) -> str:
        """Return the certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def write(self, certificate: Path, key: Path) -> None:
        """Write certificate and key as PEM files, the key readable by its owner only."""
        certificate.write_text(self.certificate_pem())
        key.touch(mode=0o600)
        key.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )


@dataclass(frozen=True)
class ServerIdentity:
    """The files that an HTTPS server on loopback needs, and the root which verifies it."""

    ca_root: Path
    certificate: Path
    key: Path


def make_server_identity(folder: Path) -> ServerIdentity:
    """Write a fresh root and a certificate from it for 127.0.0.1 and localhost."""
    folder.mkdir(parents=True, exist_ok=True)
    files = ServerIdentity(folder / "https-root.pem", folder / "https.pem", folder / "https.key")
    root = make_authority("Embedded cloud HTTPS root")
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(LOOPBACK))]
    builder = (
        _builder("localhost", key, root)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    files.ca_root.write_text(root.certificate_pem())
    Authority(builder.sign(root.key, hashes.SHA256()), key).write(files.certificate, files.key)
    return files


def make_authority(common_name: str, issuer: Authority | None = None) -> Authority:
    """Make a certificate authority: an intermediate of `issuer`, a self-signed root without one."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(common_name, key, issuer).add_extension(
        x509.BasicConstraints(ca=True, path_length=1 if issuer is None else 0), critical=True
    )
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = builder.add_extension(usage, critical=True)
    return Authority(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def _builder(
    common_name: str, key: ec.EllipticCurvePrivateKey, issuer: Authority | None
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    issuer_key = issuer.key if issuer else key
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
