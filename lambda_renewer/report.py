"""The action `report`: what is current, when it is due, what is in flight; changes nothing."""

from __future__ import annotations

from .clock import to_rfc3339
from .decide import decide
from .document import Certificate
from .renewal import Outcome, ask_authority, for_this_request, outcome
from .run import Run, stored_certificate, stored_pending


def report(run: Run) -> Outcome:
    """Describe the certificate and the issuance in flight, with nothing secret in it."""
    contents = run.store.read()
    current = run.current = stored_certificate(contents)
    pending = stored_pending(contents)
    _, window = ask_authority(run, current, for_this_request(run, pending))
    certificate = current if isinstance(current, Certificate) else None
    decision = decide(certificate, run.request, window, run.started, run.next_run)
    described = outcome(run, current, renewed=False, reason=decision.reason, due=decision.due)
    if certificate is not None:
        described |= {
            "domains": list(certificate.domains),
            "issuer": certificate.issuer,
            "profile": certificate.profile,
            "acme_directory": certificate.acme_directory,
            "not_before": to_rfc3339(certificate.not_before),
            "fingerprint_sha256": certificate.fingerprint_sha256,
        }
    if pending is not None:
        described["in_flight"] = {
            "attempt": pending.attempt,
            "failures": pending.failures,
            "problem": pending.problem,
            "lease_until": pending.lease_until and to_rfc3339(pending.lease_until),
            "retry_not_before": pending.retry_not_before and to_rfc3339(pending.retry_not_before),
            "revoking": [one.serial for one in pending.revoking],
        }
    return described
