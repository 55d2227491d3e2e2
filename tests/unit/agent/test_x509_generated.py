"""The reader of certificates says of generated ones what cryptography's says."""

from __future__ import annotations

import datetime
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from synology_agent.certificates import X509, read_der

from .certificates import PrivateKey

KEYS: list[PrivateKey] = [
    rsa.generate_private_key(public_exponent=65537, key_size=2048),
    rsa.generate_private_key(public_exponent=3, key_size=3072),
    ec.generate_private_key(ec.SECP256R1()),
    ec.generate_private_key(ec.SECP384R1()),
    ed25519.Ed25519PrivateKey.generate(),
]
SIGNERS = KEYS[:4]
HASHES: list[hashes.SHA256 | hashes.SHA384 | hashes.SHA512] = [
    hashes.SHA256(),
    hashes.SHA384(),
    hashes.SHA512(),
]
TYPES = (_ASN1Type.UTF8String, _ASN1Type.BMPString)
PARTS = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.COUNTRY_NAME)

LABELS = st.text("abcXYZ019-", min_size=1, max_size=12)
DNS_NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join) | LABELS.map("*.{}.example".format)
OTHER_NAMES = st.sampled_from(
    [
        x509.IPAddress(ip_address("192.0.2.1")),
        x509.IPAddress(ip_address("2001:db8::1")),
        x509.RFC822Name("someone@example.com"),
        x509.UniformResourceIdentifier("https://example.com/"),
        x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x" * 60)])),
        x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x04\x01a"),
    ]
)
TEXTS = st.text(
    st.characters(min_codepoint=32, max_codepoint=0xFFFF, exclude_categories=("C", "Z")),
    min_size=1,
    max_size=21,
)
MOMENTS = st.datetimes(datetime.datetime(1951, 1, 1), datetime.datetime(2120, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0)
)


@st.composite
def names(draw: st.DrawFn) -> x509.Name:
    parts = []
    for kind in draw(st.lists(st.sampled_from(PARTS), unique=True)):
        if kind is NameOID.COUNTRY_NAME:
            parts.append(x509.NameAttribute(kind, "DE"))
        else:
            parts.append(x509.NameAttribute(kind, draw(TEXTS)[:64], draw(st.sampled_from(TYPES))))
    return x509.Name(parts)


@st.composite
def certificates(draw: st.DrawFn) -> x509.Certificate:
    key, signer = draw(st.sampled_from(KEYS)), draw(st.sampled_from(SIGNERS))
    begin, end = sorted([draw(MOMENTS), draw(MOMENTS)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(draw(names()))
        .issuer_name(draw(names()))
        .public_key(key.public_key())
        .serial_number(draw(st.integers(1, 2**159 - 1) | st.integers(1, 300)))
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    for extension in draw(st.permutations(draw(extensions(key, signer)))):
        builder = builder.add_extension(extension, critical=draw(st.booleans()))
    pss = None
    algorithm = draw(st.sampled_from(HASHES))
    if isinstance(signer, rsa.RSAPrivateKey) and draw(st.booleans()):
        pss = padding.PSS(padding.MGF1(algorithm), padding.PSS.DIGEST_LENGTH)
    return builder.sign(signer, algorithm, rsa_padding=pss)


@st.composite
def extensions(draw: st.DrawFn, key: PrivateKey, signer: PrivateKey) -> list[x509.ExtensionType]:
    found: list[x509.ExtensionType] = []
    if draw(st.booleans()):
        dns = [x509.DNSName(name) for name in draw(st.lists(DNS_NAMES, max_size=4))]
        listed: list[Any] = [*dns, *draw(st.lists(OTHER_NAMES, max_size=2))]
        if listed:
            found.append(x509.SubjectAlternativeName(draw(st.permutations(listed))))
    if draw(st.booleans()):
        is_authority = draw(st.booleans())
        length = draw(st.none() | st.integers(0, 3)) if is_authority else None
        found.append(x509.BasicConstraints(ca=is_authority, path_length=length))
    if draw(st.booleans()):
        found.append(x509.SubjectKeyIdentifier.from_public_key(key.public_key()))
    if draw(st.booleans()):
        found.append(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()))
    elif draw(st.booleans()):
        issuer = [x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")]))]
        found.append(
            x509.AuthorityKeyIdentifier(draw(st.none() | st.binary(min_size=1, max_size=20)), issuer, 7)
        )
    if draw(st.booleans()):
        found.append(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]))
    return found


@settings(max_examples=100, deadline=None)
@given(certificates())
def test_the_reader_agrees_with_cryptography(certificate: x509.Certificate) -> None:
    der = certificate.public_bytes(Encoding.DER)
    read = read_der(der)
    assert (read.der, read.fingerprint) == (der, certificate.fingerprint(hashes.SHA256()).hex())
    assert read.serial == f"{certificate.serial_number:x}"
    assert read.subject == certificate.subject.public_bytes()
    assert read.issuer == certificate.issuer.public_bytes()
    assert read.self_signed == (read.subject == read.issuer)
    assert read.subject_name == called(certificate.subject)
    assert read.issuer_name == called(certificate.issuer)
    assert read.not_before == certificate.not_valid_before_utc
    assert read.not_after == certificate.not_valid_after_utc
    algorithm = certificate.signature_hash_algorithm
    assert algorithm is not None
    assert read.signature_hash == algorithm.name
    assert_key_agrees(read, certificate)
    assert_extensions_agree(read, certificate)


def called(name: x509.Name) -> str:
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for attribute in name.get_attributes_for_oid(kind):
            return str(attribute.value)
    return ""


def assert_key_agrees(read: X509, certificate: x509.Certificate) -> None:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        assert (read.key_type, read.key_bits) == ("rsa", key.key_size)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        assert (read.key_type, read.key_bits) == ("ec", key.curve.key_size)
    else:
        assert (read.key_type, read.key_bits) == ("1.3.101.112", 0)


def assert_extensions_agree(read: X509, certificate: x509.Certificate) -> None:
    alternative = extension(certificate, x509.SubjectAlternativeName)
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if alternative is not None:
        expected = alternative.get_values_for_type(x509.DNSName)
    else:
        expected = [str(one.value) for one in common]
    assert read.names == tuple(name.lower() for name in expected)
    constraints = extension(certificate, x509.BasicConstraints)
    assert read.is_authority == (constraints is not None and constraints.ca)
    subject, authority = (
        extension(certificate, kind) for kind in (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier)
    )
    assert read.subject_key_id == (subject and subject.digest)
    assert read.authority_key_id == (authority and authority.key_identifier)


def extension(certificate: x509.Certificate, kind: Any) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
