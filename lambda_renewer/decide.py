"""When to renew: a pure function of the document, the request, now and the next run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from .clock import to_rfc3339
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
    certificate: Certificate | None, request: CertificateRequest, now: datetime, next_run: datetime
) -> Decision:
    """Decide whether `certificate` is to be renewed in this run.

    A certificate is due after two thirds of its lifetime, and after half of it where the lifetime is under
    ten days (Let's Encrypt's advice for its profiles). It is renewed now if it would be due before the
    next run could see it (RFC 9773 section 4.2 says so of the time that ARI chooses).

    Args:
        certificate: the current one, or None if nothing was issued yet.
        request: what is wanted.
        now: the current time.
        next_run: the latest moment at which the next scheduled run starts.
    """
    if certificate is None:
        return Decision(renew=True, reason="nothing was issued yet")
    for field, is_now, wanted in (
        ("domains", set(certificate.domains), set(request.domains)),
        ("key type", certificate.key_type, request.key_type),
        ("profile", certificate.profile, request.profile),
        ("ACME directory", certificate.acme_directory, request.directory),
    ):
        if is_now != wanted:
            return Decision(renew=True, reason=f"the {field} changed from {_show(is_now)} to {_show(wanted)}")
    due = due_time(certificate.not_before, certificate.not_after)
    if due <= now:
        return Decision(renew=True, reason=f"it has been due since {to_rfc3339(due)}", due=due)
    if due <= next_run:
        return Decision(
            renew=True,
            reason=f"it is due at {to_rfc3339(due)}, and the next run may start at {to_rfc3339(next_run)}",
            due=due,
        )
    return Decision(renew=False, reason=f"it is not due before {to_rfc3339(due)}", due=due)


def due_time(not_before: datetime, not_after: datetime) -> datetime:
    """Return the moment from which a certificate of this validity is due."""
    lifetime = not_after - not_before
    return not_before + (lifetime / 2 if lifetime < _SHORT_LIFETIME else lifetime * 2 / 3)


def _show(value: object) -> str:
    return ", ".join(sorted(value)) if isinstance(value, set) else str(value)
