"""One issuance in the order of RFC 8555 section 7.1; it goes on where an earlier run died."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

from acme import challenges, messages

from . import clock, keys
from .acme_client import AcmeClient
from .directory import Directory
from .dns01 import ChallengeRecords, Values, challenge_name, quoted
from .document import Certificate, NoCertificate
from .errors import AcmeError, Problem, RequestError
from .journal import Journal
from .request import CertificateRequest
from .waiting import Deadline

_FINALIZED = {messages.STATUS_PROCESSING, messages.STATUS_VALID}
_GONE = range(400, 500)
_RATE_LIMITED = 429

Challenges = list[tuple[str, messages.ChallengeBody]]


def issue(
    request: CertificateRequest,
    current: Certificate | NoCertificate,
    directory: Directory,
    client: AcmeClient,
    records: ChallengeRecords,
    journal: Journal,
    deadline: Deadline,
) -> Certificate:
    """Get the certificate that `request` asks for; it is not stored yet when this returns.

    The journal is written before the TXT values are set, and before the order is finalized. The TXT values
    are taken away whatever happens. The private key is made while DNS spreads.

    Raises:
        RequestError: the directory does not offer the profile.
        AcmeError: the authority refused or did not answer as it should.
        ZoneError: a name is in no hosted zone of the request.
        StoreConflict: another run works on this issuance.
        DeadlineExceeded: there is no time left.
    """
    order = _resumed_order(client, journal) or client.new_order(
        request.domains, profile=_profile(request, directory), replaces=_replaced(request, current, client)
    )
    leftovers = journal.pending.values
    with ThreadPoolExecutor(max_workers=1) as thread:
        stored_key = journal.pending.private_key if order.uri == journal.pending.order else None
        key_in_making = (
            thread.submit(keys.read_key, stored_key)
            if stored_key
            else thread.submit(keys.make_key, request.key_type)
        )
        pending = _pending_challenges(client, order) if order.body.status == messages.STATUS_PENDING else []
        values = _values(request, client, pending)
        journal.save(order=order.uri, private_key=stored_key, values=_union(values, leftovers))
        if pending:
            _prove_control(client, order, pending, records, values, leftovers, deadline)
        elif leftovers:
            records.remove(leftovers)
        key = key_in_making.result()
    if not stored_key:
        journal.save(private_key=keys.write_key(key), values={})
    if order.body.status not in _FINALIZED:
        client.finalize(order, keys.make_csr(key, request.domains))
    valid = client.poll_order(order, messages.STATUS_VALID, deadline)
    if not valid.certificate:
        raise AcmeError("the order is valid and has no certificate URL (RFC 8555 section 7.1.3)")
    full_chain = client.certificate(valid.certificate, preferred_chain=request.preferred_chain)
    return keys.certificate_document(
        request,
        key,
        full_chain,
        account=client.kid or "",
        issued_at=clock.now(),
        revoked_serials=current.revoked_serials,
    )


def _resumed_order(client: AcmeClient, journal: Journal) -> messages.OrderResource | None:
    """Return the order that an earlier run left, if a certificate can still come of it."""
    if journal.pending.order is None:
        return None
    try:
        order = client.order(journal.pending.order)
    except Problem as problem:
        if problem.status not in _GONE or problem.status == _RATE_LIMITED:
            raise
        return None
    if order.body.status == messages.STATUS_INVALID:
        return None
    if order.body.status in _FINALIZED and journal.pending.private_key is None:
        return None
    return order


def _replaced(
    request: CertificateRequest, current: Certificate | NoCertificate, client: AcmeClient
) -> str | None:
    """Return the order's `replaces`: the current certificate, if of the same directory and account."""
    if not isinstance(current, Certificate):
        return None
    same = current.acme_directory == request.directory and current.acme_account == client.kid
    return current.ari_id if same else None


def _prove_control(
    client: AcmeClient,
    order: messages.OrderResource,
    pending: Challenges,
    records: ChallengeRecords,
    values: Values,
    leftovers: Values,
    deadline: Deadline,
) -> None:
    try:
        records.present(values, leftovers=leftovers)
        for _, challenge in pending:
            # One that a run answered before it died is refused a second time while it is being validated.
            if challenge.status == messages.STATUS_PENDING:
                client.answer(challenge)
        client.poll_order(order, messages.STATUS_READY, deadline)
    finally:
        records.remove(_union(values, leftovers))


def _pending_challenges(client: AcmeClient, order: messages.OrderResource) -> Challenges:
    """Return (domain, dns-01 challenge) of each authorization that is not valid already."""
    pending: Challenges = []
    for url in order.body.authorizations:
        authorization = client.authorization(url)
        if authorization.status == messages.STATUS_VALID:
            continue
        domain = authorization.identifier.value
        for challenge in authorization.challenges:
            if isinstance(challenge.chall, challenges.DNS01):
                pending.append((domain, challenge))
                break
        else:
            raise AcmeError(f"the authority offers no dns-01 challenge for {domain}")
    return pending


def _values(request: CertificateRequest, client: AcmeClient, pending: Challenges) -> Values:
    values: dict[str, set[str]] = defaultdict(set)
    for domain, challenge in pending:
        values[challenge_name(domain, request.delegations)].add(quoted(client.dns01_value(challenge)))
    return {name: tuple(sorted(values[name])) for name in sorted(values)}


def _union(one: Values, other: Values) -> Values:
    names = sorted({*one, *other})
    return {name: tuple(sorted({*one.get(name, ()), *other.get(name, ())})) for name in names}


def _profile(request: CertificateRequest, directory: Directory) -> str | None:
    """Return the profile to name in the order: an order without one may get any that the directory has."""
    offered = directory.get("meta", {}).get("profiles") or {}
    if request.profile in offered:
        return request.profile
    if offered or request.profile != "classic":
        raise RequestError(
            "profile", request.profile, f"the directory offers {', '.join(sorted(offered)) or 'no profiles'}"
        )
    return None
