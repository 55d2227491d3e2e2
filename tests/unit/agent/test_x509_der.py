"""DER is read strictly: what BER would allow besides is refused."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synology_agent.der import OID, Value, expect, first, read_oid, read_time, read_values


def oid(content: bytes) -> Value:
    return Value(OID, content, b"")


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65_535, 65_536])
def test_values_of_all_sizes(size: int) -> None:
    length = bytes([size]) if size < 128 else size.to_bytes((size.bit_length() + 7) // 8, "big")
    head = b"\x04" + (bytes([0x80 | len(length)]) if size >= 128 else b"") + length
    whole = head + b"x" * size
    assert list(read_values(whole + b"\x05\x00")) == [
        Value(0x04, b"x" * size, whole),
        Value(0x05, b"", b"\x05\x00"),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x04\x81\x01a", "a length that is no DER"),
        (b"\x04\x81\x7f" + b"a" * 127, "a length that is no DER"),
        (b"\x04\x82\x00\x80" + b"a" * 128, "a length that is no DER"),
        (b"\x04\x80a\x00\x00", "a length that is no DER"),
        (b"\x04\x85\x01\x00\x00\x00\x00", "a length that is no DER"),
        (b"\x04\x82\x01", "a length that is no DER"),
        (b"\x1f\x81\x01\x01a", "a tag that none has"),
        (b"\x04\x02a", "it ends too early"),
        (b"\x04\x84\xff\xff\xff\xffa", "it ends too early"),
    ],
)
def test_values_that_are_none(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        list(read_values(content))


def test_nothing_and_the_wrong_thing() -> None:
    with pytest.raises(ValueError, match="an empty value"):
        first(b"")
    for content, count, tag in ((b"\x05\x00", 2, 0x05), (b"\x05\x00", 1, 0x04), (b"", 1, 0x05)):
        with pytest.raises(ValueError, match="its structure is another"):
            expect(content, count, tag)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("550403", "2.5.4.3"),
        ("2a864886f70d010101", "1.2.840.113549.1.1.1"),
        ("0992268993f22c640119", "0.9.2342.19200300.100.1.25"),
        ("8837", "2.999"),
    ],
)
def test_object_identifiers(content: str, text: str) -> None:
    assert read_oid(oid(bytes.fromhex(content))) == text


@pytest.mark.parametrize(
    "value", [oid(b"\x2b" + b"\x8f" * 31 + b"\x01"), oid(b"\x55\x84"), Value(0x04, b"\x55\x04\x03", b"")]
)
def test_object_identifiers_that_are_none(value: Value) -> None:
    """An endless one would take long to read: its numbers grow with every byte."""
    with pytest.raises(ValueError, match="an object identifier is wanted"):
        read_oid(value)


@pytest.mark.parametrize(
    ("tag", "text", "year"),
    [
        (0x17, b"491231235959Z", 2049),
        (0x17, b"500101000000Z", 1950),
        (0x18, b"20500101000000Z", 2050),
        (0x18, b"99991231235959Z", 9999),
    ],
)
def test_the_century_of_a_time(tag: int, text: bytes, year: int) -> None:
    """RFC 5280, section 4.1.2.5.1."""
    assert read_time(Value(tag, text, b"")).year == year


@given(st.datetimes(datetime(1000, 1, 1)).map(lambda moment: moment.replace(microsecond=0)))
def test_a_time_is_in_utc(moment: datetime) -> None:
    text = moment.strftime("%Y%m%d%H%M%SZ").encode()
    assert read_time(Value(0x18, text, b"")) == moment.replace(tzinfo=timezone.utc)
