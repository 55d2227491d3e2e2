"""The action `revoke`: withdraw a certificate, without leaving the NAS with nothing unless told to.

In the usual order the new certificate is current before the old one is revoked. With `now` it is the other
way round: AWSCURRENT is the state `revoked` until the new certificate is there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .decide import Decision
from .directory import fetch_directory
from .document import Certificate, NoCertificate, read_document, write_revoked
from .errors import RequestError
from .journal import Journal
from .renewal import Outcome, for_this_request, issue_and_store, outcome
from .request import REVOCATION_REASONS
from .run import Run, file_of, log, read_secret, stored_certificate, stored_pending

if TYPE_CHECKING:
    from .acme_client import AccountKey

_BY_OWN_KEY = "keyCompromise"


def revoke(run: Run) -> Outcome:
    """Revoke the certificate whose serial the request names, and issue another if it is the current one.

    May be repeated with the same serial until it succeeds: what was done already is not done again.

    Raises:
        RequestError: the serial is neither the current certificate's nor the previous one's.
        RenewerError: the authority or AWS refused.
    """
    contents = read_secret(run.store)
    current = stored_certificate(contents)
    if isinstance(current, Certificate) and current.serial == run.request.serial:
        pending = for_this_request(run, stored_pending(contents))
        doomed = (*current.revoked_serials, current.serial)
        decision = Decision(renew=True, reason=f"{current.serial} is being revoked: {run.request.reason}")
        if run.request.revoke_first:
            _revoke(run, current)
            journal = Journal(run.store, contents.newest, pending)
            journal.put_current(write_revoked(doomed))
            contents = run.store.read()
            pending = replace(pending, order=None, private_key=None)
            return issue_and_store(run, contents, NoCertificate(doomed), pending, decision, None)
        done = issue_and_store(
            run, contents, replace(current, revoked_serials=doomed), pending, decision, None
        )
        if done["renewed"]:
            _revoke(run, current)
        return done
    _revoke(run, _previous(run, current))
    return outcome(
        run, current, renewed=False, reason=f"{run.request.serial} is revoked: {run.request.reason}"
    )


def _previous(run: Run, current: Certificate | NoCertificate) -> Certificate:
    """Return the certificate that an unfinished revocation has replaced already."""
    version = run.store.read_stage("AWSPREVIOUS")
    previous = read_document(version.text) if version else None
    if isinstance(previous, Certificate) and previous.serial == run.request.serial:
        return previous
    is_now = current.serial if isinstance(current, Certificate) else "none"
    raise RequestError(
        "serial",
        run.request.serial,
        f"the current certificate's is {is_now}, and the previous one's is another",
    )


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
