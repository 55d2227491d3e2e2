"""The action `revoke`: withdraw a certificate, without leaving the NAS with nothing unless told to.

In the usual order the new certificate is current before the old one is revoked. With `now` it is the other
way round: AWSCURRENT is the state `revoked` until the new certificate is there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .decide import Decision
from .directory import fetch_directory
from .document import Certificate, NoCertificate, read_document, write_document, write_revoked
from .errors import RequestError, StoreConflict
from .journal import Journal
from .pending import Pending
from .renewal import Outcome, for_this_request, issue_and_store, outcome, reason_to_wait
from .request import REVOCATION_REASONS
from .run import Run, file_of, log, read_secret, stored_certificate, stored_pending
from .store import Contents

if TYPE_CHECKING:
    from .acme_client import AccountKey

_BY_OWN_KEY = "keyCompromise"


def revoke(run: Run) -> Outcome:
    """Revoke the certificate whose serial the request names, and issue another if it is the current one.

    May be repeated with the same serial until it succeeds: what was done already is not done again.

    Raises:
        RequestError: the serial is neither the current certificate's nor the previous one's.
        StoreConflict: another run works on the certificate.
        RenewerError: the authority or AWS refused.
    """
    serial = run.request.serial or ""
    contents = read_secret(run.store)
    current, pending = stored_certificate(contents), stored_pending(contents)
    waiting = reason_to_wait(run, pending)
    if isinstance(current, Certificate) and current.serial == serial:
        if waiting and not run.request.revoke_first:
            raise StoreConflict(f"nothing was revoked: {waiting}. Repeat the command then, or say `now`")
        doomed = (*current.revoked_serials, serial)
        if run.request.revoke_first:
            _revoke(run, current)
            journal = Journal(run.store, contents.newest, for_this_request(run, pending))
            journal.put_current(write_revoked(doomed))
            return _issue_another(run, None if waiting is None else f"no other yet: {waiting}")
        return _replace_then_revoke(run, contents, current, doomed, pending)
    if isinstance(current, NoCertificate) and serial in current.revoked_serials:
        return _issue_another(run, waiting)
    return _finish(run, contents, current, serial)


def _replace_then_revoke(
    run: Run, contents: Contents, current: Certificate, doomed: tuple[str, ...], pending: Pending | None
) -> Outcome:
    """Issue another certificate, make it current, then revoke `current`."""
    decision = Decision(renew=True, reason=f"{current.serial} is being revoked: {run.request.reason}")
    marked = replace(current, revoked_serials=doomed)
    done = issue_and_store(run, contents, marked, for_this_request(run, pending), decision, None)
    if not done["renewed"]:
        raise StoreConflict(
            f"nothing was revoked: {done['reason']}. Repeat the command in a quarter of an hour"
        )
    _revoke(run, current)
    return done


def _issue_another(run: Run, waiting: str | None) -> Outcome:
    """Issue the certificate that the state `revoked` promises, unless there is a reason to wait."""
    contents = run.store.read()
    current = stored_certificate(contents)
    if waiting:
        return outcome(run, current, renewed=False, reason=waiting)
    decision = Decision(renew=True, reason=f"{run.request.serial} is revoked: {run.request.reason}")
    pending = for_this_request(run, stored_pending(contents))
    return issue_and_store(run, contents, current, pending, decision, None)


def _finish(run: Run, contents: Contents, current: Certificate | NoCertificate, serial: str) -> Outcome:
    """Revoke the previous certificate, which a revocation that stopped half-way has replaced already."""
    version = run.store.read_stage("AWSPREVIOUS")
    previous = read_document(version.text) if version else None
    if not isinstance(previous, Certificate) or previous.serial != serial:
        if serial in current.revoked_serials:
            return outcome(run, current, renewed=False, reason=f"{serial} was revoked already")
        is_now = current.serial if isinstance(current, Certificate) else "none"
        raise RequestError(
            "serial", serial, f"the current certificate's is {is_now}, and the previous one's is another"
        )
    _revoke(run, previous)
    if isinstance(current, Certificate) and serial not in current.revoked_serials:
        marked = replace(current, revoked_serials=(*current.revoked_serials, serial))
        run.store.write(write_document(marked), ["AWSCURRENT", "AWSPENDING"], based_on=contents.newest)
    return outcome(run, current, renewed=False, reason=f"{serial} is revoked: {run.request.reason}")


def _revoke(run: Run, certificate: Certificate) -> None:
    """Revoke at the authority: by the certificate's own key for keyCompromise, as Let's Encrypt demands."""
    from cryptography import x509  # noqa: PLC0415
    from josepy.jwk import JWKEC, JWKRSA  # noqa: PLC0415

    from . import keys  # noqa: PLC0415
    from .account import open_account  # noqa: PLC0415
    from .acme_client import AcmeClient  # noqa: PLC0415

    request = replace(run.request, directory=certificate.acme_directory)
    directory = fetch_directory(request.directory, request.ca_root)
    with file_of(request.ca_root) as ca_root:
        if request.reason == _BY_OWN_KEY:
            key = keys.read_key(certificate.private_key)
            own: AccountKey = JWKRSA(key=key) if certificate.key_type.startswith("rsa") else JWKEC(key=key)
            client = AcmeClient(directory, own, ca_root=ca_root)
        else:
            client = open_account(request, directory, run.account_store(), ca_root, lambda: None)
        client.revoke(
            x509.load_pem_x509_certificate(certificate.leaf.encode()), REVOCATION_REASONS[request.reason]
        )
    log.info("revoked", certificate=request.name, serial=certificate.serial, reason=request.reason)
