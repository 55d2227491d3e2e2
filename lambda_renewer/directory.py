"""The ACME directory (RFC 8555 section 7.1.1) and renewal information (RFC 9773), without the acme library.

A run that finds nothing to do asks no more than this, and so starts without acme and cryptography.
"""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from .clock import from_rfc3339, retry_after_seconds
from .document import Certificate
from .errors import AcmeError, retry_time

USER_AGENT = "synology-https"
REQUEST_SECONDS = 30.0

# RFC 9773 section 4.3.2: intervals under a minute or over a day may be treated as those.
_SHORTEST_POLL, _LONGEST_POLL = timedelta(minutes=1), timedelta(days=1)
_USUAL_POLL = timedelta(hours=6)

Directory = dict[str, Any]


@dataclass(frozen=True)
class RenewalWindow:
    """What a certificate authority says of the time to renew (RFC 9773 section 4.2).

    Attributes:
        start: of the suggested window.
        end: of it.
        explanation: URL of a page that says why, or None.
        ask_after: the authority does not want to be asked again before.
    """

    start: datetime
    end: datetime
    explanation: str | None
    ask_after: datetime


def fetch_directory(url: str, ca_root: str | None) -> Directory:
    """Fetch the directory.

    Args:
        url: https URL of the directory.
        ca_root: PEM of the roots that verify it, or None for the public ones.

    Raises:
        AcmeError: it cannot be reached, or what it answers is no directory.
    """
    directory, _ = _get_json(url, ca_root)
    if not (isinstance(directory.get("newOrder"), str) and isinstance(directory.get("meta", {}), dict)):
        raise AcmeError(f"{url} answers no ACME directory: check the directory's URL")
    return directory


def fetch_renewal_window(
    directory: Directory, certificate: Certificate, ca_root: str | None, now: datetime
) -> RenewalWindow | None:
    """Ask when the certificate should be renewed; None where the directory offers no renewal information.

    Raises:
        AcmeError: it cannot be reached, or the answer is not as RFC 9773 says.
    """
    base = directory.get("renewalInfo")
    if not isinstance(base, str):
        return None
    url = f"{base.rstrip('/')}/{certificate.ari_id}"
    answer, retry_after = _get_json(url, ca_root)
    try:
        window = answer["suggestedWindow"]
        start, end = from_rfc3339(window["start"]), from_rfc3339(window["end"])
    except (KeyError, TypeError, ValueError) as error:
        raise AcmeError(f"{url} answers no suggested window: {error}") from None
    if end < start:
        raise AcmeError(f"{url} answers a window that ends before it starts")
    explanation = answer.get("explanationURL")
    longest = _LONGEST_POLL.total_seconds()  # clipped before it can overflow a timedelta
    wait = _USUAL_POLL if retry_after is None else timedelta(seconds=min(retry_after, longest))
    return RenewalWindow(
        start.astimezone(UTC),
        end.astimezone(UTC),
        explanation if isinstance(explanation, str) else None,
        now + max(wait, _SHORTEST_POLL),
    )


def _get_json(url: str, ca_root: str | None) -> tuple[dict[str, Any], float | None]:
    """Return the JSON object at an https URL, and its Retry-After in seconds."""
    if not url.startswith("https://"):
        raise AcmeError(f"{url} is not an https:// URL (RFC 8555 section 6.1)")
    request = urllib.request.Request(url, headers={"User-Agent": USER_AGENT, "Accept": "application/json"})  # noqa: S310
    try:
        context = ssl.create_default_context(cadata=ca_root)
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS, context=context) as response:  # noqa: S310
            answer = json.load(response)
            retry_after = retry_after_seconds(response.headers.get("Retry-After"))
    except urllib.error.HTTPError as error:
        refusal = AcmeError(f"{url} answers HTTP {error.code}: {error.reason}")
        refusal.retry_at = retry_time(retry_after_seconds(error.headers.get("Retry-After")))
        raise refusal from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise AcmeError(
            f"the certificate authority cannot be reached at {url}: {getattr(error, 'reason', error)}. "
            "The schedule tries again by itself."
        ) from None
    if not isinstance(answer, dict):
        raise AcmeError(f"{url} answers no JSON object")
    return answer, retry_after
