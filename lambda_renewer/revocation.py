"""The action `revoke`: withdraw a certificate, without leaving the NAS with nothing unless told to.

In the usual order the new certificate is current before the old one is revoked. With `now` it is the other
way round: AWSCURRENT is the state `revoked` until the new certificate is there. What is to be revoked stands
in AWSPENDING until the authority has confirmed it, so that the schedule finishes what a run could not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .directory import fetch_directory
from .document import Certificate, NoCertificate, write_revoked
from .errors import RequestError, StoreConflict
from .log import log
from .pending import Pending, Revocation
from .renewal import (
    Outcome,
    finish_revocations,
    for_this_request,
    held_back,
    issue_and_store,
    lease_of_another,
    outcome,
    take,
)
from .request import REVOCATION_REASONS
from .run import Run, file_of, read_secret, stored_certificate, stored_pending
from .store import Contents

if TYPE_CHECKING:
    from .acme_client import AccountKey

_BY_OWN_KEY = "keyCompromise"
_NO_ORDER: dict[str, Any] = {"order": None, "private_key": None}


def revoke(run: Run) -> Outcome:
    """Revoke the certificate whose serial the request names, and issue another if it is the current one.

    May be repeated with the same serial until it succeeds; the schedule goes on with it, too.

    Raises:
        RequestError: the serial is not the current certificate's, nor one that is being revoked.
        StoreConflict: another run works on the certificate.
        RenewerError: the authority or AWS refused.
    """
    serial = run.request.serial or ""
    contents = read_secret(run.store)
    current = run.current = stored_certificate(contents)
    stored = stored_pending(contents)
    leased, pending = lease_of_another(run, stored), for_this_request(run, stored)
    if isinstance(current, Certificate) and current.serial == serial:
        if run.request.revoke_first:
            return _revoke_first(run, contents, current, pending, leased=leased is not None)
        waiting = leased or held_back(run, stored)
        if waiting:
            raise StoreConflict(f"nothing was revoked: {waiting}. Repeat the command then, or say `now`")
        return _replace_first(run, contents, current, pending)
    if leased:
        raise StoreConflict(f"nothing was revoked: {leased}. Repeat the command then")
    if serial in {one.serial for one in pending.revoking}:
        finish_revocations(run, take(run, contents, pending))
        return outcome(run, current, renewed=False, reason=f"{serial} is revoked: {run.request.reason}")
    if isinstance(current, NoCertificate) and serial in current.revoked_serials:
        return _issue_another(run, contents, current, pending, serial)
    if serial in current.revoked_serials:
        return outcome(run, current, renewed=False, reason=f"{serial} was revoked already")
    is_now = current.serial if isinstance(current, Certificate) else "none"
    raise RequestError("serial", serial, f"the current certificate's is {is_now}")


def revoke_at_authority(run: Run, doomed: Revocation) -> None:
    """Have the authority revoke a certificate; signed by its own key where the record holds that.

    Let's Encrypt demands the certificate's own key for keyCompromise (RFC 8555 section 7.6).
    """
    from cryptography import x509  # noqa: PLC0415
    from josepy.jwk import JWKEC, JWKRSA  # noqa: PLC0415

    from . import keys  # noqa: PLC0415
    from .account import open_account  # noqa: PLC0415
    from .acme_client import AcmeClient  # noqa: PLC0415

    request = replace(run.request, directory=doomed.directory)
    directory = fetch_directory(request.directory, request.ca_root)
    with file_of(request.ca_root) as ca_root:
        if doomed.private_key is not None:
            key = keys.read_key(doomed.private_key)
            own: AccountKey = JWKEC(key=key) if keys.is_elliptic(key) else JWKRSA(key=key)
            client = AcmeClient(directory, own, ca_root=ca_root)
        else:
            client = open_account(request, directory, run.account_store(), ca_root, lambda: None)
        client.revoke(x509.load_pem_x509_certificate(doomed.leaf.encode()), REVOCATION_REASONS[doomed.reason])
    log.info("revoked", certificate=request.name, serial=doomed.serial, reason=doomed.reason)


def _replace_first(run: Run, contents: Contents, current: Certificate, pending: Pending) -> Outcome:
    """Issue another certificate, make it current, then revoke `current`."""
    doomed = _doomed(run, current, pending)
    reason = f"{current.serial} is being revoked: {run.request.reason}"
    done = issue_and_store(run, contents, current, doomed, reason, None)
    if not done["renewed"]:
        raise StoreConflict(f"nothing was revoked yet: {done['reason']}. Repeat the command")
    return done


def _revoke_first(
    run: Run, contents: Contents, current: Certificate, pending: Pending, *, leased: bool
) -> Outcome:
    """Revoke `current`, withdraw it, then issue another, unless the authority does not want that yet.

    A run that works on the certificate now can write no more after this; its order is left to it, and its TXT
    values are taken away.
    """
    doomed = _doomed(run, current, pending)
    journal = take(run, contents, replace(doomed, **_NO_ORDER) if leased else doomed)
    journal.save()
    revoke_at_authority(run, doomed.revoking[-1])
    withdrawn = tuple(dict.fromkeys((*current.revoked_serials, current.serial)))
    journal.put_current(write_revoked(withdrawn), keep_record=True)
    rest = tuple(one for one in doomed.revoking if one.serial != current.serial)
    journal.save(revoking=rest, lease_until=None)
    contents = run.store.read()
    run.current = NoCertificate(withdrawn)
    return _issue_another(run, contents, run.current, journal.pending, current.serial)


def _issue_another(
    run: Run, contents: Contents, current: NoCertificate, pending: Pending, serial: str
) -> Outcome:
    """Issue the certificate that the state `revoked` promises, unless there is a reason to wait."""
    waiting = held_back(run, pending)
    if waiting:
        return outcome(run, current, renewed=False, reason=f"no other yet: {waiting}")
    return issue_and_store(
        run, contents, current, pending, f"{serial} is revoked: {run.request.reason}", None
    )


def _doomed(run: Run, current: Certificate, pending: Pending) -> Pending:
    """Return the record with `current` in it to be revoked.

    For keyCompromise a key that lay in AWSPENDING is dropped with its order: who read one may have read both.
    So is the order that `current` itself came of.
    """
    by_own_key = run.request.reason == _BY_OWN_KEY
    one = Revocation(
        serial=current.serial,
        leaf=current.leaf,
        private_key=current.private_key if by_own_key else None,
        reason=run.request.reason,
        directory=current.acme_directory,
    )
    spent = by_own_key or pending.private_key == current.private_key
    others = tuple(other for other in pending.revoking if other.serial != current.serial)
    return replace(pending, revoking=(*others, one), **(_NO_ORDER if spent else {}))
