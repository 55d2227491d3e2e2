"""When to renew: a pure function of the document, the request, ARI's window, now and the next run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from .clock import to_rfc3339
from .directory import RenewalWindow
from .document import Certificate
from .request import CertificateRequest

_SHORT_LIFETIME = timedelta(days=10)


@dataclass(frozen=True)
class Decision:
    """Whether to renew, why, and the moment from which the certificate is due.

    Attributes:
        renew: renew now.
        reason: one sentence for a person.
        due: when it is due, or None where the reason is not a date.
    """

    renew: bool
    reason: str
    due: datetime | None = None


def decide(
    certificate: Certificate | None,
    request: CertificateRequest,
    window: RenewalWindow | None,
    now: datetime,
    next_run: datetime,
) -> Decision:
    """Decide whether `certificate` is to be renewed in this run.

    It is renewed now if it is due before the next run could see it (RFC 9773 section 4.2).

    Args:
        certificate: the current one, or None if nothing was issued yet or it was revoked.
        request: what is wanted.
        window: the authority's renewal information, or None where there is none.
        now: the current time.
        next_run: the latest moment at which the next scheduled run starts.
    """
    if certificate is None:
        return Decision(renew=True, reason="there is no certificate")
    changed = _what_changed(certificate, request)
    if changed:
        return Decision(renew=True, reason=changed)
    due, chosen_by = _due(certificate, window)
    if due <= now:
        return Decision(renew=True, reason=f"it has been due since {to_rfc3339(due)}, {chosen_by}", due=due)
    if due <= next_run:
        reason = (
            f"it is due at {to_rfc3339(due)}, {chosen_by}, and the next run may be at {to_rfc3339(next_run)}"
        )
        return Decision(renew=True, reason=reason, due=due)
    return Decision(renew=False, reason=f"it is not due before {to_rfc3339(due)}, {chosen_by}", due=due)


def _what_changed(certificate: Certificate, request: CertificateRequest) -> str | None:
    for field, is_now, wanted in (
        ("domains", set(certificate.domains), set(request.domains)),
        ("key type", certificate.key_type, request.key_type),
        ("profile", certificate.profile, request.profile),
        ("ACME directory", certificate.acme_directory, request.directory),
    ):
        if is_now != wanted:
            return f"the {field} changed from {_show(is_now)} to {_show(wanted)}"
    return None


def _due(certificate: Certificate, window: RenewalWindow | None) -> tuple[datetime, str]:
    """Return when the certificate is due, and who says so.

    ARI's window is heeded unless the moment chosen in it lies past the certificate's end.
    """
    if window is not None:
        chosen = window.start + (window.end - window.start) * _fraction(certificate.ari_id)
        if chosen < certificate.not_after:
            return chosen, "chosen in the authority's renewal window"
    lifetime = certificate.not_after - certificate.not_before
    if lifetime < _SHORT_LIFETIME:
        return certificate.not_before + lifetime / 2, "half of its lifetime"
    return certificate.not_before + lifetime * 2 / 3, "two thirds of its lifetime"


def _fraction(ari_id: str) -> float:
    """Return a number in [0, 1) that is spread uniformly over certificates and the same at every run."""
    return int.from_bytes(hashlib.sha256(ari_id.encode()).digest()[:6], "big") / (1 << 48)


def _show(value: object) -> str:
    return ", ".join(sorted(value)) if isinstance(value, set) else str(value)
