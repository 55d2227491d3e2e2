"""Private keys, signing requests, and what is read from the chain that the authority sends."""

from __future__ import annotations

import base64
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from .dns01 import needed_zones
from .document import Certificate
from .errors import AcmeError
from .request import CertificateRequest

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_RSA_BITS = {"rsa2048": 2048, "rsa3072": 3072, "rsa4096": 4096}
_CURVES = {"ec256": ec.SECP256R1, "ec384": ec.SECP384R1}
_MAX_COMMON_NAME = 64  # ub-common-name, RFC 5280 appendix A.1


def make_key(key_type: str) -> PrivateKey:
    """Return a new private key of a type in KEY_TYPES."""
    if key_type in _RSA_BITS:
        return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS[key_type])
    return ec.generate_private_key(_CURVES[key_type]())


def is_elliptic(key: PrivateKey) -> bool:
    """Tell whether the key is an elliptic curve key."""
    return isinstance(key, ec.EllipticCurvePrivateKey)


def write_key(key: PrivateKey) -> str:
    """Return the key as PEM, PKCS #8, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def read_key(pem: str) -> PrivateKey:
    """Read a key that `write_key` wrote.

    Raises:
        ValueError: it is none.
    """
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (TypeError, UnsupportedAlgorithm) as error:  # encrypted, or of a kind that is not known
        raise ValueError(str(error)) from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError("neither an RSA nor an elliptic curve key")  # noqa: TRY004 - one failure for the reader
    return key


def topmost_issuer(full_chain: str) -> str:
    """Return the common name of the issuer of the last certificate in a PEM chain; empty if there is none."""
    try:
        return _common_name(x509.load_pem_x509_certificates(full_chain.encode())[-1].issuer)
    except ValueError:
        return ""


def make_csr(key: PrivateKey, domains: tuple[str, ...]) -> x509.CertificateSigningRequest:
    """Return the signing request for `domains`.

    It asks for a common name, since DSM shows a certificate without one as issued to nobody.
    """
    subject = [name for name in domains if len(name) <= _MAX_COMMON_NAME][:1]
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in subject]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in domains]), critical=False)
        .sign(key, hashes.SHA256())
    )


def certificate_document(
    request: CertificateRequest,
    key: PrivateKey,
    full_chain: str,
    *,
    account: str,
    issued_at: datetime,
    revoked_serials: tuple[str, ...],
) -> Certificate:
    """Check the authority's full chain against what was asked, and describe it.

    Raises:
        AcmeError: it is no chain of PEM certificates, another key's, lacks a name or the intermediates, or is
            out of order.
    """
    try:
        leaf, *chain = x509.load_pem_x509_certificates(full_chain.encode())
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        authority = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except (ValueError, x509.ExtensionNotFound) as error:
        raise AcmeError(f"the authority sent no usable certificate: {error}") from error
    if leaf.public_key() != key.public_key():
        raise AcmeError("the authority sent a certificate of another key")
    if missing := set(request.domains) - set(names.get_values_for_type(x509.DNSName)):
        raise AcmeError(f"the authority's certificate lacks {', '.join(sorted(missing))}")
    if not chain:
        raise AcmeError("the authority sent no intermediate certificate, and the agent installs none without")
    for below, above in zip([leaf, *chain], chain, strict=False):
        try:
            below.verify_directly_issued_by(above)
        except Exception as error:
            raise AcmeError(f"the authority's chain is out of order at {above.subject}: {error}") from error
    return Certificate(
        name=request.name,
        domains=request.domains,
        key_type=request.key_type,
        leaf=_pem(leaf),
        chain="".join(_pem(certificate) for certificate in chain),
        private_key=write_key(key),
        serial=f"{leaf.serial_number:x}",
        fingerprint_sha256=leaf.fingerprint(hashes.SHA256()).hex(),
        issuer=_common_name(leaf.issuer),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        issued_at=issued_at,
        acme_directory=request.directory,
        acme_account=account,
        profile=request.profile,
        ari_id=_ari_id(authority, leaf.serial_number),
        zone_ids=needed_zones(request),
        revoked_serials=revoked_serials,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _common_name(name: x509.Name) -> str:
    return "".join(str(part.value) for part in name.get_attributes_for_oid(NameOID.COMMON_NAME)[:1])


def _ari_id(authority: x509.AuthorityKeyIdentifier, serial: int) -> str:
    """Return the certificate identifier: base64url of key identifier and of serial (RFC 9773 section 4.1)."""
    # A DER INTEGER is signed: one more bit than the number has.
    der = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
    return ".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=").decode()
        for part in (authority.key_identifier or b"", der)
    )
