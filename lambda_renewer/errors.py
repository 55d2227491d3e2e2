"""What can go wrong in a renewal, in words a user can act on.

RenewerError
├── RequestError        the event is not a certificate request: a field and its value are named
├── StoreError          a stored document cannot be used
│   └── StoreConflict   another run wrote first; read again
├── AwsError            AWS refused a call
│   └── AccessDenied    … because a policy does not allow the action named
├── ZoneError           no hosted zone of the request holds a name, or its record set cannot be changed
├── AcmeError           the certificate authority refused, or answered what RFC 8555 does not allow
│   ├── Problem         … with a problem document (RFC 8555 section 6.7)
│   └── OrderFailed     … the order became invalid
└── DeadlineExceeded    the Lambda's time is nearly over
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .clock import now, to_rfc3339

_LONGEST_SHOWN = 1000
_LONGEST_RETRY_AFTER = 366 * 86_400.0  # more is a mistake, and must not overflow a date
ACCESS_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}

# What a user can do about a problem type of RFC 8555 section 6.7.
_PROBLEM_ADVICE = {
    "rateLimited": "The current certificate stays. Wait; the schedule tries again by itself.",
    "caa": "A CAA record forbids this certificate authority: allow it at the domain, or remove the record.",
    "dns": "The authority could not look up the domain: check that its name servers at the registrar "
    "are those of the hosted zone.",
    "unauthorized": "The authority did not find the TXT record: check that the domain's name servers at "
    "the registrar are those of the hosted zone.",
    "badNonce": "The authority refused every nonce; the schedule tries again by itself.",
    "rejectedIdentifier": "The authority does not issue for this name: correct the domains.",
    "userActionRequired": "The authority's terms of service changed: read them and accept them again.",
    "externalAccountRequired": "This authority wants external account binding, which is not configured.",
}


class RenewerError(Exception):
    """The renewal did not succeed; the certificate that is current stays current.

    Attributes:
        retry_at: the authority does not want to be asked again before, or None.
    """

    retry_at: datetime | None = None


class RequestError(RenewerError):
    """The event is not a certificate request."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        """Name the `field`, its `value` and what is `allowed`."""
        super().__init__(f"certificate request: {field} is {_shown(value)}; {allowed}")
        self.field = field


def _shown(value: object) -> str:
    """Return a value as it may be shown: nothing long or in PEM, which could be a secret."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN and "-----" not in text else "…"


class StoreError(RenewerError):
    """A document in Secrets Manager cannot be used."""


class StoreConflict(StoreError):
    """Another run wrote the secret since it was read."""


class AwsError(RenewerError):
    """AWS refused a call."""


class AccessDenied(AwsError):
    """A policy does not allow an action that the renewer needs."""


class ZoneError(RenewerError):
    """A name's hosted zone is missing from the request, or its record set could not be changed."""


class AcmeError(RenewerError):
    """The certificate authority refused, or did not answer as RFC 8555 says."""


class Problem(AcmeError):
    """An ACME problem document (RFC 8555 section 6.7, RFC 7807)."""

    def __init__(
        self, document: Mapping[str, Any], *, status: int, url: str, retry_after: float | None = None
    ) -> None:
        """Keep the problem `document`, the HTTP `status`, the `url` asked, and Retry-After in seconds.

        `retry_at` is the moment before which the authority does not want to be asked again, or None.
        """
        self.type = str(document.get("type", "about:blank"))
        self.detail = str(document.get("detail", "no detail given"))
        self.status = status
        self.url = url
        self.retry_at = retry_time(retry_after, self.detail)
        when = f" Not to be retried before {to_rfc3339(self.retry_at)}." if self.retry_at else ""
        super().__init__(f"{describe_problem(document)}{when} (HTTP {status} from {url})")

    @property
    def code(self) -> str:
        """The last part of the problem type, such as `rateLimited`."""
        return problem_code(self.type)


class OrderFailed(AcmeError):
    """The order became invalid: the authority will not issue (RFC 8555 section 7.1.6)."""


class DeadlineExceeded(RenewerError):
    """A wait would have taken more than the time that the Lambda has left."""


def retry_time(retry_after: float | None, detail: str = "") -> datetime | None:
    """Return the moment from Retry-After, else from the words that Let's Encrypt puts into the detail."""
    if retry_after is not None:
        return now() + timedelta(seconds=min(retry_after, _LONGEST_RETRY_AFTER))
    words = re.search(r"retry after (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", detail)
    if words is None:
        return None
    try:
        return datetime.fromisoformat(words[1]).replace(tzinfo=UTC)
    except ValueError:  # no such day
        return None


def problem_code(problem_type: str) -> str:
    """Return the last part of a problem type URN: `urn:ietf:params:acme:error:caa` gives `caa`."""
    return problem_type.rsplit(":", 1)[-1]


def describe_problem(document: Mapping[str, Any], *, name: str | None = None) -> str:
    """Say in one line what a problem document says, for which name, and what to do about it."""
    identifier = document.get("identifier")
    if name is None and isinstance(identifier, Mapping):
        name = str(identifier.get("value"))
    parts = [f"{name}: " if name else "", str(document.get("type", "about:blank"))]
    parts.append(f": {document.get('detail', 'no detail given')}")
    subproblems = document.get("subproblems")
    for sub in subproblems if isinstance(subproblems, list) else ():
        if isinstance(sub, Mapping):
            parts.append(f"; {describe_problem(sub)}")
    advice = _PROBLEM_ADVICE.get(problem_code(str(document.get("type", ""))))
    return "".join(parts) + (f" {advice}" if advice else "")


def in_our_words(error: RenewerError | ClientError | BotoCoreError) -> RenewerError:
    """Return the error as one of ours."""
    if isinstance(error, RenewerError):
        return error
    if isinstance(error, ClientError):
        return from_client_error(error)
    return AwsError(f"AWS could not be asked: {error}. The schedule tries again by itself.")


def from_client_error(error: ClientError) -> AwsError:
    """Turn botocore's error into ours, naming the operation.

    Args:
        error: what a boto3 client raised.

    Returns:
        AccessDenied where a policy was the reason, AwsError otherwise.
    """
    code = error.response.get("Error", {}).get("Code", "unknown")
    message = error.response.get("Error", {}).get("Message", "")
    text = f"AWS refused {error.operation_name}: {code}: {message}"
    if code in ACCESS_DENIED:
        return AccessDenied(
            f"{text.rstrip('.')}. The renewer's role lacks this permission: run `pulumi up` to restore it."
        )
    return AwsError(text)
