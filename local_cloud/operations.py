"""Which operation of the ACME server or of AWS a request is, and how each of them refuses one."""

from __future__ import annotations

import json
import re
from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit

from local_cloud.acme.server import fetch

# What the directory does not name (RFC 8555 leaves these URLs to the server): Pebble's paths.
_PEBBLE_PATHS = {
    "authZ": "authorization",
    "chalZ": "challenge",
    "my-order": "order",
    "finalize-order": "finalize",
    "certZ": "certificate",
}
_ROUTE53_PATHS = (
    ("POST", r"/2013-04-01/hostedzone/[^/]+/rrset/?", "ChangeResourceRecordSets"),
    ("GET", r"/2013-04-01/hostedzone/[^/]+/rrset", "ListResourceRecordSets"),
    ("GET", r"/2013-04-01/hostedzone/[^/]+", "GetHostedZone"),
    ("GET", r"/2013-04-01/change/[^/]+", "GetChange"),
)


def acme_operations(directory_url: str, ca_root: Path) -> dict[str, str]:
    """Return the operation by path, for the paths that the directory names."""
    directory = json.loads(fetch(directory_url, ca_root))
    named = {urlsplit(url).path: name for name, url in directory.items() if isinstance(url, str)}
    return {**named, urlsplit(directory_url).path: "directory"}


def acme_operation(operations: dict[str, str], path: str) -> str:
    """Return the operation, such as `newOrder` or `authorization`; the path itself where it is not known."""
    below = path.rsplit("/", 1)[0]  # renewal information: the certificate's identifier follows
    return operations.get(path) or operations.get(below) or _PEBBLE_PATHS.get(path.split("/")[1]) or path


def aws_operation(method: str, url: str, headers: Message, body: bytes) -> str:
    """Return the operation, such as `PutSecretValue`; method and path where it is not known."""
    query = re.match(rb"Action=(\w+)&", body)  # the Query protocol, as of CloudWatch
    if query:
        return query[1].decode()
    target = headers.get("X-Amz-Target")
    if target:
        return str(target).rsplit(".", 1)[-1]
    path = urlsplit(url).path
    for allowed, pattern, operation in _ROUTE53_PATHS:
        if method == allowed and re.fullmatch(pattern, path):
            return operation
    return f"{method} {path}"


def refusal(service: str, operation: str, *, throttled: bool) -> tuple[int, dict[str, str], bytes]:
    """Return an answer as the service gives it: a server error, or the request to slow down."""
    if service == "acme":
        status, kind = (429, "rateLimited") if throttled else (500, "serverInternal")
        problem = {"type": f"urn:ietf:params:acme:error:{kind}", "detail": "injected", "status": status}
        more = {"Retry-After": "60"} if throttled else {}
        return status, {"Content-Type": "application/problem+json", **more}, json.dumps(problem).encode()
    if operation in {name for _, _, name in _ROUTE53_PATHS}:
        slow = "PriorRequestNotComplete" if operation == "ChangeResourceRecordSets" else "Throttling"
        code = slow if throttled else "InternalFailure"
        xml = f"<ErrorResponse><Error><Code>{code}</Code><Message>injected</Message></Error></ErrorResponse>"
        return 400 if throttled else 500, {"Content-Type": "text/xml"}, xml.encode()
    error = {"__type": "ThrottlingException" if throttled else "InternalServiceError", "message": "injected"}
    return (
        400 if throttled else 500,
        {"Content-Type": "application/x-amz-json-1.1"},
        json.dumps(error).encode(),
    )
