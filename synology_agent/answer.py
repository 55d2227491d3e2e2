"""What AWS answered to a request, and what it means: a passing state, a refused key, a wrong clock."""

from __future__ import annotations

import email.utils
import http.client
import json
from datetime import datetime, timezone
from email.message import Message
from typing import NamedTuple

# Codes that come with status 400 and pass: the common errors of each service's API reference, and those that
# AWS's own SDKs try again (docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).
_PASSING = {
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_PASSING_STATUSES = {http.client.REQUEST_TIMEOUT, http.client.TOO_MANY_REQUESTS}
_UNKNOWN_KEY = (
    "AWS does not know the access key in the config: `python -m synology_setup rotate-key` makes a new one"
)
_WRONG_KEY = "the secret access key in the config is wrong, or the NAS's clock is"
# Each is also what AWS says of a good key that was made, or whose policy was changed, a moment ago.
_KEY_REFUSED = {
    "AccessDenied": "the NAS's key may not do this: run `pulumi up`, which makes its policy",
    "AccessDeniedException": "the NAS's key may not read it: does `pulumi stack output` show this secret?",
    "InvalidClientTokenId": _UNKNOWN_KEY,
    "InvalidSignatureException": _WRONG_KEY,
    "SignatureDoesNotMatch": _WRONG_KEY,
    "UnrecognizedClientException": _UNKNOWN_KEY,
}
_ADVICE = {
    **_KEY_REFUSED,
    "ResourceNotFoundException": "there is no such secret: `pulumi up` makes it; name it in the config",
}
_SIGNATURE_REFUSED = {"InvalidSignatureException", "SignatureDoesNotMatch"}
_LONGEST_MESSAGE = 500


class Answer(NamedTuple):
    """One answer.

    Attributes:
        status: HTTP's.
        headers: its headers.
        body: JSON from Secrets Manager, XML from CloudWatch, anything from what stands between.
    """

    status: int
    headers: Message
    body: bytes

    @property
    def code(self) -> str:
        """AWS's code of the error, such as `AccessDeniedException`, or `HTTP 403` where it names none."""
        return self._problem()[0] or f"HTTP {self.status}"

    @property
    def message(self) -> str:
        """The first line of AWS's message: after it, a refused signature is explained over many."""
        return self._problem()[1].partition("\n")[0][:_LONGEST_MESSAGE]

    @property
    def advice(self) -> str:
        """What to do about the error, or an empty text."""
        return _ADVICE.get(self.code, "")

    @property
    def is_passing(self) -> bool:
        """AWS is throttling, or has a problem of its own."""
        server_error = self.status >= http.client.INTERNAL_SERVER_ERROR
        return server_error or self.status in _PASSING_STATUSES or self.code in _PASSING

    @property
    def refuses_key(self) -> bool:
        """The key is not known, not allowed, or does not fit the signature."""
        return self.code in _KEY_REFUSED

    @property
    def is_about_the_clock(self) -> bool:
        """The request's time is more than minutes away from AWS's."""
        if self.code in ("RequestTimeTooSkewed", "RequestExpired"):
            return True
        return self.code in _SIGNATURE_REFUSED and (
            "Signature expired" in self.message or "Signature not yet current" in self.message
        )

    @property
    def date(self) -> datetime | None:
        """AWS's clock, from the header Date (RFC 9110, section 6.6.1)."""
        try:
            return email.utils.parsedate_to_datetime(self.headers.get("Date", "")).astimezone(timezone.utc)
        except (TypeError, ValueError, IndexError, OverflowError):
            return None

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait as the header Retry-After asks (RFC 9110, section 10.2.3)."""
        text = self.headers.get("Retry-After", "")
        return float(text) if text.isdecimal() else None

    def _problem(self) -> tuple[str, str]:
        """Return code and message, empty where there is none."""
        text = self.body.decode("utf-8", errors="replace")
        try:
            found = json.loads(text)
        except ValueError:
            return _between(text, "Code"), _between(text, "Message")
        if not isinstance(found, dict):
            return "", ""
        code = str(found.get("__type") or found.get("code") or "").rsplit("#", 1)[-1]
        return code, str(found.get("message") or found.get("Message") or "")


def _between(xml: str, tag: str) -> str:
    import html  # noqa: PLC0415 - thousands of names, for an error's text

    return html.unescape(xml.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0])
