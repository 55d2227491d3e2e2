"""What the certificate authority calls itself in CAA records: its ACME directory says it."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.request
from dataclasses import dataclass

_SECONDS = 10


@dataclass(frozen=True)
class Authority:
    """The names of an authority, or why they are not known."""

    identities: tuple[str, ...]
    problem: str = ""


def read_authority(url: str, ca_root: str | None) -> Authority:
    """Fetch the directory; never raises. The names are `caaIdentities` of RFC 8555 section 7.1.1.

    Args:
        url: of the directory.
        ca_root: PEM of the roots that verify it; without it the system's do.
    """
    if not url.startswith("https://"):
        return Authority((), f"the directory {url} is not an https:// URL")
    try:
        context = ssl.create_default_context(cadata=ca_root or None)
        with urllib.request.urlopen(url, timeout=_SECONDS, context=context) as response:  # noqa: S310 - https
            directory = json.load(response)
        identities = directory.get("meta", {}).get("caaIdentities", [])
    except (OSError, ValueError, AttributeError, http.client.HTTPException) as error:
        return Authority((), f"the directory {url} cannot be read: {getattr(error, 'reason', error)}")
    if not isinstance(identities, list) or not identities:
        return Authority((), f"the directory {url} names no CAA identity")
    return Authority(tuple(map(str, identities)))
