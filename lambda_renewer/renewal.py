"""The action `renew`: read, decide, issue if it is due, store."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from .clock import from_rfc3339, to_rfc3339
from .decide import Decision, decide
from .directory import Directory, RenewalWindow, fetch_directory, fetch_renewal_window
from .dns01 import ChallengeRecords, needed_zones
from .document import Certificate, NoCertificate
from .errors import AcmeError, RenewerError, StoreConflict, in_our_words
from .journal import Journal
from .log import log
from .pending import Pending
from .run import Run, file_of, life_left, read_secret, stored_certificate, stored_pending
from .store import Contents, SecretStore

if TYPE_CHECKING:
    from .acme_client import ExternalAccount

Outcome = dict[str, Any]


def renew(run: Run) -> Outcome:
    """Renew the certificate if it is due.

    Returns:
        The outcome, with nothing secret in it.

    Raises:
        RenewerError: why it was not renewed; the current certificate stays.
    """
    contents = read_secret(run.store)
    current = run.current = stored_certificate(contents)
    pending = stored_pending(contents)
    waiting = lease_of_another(run, pending) or held_back(run, pending)
    if waiting:
        return outcome(run, current, renewed=False, reason=waiting)
    pending = for_this_request(run, pending)
    directory, window = ask_authority(run, current, pending)
    decision = _decide(run, current, pending, window)
    log.info("decided", certificate=run.request.name, renew=decision.renew, reason=decision.reason)
    if not decision.renew:
        _leave_nothing(run, contents, pending, window)
        return outcome(run, current, renewed=False, reason=decision.reason, due=decision.due)
    return issue_and_store(run, contents, current, pending, decision.reason, directory)


def issue_and_store(
    run: Run,
    contents: Contents,
    current: Certificate | NoCertificate,
    pending: Pending,
    reason: str,
    directory: Directory | None,
) -> Outcome:
    """Issue, and make the certificate current; another run's certificate is as good as ours.

    A revocation that waits for the new certificate is finished then.

    Raises:
        RenewerError: why it was not issued; the failure is in AWSPENDING for the next run.
    """
    awaited = _check_zones(run, current)
    if awaited:
        return {**outcome(run, current, renewed=False, reason=_say_awaited(awaited)), "awaited": awaited}
    journal = take(run, contents, pending)
    try:
        issued = _issue(run, current, journal, directory)
        journal.promote(issued)
        run.current = issued
        finish_revocations(run, journal)
    except StoreConflict:
        log.info("another run works on it", certificate=run.request.name)
        run.current = stored_certificate(run.store.read())
        return outcome(run, run.current, renewed=False, reason="another run works on it")
    except Exception as error:
        _remember(journal, error)
        raise
    return outcome(run, issued, renewed=True, reason=reason)


def take(run: Run, contents: Contents, pending: Pending) -> Journal:
    """Return the journal in this run's name; its first write takes the lease."""
    return Journal(
        run.store,
        contents,
        replace(pending, attempt=pending.attempt + 1, holder=uuid.uuid4().hex, lease_until=run.lease_until),
    )


def outcome(
    run: Run,
    certificate: Certificate | NoCertificate,
    *,
    renewed: bool,
    reason: str,
    due: datetime | None = None,
) -> Outcome:
    """Describe what a run did and what is current now, with nothing secret in it."""
    described: Outcome = {
        "name": run.request.name,
        "action": run.request.action,
        "renewed": renewed,
        "reason": reason,
    }
    if isinstance(certificate, Certificate):
        described |= {
            "serial": certificate.serial,
            "not_after": to_rfc3339(certificate.not_after),
            "life_left": life_left(certificate),
        }
    if due is not None:
        described["due"] = to_rfc3339(due)
    return described


def lease_of_another(run: Run, pending: Pending | None) -> str | None:
    """Return in words that another run works on the certificate now, or None."""
    if pending is None or pending.lease_until is None or pending.lease_until <= run.started:
        return None
    return f"another run works on it, until {to_rfc3339(pending.lease_until)} at the latest"


def held_back(run: Run, pending: Pending | None) -> str | None:
    """Return in words that the authority does not want this request yet, or None."""
    if pending is None or pending.retry_not_before is None or pending.retry_not_before <= run.started:
        return None
    if pending.request != run.request.fingerprint():
        return None
    until = to_rfc3339(pending.retry_not_before)
    return f"the authority does not want this request before {until}: {pending.problem}"


def for_this_request(run: Run, pending: Pending | None) -> Pending:
    """Return what an earlier run left, as far as it is for the same request; what is to be undone always."""
    wanted = run.request.fingerprint()
    if pending is None:
        return Pending(request=wanted)
    if pending.request == wanted:
        return pending
    return Pending(
        request=wanted,
        values=pending.values,
        ask_after=pending.ask_after,
        window=pending.window,
        revoking=pending.revoking,
    )


def ask_authority(
    run: Run, current: Certificate | NoCertificate, pending: Pending
) -> tuple[Directory | None, RenewalWindow | None]:
    """Ask for renewal information where it can matter; return the directory too, if it was fetched.

    An expired certificate is not asked about (RFC 9773 section 4.3), nor one of another directory. A failure
    is logged, and the lifetime decides.
    """
    if not isinstance(current, Certificate) or current.not_after <= run.started:
        return None, None
    if current.acme_directory != run.request.directory:
        return None, None
    if pending.window is not None and pending.ask_after is not None and pending.ask_after > run.started:
        start, end = (from_rfc3339(moment) for moment in pending.window)
        return None, RenewalWindow(start, end, None, pending.ask_after)
    try:
        directory = fetch_directory(run.request.directory, run.request.ca_root)
        window = fetch_renewal_window(directory, current, run.request.ca_root, run.started)
    except AcmeError as error:
        log.warning("no renewal information", certificate=run.request.name, error=str(error))
        return None, None
    if window is not None and window.explanation:
        log.info("renewal information", certificate=run.request.name, explanation=window.explanation)
    return directory, window


def _decide(
    run: Run, current: Certificate | NoCertificate, pending: Pending, window: RenewalWindow | None
) -> Decision:
    if run.request.force:
        return Decision(renew=True, reason="it was asked for by force")
    if not isinstance(current, Certificate):
        return decide(None, run.request, window, run.started, run.next_run)
    if current.serial in {one.serial for one in pending.revoking}:
        return Decision(renew=True, reason=f"{current.serial} is being revoked")
    return decide(current, run.request, window, run.started, run.next_run)


def _leave_nothing(run: Run, contents: Contents, pending: Pending, window: RenewalWindow | None) -> None:
    """After a decision not to renew: finish what a dead run left, remember until when not to ask."""
    journal = take(run, contents, pending)
    remembered: dict[str, Any] = {}
    # Only where the next run would come too early for the authority is there anything to remember.
    too_early = window is not None and window.ask_after > run.started + run.request.interval
    if window is not None and too_early and window.ask_after != pending.ask_after:
        remembered = {
            "ask_after": window.ask_after,
            "window": (to_rfc3339(window.start), to_rfc3339(window.end)),
        }
    try:
        if pending.order or pending.values or pending.revoking:
            journal.save()  # only who holds the lease may take values away
            records = ChallengeRecords(run.route53, run.request.zones, run.deadline)
            records.discard(pending.values)
            finish_revocations(run, journal)
            journal.save(order=None, private_key=None, values={}, lease_until=None, **remembered)
        elif remembered:
            journal.save(lease_until=None, **remembered)
    except StoreConflict:
        log.info("another run works on it", certificate=run.request.name)
    except Exception as error:
        _remember(journal, error)
        raise


def finish_revocations(run: Run, journal: Journal) -> None:
    """Have the authority revoke what the record names, and take it out of the record."""
    if journal.pending.revoking:
        from .revocation import revoke_at_authority  # noqa: PLC0415 - needs acme and cryptography

        for one in journal.pending.revoking:
            revoke_at_authority(run, one)
        journal.save(revoking=(), order=None, private_key=None, values={}, lease_until=None)


def _check_zones(run: Run, current: Certificate | NoCertificate) -> dict[str, list[str]]:
    """Refuse private zones, and before a first certificate return the zones that await their delegation.

    Zones that the current certificate came by were checked then.
    """
    first = isinstance(current, NoCertificate) and not current.revoked_serials
    if isinstance(current, Certificate) and set(needed_zones(run.request)) <= set(current.zone_ids):
        return {}
    from .delegation import awaited_name_servers, public_name_servers  # noqa: PLC0415

    servers = public_name_servers(run.request, run.route53)
    return awaited_name_servers(servers) if first else {}


def _say_awaited(awaited: dict[str, list[str]]) -> str:
    zones = "; ".join(f"{zone} to {', '.join(servers)}" for zone, servers in awaited.items())
    return f"waiting for delegation to these name servers, at the registrar or in the parent zone: {zones}"


def _issue(
    run: Run, current: Certificate | NoCertificate, journal: Journal, directory: Directory | None
) -> Certificate:
    # A run that has nothing to do needs neither acme nor cryptography.
    from .account import open_account, read_external_account  # noqa: PLC0415
    from .issue import issue  # noqa: PLC0415

    def external() -> ExternalAccount | None:
        if run.request.eab_secret is None:
            return None
        secret = SecretStore(run.aws.client("secretsmanager"), run.request.eab_secret)
        return read_external_account(secret.read_stage("AWSCURRENT"))

    request = run.request
    directory = directory or fetch_directory(request.directory, request.ca_root)
    with file_of(request.ca_root) as ca_root:
        client = open_account(request, directory, run.account_store(), ca_root, external)
        records = ChallengeRecords(run.route53, request.zones, run.deadline)
        return issue(request, current, directory, client, records, journal, run.deadline)


def _remember(journal: Journal, error: Exception) -> None:
    """Write the failure down for the next run; should that fail too, the first error is the one to tell."""
    known = in_our_words(error) if isinstance(error, RenewerError | ClientError | BotoCoreError) else None
    try:
        journal.fail(known)
    except (RenewerError, ClientError, BotoCoreError) as second:
        log.warning("the failure was not recorded", error=f"{type(second).__name__}: {second}")
