"""DER, as far as certificates need it (X.690): values one after the other, each a tag, a length, a content.

Every function raises a ValueError, or an IndexError where a value is empty, for what is no DER.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Iterator, NamedTuple

BOOLEAN, INTEGER, BITS, OCTETS, OID, SEQUENCE = 0x01, 0x02, 0x03, 0x04, 0x06, 0x30
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18

_LONG_FORM, _LENGTH_BYTES = 0x80, range(1, 5)  # of a length (8.1.3.5)
_LONG_TAG = 0x1F  # a tag of several bytes (8.1.2.4), which no certificate needs
_OID_BYTES = 32  # far more than any in use
_TIMES = {_UTC_TIME: re.compile(rb"[0-9]{12}Z"), _GENERALIZED_TIME: re.compile(rb"[0-9]{14}Z")}


class Value(NamedTuple):
    """One value.

    Attributes:
        tag: its first byte.
        content: the bytes after the length.
        whole: all of its bytes.
    """

    tag: int
    content: bytes
    whole: bytes


def read_values(content: bytes) -> Iterator[Value]:
    """Yield the values that stand one after the other in `content`."""
    at = 0
    while at < len(content):
        begin, tag, length = at, content[at], content[at + 1]
        at += 2
        if tag & _LONG_TAG == _LONG_TAG:
            raise ValueError("no certificate: a tag that none has")
        if length & _LONG_FORM:
            count = length & 0x7F
            if count not in _LENGTH_BYTES or at + count > len(content):
                raise ValueError("no certificate: a length that is no DER")
            length = int.from_bytes(content[at : at + count], "big")
            if length < _LONG_FORM or not content[at]:
                raise ValueError("no certificate: a length that is no DER")
            at += count
        if at + length > len(content):
            raise ValueError("no certificate: it ends too early")
        yield Value(tag, content[at : at + length], content[begin : at + length])
        at += length


def expect(content: bytes, count: int, *tags: int) -> list[Value]:
    """Return the `count` values in `content`, the first of which have these tags."""
    values = list(read_values(content))
    if len(values) != count or any(value.tag != tag for value, tag in zip(values, tags)):
        raise ValueError("no certificate: its structure is another")
    return values


def first(content: bytes) -> Value:
    """Return the first value in `content`."""
    for value in read_values(content):
        return value
    raise ValueError("no certificate: an empty value")


def read_oid(value: Value) -> str:
    """Read an object identifier, as `2.5.4.3`."""
    if value.tag != OID or len(value.content) > _OID_BYTES or value.content[-1] & 0x80:
        raise ValueError("no certificate: an object identifier is wanted")
    numbers, number = [], 0
    for byte in value.content:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    root = min(numbers[0] // 40, 2)  # the first two are written as one (8.19.4)
    return ".".join(map(str, [root, numbers[0] - 40 * root, *numbers[1:]]))


def read_time(value: Value) -> datetime:
    """Read a Time: before 2050 with two digits for the year (RFC 5280, 4.1.2.5)."""
    form = _TIMES.get(value.tag)
    if form is None or not form.fullmatch(value.content):
        raise ValueError("no certificate: a time is wanted")
    text = value.content.decode("ascii")
    if value.tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)
