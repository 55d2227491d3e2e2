"""The reader of certificates agrees with cryptography's, and mutated bytes are a ValueError at worst."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from synology_agent.certificates import X509, read_der, read_pem

from .certificates import Authority, Issued, PrivateKey, issue, make_authority

ROOT = make_authority("Test Root")
INTERMEDIATE = make_authority("Test Intermediate", ROOT)
LEAF = issue(["nas.example.com", "*.home.example.com"], INTERMEDIATE)
DER = x509.load_pem_x509_certificate(LEAF.leaf.encode()).public_bytes(Encoding.DER)


def agree(read: X509, certificate: x509.Certificate) -> None:
    assert read.serial == f"{certificate.serial_number:x}"
    assert read.subject == certificate.subject.public_bytes()
    assert read.issuer == certificate.issuer.public_bytes()
    assert read.not_before == certificate.not_valid_before_utc
    assert read.not_after == certificate.not_valid_after_utc
    assert read.fingerprint == certificate.fingerprint(hashes.SHA256()).hex()


def test_a_leaf(issued: Issued) -> None:
    certificate = x509.load_pem_x509_certificate(issued.leaf.encode())
    (read,) = read_pem(issued.leaf)
    agree(read, certificate)
    assert read.names == ("nas.example.com", "*.home.example.com")
    assert read.issuer_name == "Test Intermediate"
    assert (read.key_type, read.key_bits, read.signature_hash) == ("ec", 256, "sha256")
    assert not read.is_authority
    assert not read.self_signed


def test_an_intermediate_and_a_root() -> None:
    intermediate, root = read_pem(INTERMEDIATE.pem + ROOT.pem)
    leaf = read_pem(LEAF.leaf)[0]
    assert intermediate.is_authority
    assert root.self_signed
    assert leaf.names_issuer(intermediate)
    assert intermediate.names_issuer(root)
    assert not leaf.names_issuer(root)
    assert root.authority_key_id is None
    assert root.names_issuer(root)


def test_an_issuer_of_the_same_name_with_another_key_is_another_one() -> None:
    (namesake,) = read_pem(make_authority("Test Intermediate", ROOT).pem)
    assert not read_pem(LEAF.leaf)[0].names_issuer(namesake)


@pytest.mark.parametrize(
    ("key", "kind", "bits"),
    [
        (rsa.generate_private_key(public_exponent=65537, key_size=2048), "rsa", 2048),
        (rsa.generate_private_key(public_exponent=65537, key_size=1024), "rsa", 1024),  # noqa: S505
        (ec.generate_private_key(ec.SECP384R1()), "ec", 384),
        (ec.generate_private_key(ec.SECP521R1()), "ec", 521),
        (ec.generate_private_key(ec.SECP256K1()), "ec", 0),
        (ed25519.Ed25519PrivateKey.generate(), "1.3.101.112", 0),
    ],
)
def test_keys(intermediate: Authority, key: PrivateKey, kind: str, bits: int) -> None:
    (read,) = read_pem(issue(["nas.example.com"], intermediate, key=key).leaf)
    assert (read.key_type, read.key_bits) == (kind, bits)


def test_the_common_name_counts_where_there_is_no_alternative_name() -> None:
    assert read_pem(ROOT.pem)[0].names == ("test root",)


def test_a_subject_without_common_name(intermediate: Authority) -> None:
    (read,) = read_pem(issue(["nas.example.com"], intermediate, common_name="").leaf)
    assert read.names == ("nas.example.com",)


def test_a_time_after_2049_is_written_otherwise() -> None:
    far = make_authority("Far", None, ends=datetime.timedelta(days=365 * 60))
    agree(read_pem(far.pem)[0], far.certificate)


def test_an_issuer_with_an_organization_alone() -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Müller & Söhne")])
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime(2026, 1, 1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA384())
    )
    read = read_der(made.public_bytes(Encoding.DER))
    assert read.issuer_name == "Müller & Söhne"
    assert read.signature_hash == "sha384"
    assert (read.names, read.serial, read.subject_key_id) == ((), "1", None)


def test_text_around_a_certificate_does_not_count() -> None:
    """Openssl writes "Bag Attributes" in front, with the friendly name in whatever encoding."""
    assert len(read_pem("friendlyName: M\ufffdller\n" + LEAF.leaf + "# and\n" + LEAF.chain)) == 2
    assert read_pem("nothing") == []


def test_what_is_cut_off_is_not_passed_over() -> None:
    for text in (LEAF.leaf[:-40], LEAF.leaf + LEAF.chain[:60], LEAF.leaf[:-40] + LEAF.chain):
        with pytest.raises(ValueError, match=r"does not end|[Nn]on-base64|Only base64"):
            read_pem(text)


LENGTH = DER[2:4]  # of the outermost value, in two bytes after 0x82; another one in each process


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"\x30\x80", "a length that is no DER"),  # indefinite
        (b"\x30\x83\x00" + LENGTH, "a length that is no DER"),  # longer than it has to be
        (b"\x30\x85\x00\x00\x00" + LENGTH, "a length that is no DER"),
        (b"\x30\xff", "a length that is no DER"),
        (b"\x30\x84\xff\xff\xff\xff", "it ends too early"),  # negative, if it were signed
        (b"\x30\x84\x7f\xff\xff\xff", "it ends too early"),
        (b"\x3f\x82" + LENGTH, "a tag that none has"),
        (b"\x31\x82" + LENGTH, "its structure is another"),
    ],
    ids=["indefinite", "longer", "five bytes", "reserved", "negative", "too long", "tag", "structure"],
)
def test_lengths_and_tags_that_are_no_der(head: bytes, reason: str) -> None:
    assert DER[:2] == b"\x30\x82"
    read_der(DER)
    with pytest.raises(ValueError, match=reason):
        read_der(head + DER[4:])


def test_what_stands_behind_a_certificate_is_refused() -> None:
    with pytest.raises(ValueError, match="its structure is another"):
        read_der(DER + b"\x05\x00")


def value(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def replaced(old: bytes, new: bytes) -> bytes:
    """Return DER with `old` replaced by as many other bytes."""
    assert DER.count(old) == 1
    assert len(old) == len(new)
    return DER.replace(old, new)


@pytest.mark.parametrize(
    "moment",
    [
        b"2611250101 0Z",
        b"261125010199Z",
        b"261325010100Z",
        b"26112501010\xb2Z",
        b"2611250101000",
        b"+61125010100Z",
    ],
)
def test_times_that_are_none(moment: bytes) -> None:
    (read,) = read_pem(LEAF.leaf)
    begin = read.not_before.strftime("%y%m%d%H%M%SZ").encode()
    with pytest.raises(ValueError, match=r"a time is wanted|does not match|must be in"):
        read_der(replaced(value(0x17, begin), value(0x17, moment)))


@pytest.mark.parametrize("name", [b"nas.example.co\x00", b"nas.example.co\xff", b"nas.exa\x1b[2J.com"])
def test_names_that_are_none(name: bytes) -> None:
    with pytest.raises(ValueError, match="is no DNS name"):
        read_der(replaced(value(0x82, b"nas.example.com"), value(0x82, name)))


def test_a_negative_serial_is_written_as_python_does() -> None:
    """As the renewer would write it."""
    number = int(read_der(DER).serial, 16)
    size = number.bit_length() // 8 + 1
    serial = value(0x02, number.to_bytes(size, "big"))
    negative = bytes([*serial[:2], serial[2] | 0x80, *serial[3:]])
    expected = int.from_bytes(negative[2:], "big", signed=True)
    assert int(read_der(replaced(serial, negative)).serial, 16) == expected < 0


def test_an_extension_that_is_there_twice() -> None:
    """OpenSSL ignores both, and another reader takes the last."""
    with pytest.raises(ValueError, match=r"its extension 2\.5\.29\.17 is there twice"):
        read_der(replaced(bytes.fromhex("0603551d0e"), bytes.fromhex("0603551d11")))


def test_an_elliptic_curve_by_its_parameters_is_of_no_known_size() -> None:
    curve = bytes.fromhex("06082a8648ce3d030107")
    assert read_der(replaced(curve, b"\x30\x08" + curve[2:])).key_bits == 0


@settings(max_examples=300)
@given(st.integers(0, len(DER) - 1), st.integers(0, 255))
def test_a_flipped_byte_is_a_value_error_at_worst(at: int, byte: int) -> None:
    try:
        read = read_der(DER[:at] + bytes([byte]) + DER[at + 1 :])
    except ValueError:
        return
    assert read.not_before.tzinfo is not None
    assert read.fingerprint != read_der(DER).fingerprint or DER[at] == byte


@settings(max_examples=100)
@given(st.binary(max_size=60) | st.integers(0, len(DER)).map(lambda end: DER[:end]))
def test_other_bytes_are_a_value_error(content: bytes) -> None:
    if content != DER:
        with pytest.raises(ValueError, match="certificate"):
            read_der(content)
