"""Private keys, signing requests, and the checks of what the authority sends."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from lambda_renewer.document import Certificate
from lambda_renewer.errors import AcmeError
from lambda_renewer.keys import (
    PrivateKey,
    certificate_document,
    make_csr,
    make_key,
    read_key,
    topmost_issuer,
    write_key,
)
from lambda_renewer.request import KEY_TYPES
from local_cloud.acme.certificates import Authority, make_authority
from tests.unit.renewer.samples import request

ISSUED = datetime(2026, 11, 25, 2, 0, 0, tzinfo=UTC)
ROOT = make_authority("Root")
OUTER = make_authority("Outer intermediate", ROOT)
INNER = make_authority("Inner intermediate", OUTER)
KEY = make_key("ec256")


def leaf(
    issuer: Authority = INNER,
    key: PrivateKey = KEY,
    names: Sequence[str] = ("example.com", "*.example.com"),
    serial: int = 0x3039,
) -> str:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(ISSUED)
        .not_valid_after(ISSUED + timedelta(days=90))
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False
        )
    )
    if names:
        alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(alternative, critical=False)
    signed = builder.sign(issuer.key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


CHAIN = INNER.certificate_pem() + OUTER.certificate_pem()


def described(full_chain: str, **changes: Any) -> Certificate:
    return certificate_document(
        request(**changes),
        KEY,
        full_chain,
        account="https://acme.example.net/account/1",
        issued_at=ISSUED,
        revoked_serials=("a1", "b2"),
    )


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_each_key_type_signs_the_request(key_type: str) -> None:
    key = make_key(key_type)
    kind = rsa.RSAPrivateKey if key_type.startswith("rsa") else ec.EllipticCurvePrivateKey
    assert isinstance(key, kind)
    assert key.key_size == int(key_type.lstrip("rsaec"))
    csr = make_csr(key, ("example.com", "*.example.com"))
    assert csr.is_signature_valid
    assert csr.public_key() == key.public_key()
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["example.com", "*.example.com"]


@pytest.mark.parametrize(
    ("domains", "common_name"),
    [
        (("example.com", "*.example.com"), ["example.com"]),
        (("*.example.com", "example.com"), ["*.example.com"]),
        ((f"{'a' * 52}.example.com", "b.example.com"), [f"{'a' * 52}.example.com"]),  # 64 characters
        ((f"{'a' * 53}.example.com", "b.example.com"), ["b.example.com"]),
        ((f"{'a' * 53}.example.com",), []),
    ],
)
def test_common_name(domains: tuple[str, ...], common_name: list[str]) -> None:
    subject = make_csr(KEY, domains).subject
    assert [part.value for part in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == common_name


def test_the_document_of_a_good_chain() -> None:
    made = described(leaf() + CHAIN)
    parsed = x509.load_pem_x509_certificate(made.leaf.encode())
    assert made.leaf == leaf_pem(parsed)
    assert made.chain == CHAIN
    assert (
        serialization.load_pem_private_key(made.private_key.encode(), None).public_key() == KEY.public_key()
    )
    assert made.private_key.startswith("-----BEGIN PRIVATE KEY-----")
    assert (made.name, made.domains, made.key_type) == ("nas", ("example.com", "*.example.com"), "ec256")
    assert (made.serial, made.issuer) == ("3039", "Inner intermediate")
    assert made.fingerprint_sha256 == parsed.fingerprint(hashes.SHA256()).hex()
    assert (made.not_before, made.not_after) == (ISSUED, ISSUED + timedelta(days=90))
    assert (made.issued_at, made.revoked_serials) == (ISSUED, ("a1", "b2"))
    assert made.acme_account == "https://acme.example.net/account/1"
    assert (made.acme_directory, made.profile) == ("https://acme.example.net/dir", "classic")


def leaf_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def test_more_names_than_asked_are_taken() -> None:
    made = described(leaf() + CHAIN, domains=["example.com"])
    assert made.domains == ("example.com",)


@pytest.mark.parametrize(
    ("serial", "der"), [(0x7F, b"\x7f"), (0x80, b"\x00\x80"), (0x87654321, b"\x00\x87\x65\x43\x21")]
)
def test_ari_identifier(serial: int, der: bytes) -> None:
    made = described(leaf(serial=serial) + CHAIN)
    identifier, number = made.ari_id.split(".")
    key_identifier = x509.SubjectKeyIdentifier.from_public_key(INNER.key.public_key()).digest
    assert base64.urlsafe_b64decode(identifier + "=" * (-len(identifier) % 4)) == key_identifier
    assert base64.urlsafe_b64decode(number + "=" * (-len(number) % 4)) == der
    assert "=" not in made.ari_id


def test_ari_identifier_of_the_rfc() -> None:
    """The serial number of RFC 9773's example, 00:87:65:43:21, is `AIdlQyE` there."""
    made = described(leaf(serial=0x87654321) + CHAIN)
    assert made.ari_id.endswith(".AIdlQyE")


@pytest.mark.parametrize(
    ("full_chain", "words"),
    [
        ("", "no usable certificate"),
        ("text", "no usable certificate"),
        (leaf(names=()), "no usable certificate"),
        (ROOT.certificate_pem(), "no usable certificate"),
        (leaf(key=make_key("ec256")) + CHAIN, "a certificate of another key"),
        (leaf(key=make_key("ec384")) + CHAIN, "a certificate of another key"),
        (leaf(), "no intermediate certificate"),
        (leaf(names=["example.com"]) + CHAIN, r"lacks \*\.example\.com"),
        (leaf(names=["example.org"]) + CHAIN, r"lacks \*\.example\.com, example\.com"),
        (leaf() + OUTER.certificate_pem() + INNER.certificate_pem(), "out of order at .*Outer"),
        (leaf() + INNER.certificate_pem() + ROOT.certificate_pem(), "out of order at .*Root"),
        (leaf() + make_authority("Inner intermediate").certificate_pem(), "out of order at .*Inner"),
        (INNER.certificate_pem() + leaf() + OUTER.certificate_pem(), "no usable certificate"),
    ],
)
def test_what_the_authority_sends_is_checked(full_chain: str, words: str) -> None:
    with pytest.raises(AcmeError, match=words) as raised:
        described(full_chain)
    assert "PRIVATE KEY" not in str(raised.value)


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_key_is_read_as_it_was_written(key_type: str) -> None:
    key = make_key(key_type)
    assert write_key(read_key(write_key(key))) == write_key(key)


@pytest.mark.parametrize("pem", ["", "text", leaf()])
def test_what_is_no_key_is_refused(pem: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_key(pem)


def test_an_encrypted_key_is_refused() -> None:
    pem = KEY.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"a password"),
    )
    with pytest.raises(ValueError, match="encrypted"):
        read_key(pem.decode())


def test_a_key_of_another_kind_is_refused() -> None:
    other = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(ValueError, match="neither an RSA nor an elliptic curve key"):
        read_key(other.decode())


def test_the_topmost_issuer() -> None:
    assert topmost_issuer(leaf() + CHAIN) == "Root"
    assert topmost_issuer(leaf() + INNER.certificate_pem()) == "Outer intermediate"
    assert topmost_issuer("no chain") == ""
