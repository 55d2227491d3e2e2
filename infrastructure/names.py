"""Logical names that stay within what AWS allows a name, and stay apart from each other."""

from __future__ import annotations

import hashlib

_DIGEST = 8


def shortened(name: str, longest: int) -> str:
    """Return `name`, or its beginning with a digest of the whole, of `longest` characters at most."""
    if len(name) <= longest:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
    return f"{name[: longest - _DIGEST - 1]}-{digest}"
