"""Signature Version 4 in headers (IAM User Guide, "Create a signed AWS API request"), S3 excepted."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"


def sign(
    *,
    url: str,
    body: bytes,
    headers: dict[str, str],
    service: str,
    region: str,
    access_key_id: str,
    secret_access_key: str,
    timestamp: str,
    method: str = "POST",
) -> dict[str, str]:
    """Return the headers of a signed request: those given, Host, X-Amz-Date and Authorization.

    Args:
        url: where the request goes, encoded as it has to be sent; its path has no dot segments.
        body: what is sent.
        headers: further headers, all of which are signed.
        service: the service's signing name, such as `secretsmanager`.
        region: AWS region.
        access_key_id: the access key.
        secret_access_key: its secret.
        timestamp: the time of the request in UTC, as `20261125T020000Z`.
        method: HTTP's.
    """
    parts = urlsplit(url)
    signed = {**headers, "Host": parts.netloc, "X-Amz-Date": timestamp}
    canonical = {name.lower(): " ".join(value.split()) for name, value in signed.items()}
    names = ";".join(sorted(canonical))
    request = "\n".join(
        (
            method,
            quote(parts.path or "/", safe="/-_.~"),
            _canonical_query(parts.query),
            *(f"{name}:{canonical[name]}" for name in sorted(canonical)),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    scope = "/".join((timestamp[:8], region, service, "aws4_request"))
    to_sign = "\n".join((_ALGORITHM, timestamp, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = ("AWS4" + secret_access_key).encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    signature = _hmac(key, to_sign).hex()
    signed["Authorization"] = (
        f"{_ALGORITHM} Credential={access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return signed


def _canonical_query(query: str) -> str:
    pairs = sorted(part.partition("=")[::2] for part in query.split("&") if part)
    return "&".join(f"{name}={value}" for name, value in pairs)


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
