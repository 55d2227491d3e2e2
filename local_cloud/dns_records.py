"""Route 53's texts as DNS data: names with octal escapes, values of each record type.

The forms are those of the Route 53 Developer Guide, "DNS domain name format" and "Supported DNS record
types".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import dnslib  # type: ignore[import-untyped]

Name = tuple[bytes, ...]
"""A domain name as its labels, in lower case and without the root: example.com is (b"example", b"com")."""

_ESCAPE = re.compile(rb"\\([0-3][0-7]{2}|.)", re.DOTALL)
_LABEL = re.compile(rb"(?:\\[0-3][0-7]{2}|\\.|[^.\\])+", re.DOTALL)
_CHARACTER_STRING = re.compile(rb'"((?:\\.|[^"\\])*)"|([^\s"]+)', re.DOTALL)
_LONGEST_CHARACTER_STRING = 255  # RFC 1035 section 3.3


def parse_name(text: str) -> Name:
    r"""Return the labels of a name as Route 53 writes it, `\052` (octal) being the asterisk of a wildcard.

    Example:
        >>> parse_name("\\052.Example.com.")
        (b'*', b'example', b'com')
    """
    return tuple(_unescape(label).lower() for label in _LABEL.findall(text.encode()))


def parse_character_strings(value: str) -> list[bytes]:
    r"""Return the character strings of a TXT value: quoted, with `\"`, `\\` and octal escapes.

    Example:
        >>> parse_character_strings('"one" "two\\040\\"words\\""')
        [b'one', b'two "words"']

    Raises:
        ValueError: a string is longer than the 255 octets that DNS allows.
    """
    strings = [_unescape(quoted or bare) for quoted, bare in _CHARACTER_STRING.findall(value.encode())]
    if any(len(string) > _LONGEST_CHARACTER_STRING for string in strings):
        raise ValueError(f"a character string of over {_LONGEST_CHARACTER_STRING} octets: {value[:40]}…")
    return strings


def parse_value(record_type: str, value: str) -> Any:
    """Return dnslib's rdata for one value of a record set.

    Raises:
        ValueError: the type is none of SUPPORTED, or the value is not one of that type.
    """
    try:
        return _PARSERS[record_type](value)
    except KeyError:
        raise ValueError(f"records of type {record_type} are not served") from None


def _unescape(text: bytes) -> bytes:
    def character(match: re.Match[bytes]) -> bytes:
        escaped = match[1]
        return bytes([int(escaped, 8)]) if len(escaped) > 1 else escaped

    return _ESCAPE.sub(character, text)


def _parse_soa(value: str) -> Any:
    primary, mailbox, *times = value.split()
    return dnslib.SOA(_label(primary), _label(mailbox), tuple(int(number) for number in times))


def _parse_caa(value: str) -> Any:
    flags, tag, text = value.split(None, 2)
    return dnslib.CAA(int(flags), tag, b"".join(parse_character_strings(text)).decode())


def _label(text: str) -> Any:
    return dnslib.DNSLabel(parse_name(text))


_PARSERS: dict[str, Callable[[str], Any]] = {
    "A": dnslib.A,
    "AAAA": dnslib.AAAA,
    "CAA": _parse_caa,
    "CNAME": lambda value: dnslib.CNAME(_label(value)),
    "NS": lambda value: dnslib.NS(_label(value)),
    "SOA": _parse_soa,
    "TXT": lambda value: dnslib.TXT(parse_character_strings(value)),
}
SUPPORTED = frozenset(_PARSERS)
