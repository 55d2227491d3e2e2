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
from .errors import AcmeError, OrderFailed, Problem, RequestError
from .journal import Journal
from .log import log
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
    order, pending = _order(request, current, directory, client, journal)
    leftovers = journal.pending.values
    values = _values(request, client, pending)
    with ThreadPoolExecutor(max_workers=1) as thread:
        stored_key = _stored_key(journal) if order.uri == journal.pending.order else None
        key_in_making = None if stored_key else thread.submit(keys.make_key, request.key_type)
        kept = journal.pending.private_key if stored_key else None
        journal.save(order=order.uri, private_key=kept, values=_union(values, leftovers))
        if pending:
            _prove_control(client, order, pending, records, values, leftovers, deadline)
        records.discard({name: left for name, left in leftovers.items() if name not in values})
        key = stored_key or key_in_making.result()  # type: ignore[union-attr]  # one of them is there
    if not stored_key:
        journal.save(private_key=keys.write_key(key), values={})
    asked = 0.0
    if order.body.status not in _FINALIZED:
        asked = client.finalize(order, keys.make_csr(key, request.domains))
    valid = client.poll_order(order, messages.STATUS_VALID, deadline, asked=asked)
    if not valid.certificate:
        raise AcmeError("the order is valid and has no certificate URL (RFC 8555 section 7.1.3)")
    full_chain = client.certificate(valid.certificate, preferred_chain=request.preferred_chain)
    try:
        return keys.certificate_document(
            request,
            key,
            full_chain,
            account=client.kid or "",
            issued_at=clock.now(),
            revoked_serials=_revoked(current, journal),
        )
    except AcmeError as error:  # the same certificate would come of the same order again
        raise OrderFailed(str(error)) from error


def _revoked(current: Certificate | NoCertificate, journal: Journal) -> tuple[str, ...]:
    being_revoked = (one.serial for one in journal.pending.revoking)
    return tuple(dict.fromkeys((*current.revoked_serials, *being_revoked)))


def _order(
    request: CertificateRequest,
    current: Certificate | NoCertificate,
    directory: Directory,
    client: AcmeClient,
    journal: Journal,
) -> tuple[messages.OrderResource, Challenges]:
    """Return the order that an earlier run left, or a new one, and the challenges that are open in it."""
    spent = isinstance(current, Certificate) and current.private_key == journal.pending.private_key
    resumed = None if spent else _resumed_order(client, journal)
    if resumed is not None:
        try:
            return resumed, _pending_challenges(client, resumed)
        except OrderFailed:  # an authorization in it expired
            log.info("a new order in place of one that can no longer succeed", certificate=request.name)
    new = client.new_order(
        request.domains, profile=_profile(request, directory), replaces=_replaced(request, current, client)
    )
    return new, _pending_challenges(client, new)


def _stored_key(journal: Journal) -> keys.PrivateKey | None:
    if journal.pending.private_key is None:
        return None
    try:
        return keys.read_key(journal.pending.private_key)
    except ValueError:
        return None


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
    if order.body.status in _FINALIZED and _stored_key(journal) is None:
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
    ours = {name: tuple({*leftovers.get(name, ()), *values[name]}) for name in values}
    asked = 0.0
    try:
        records.present(values, leftovers={name: leftovers[name] for name in values if name in leftovers})
        for _, challenge in pending:
            # One that a run answered before it died is refused a second time while it is being validated.
            if challenge.status == messages.STATUS_PENDING:
                asked = max(asked, client.answer(challenge))
        client.poll_order(order, messages.STATUS_READY, deadline, asked=asked)
    except BaseException:
        records.discard(ours)  # what went wrong first is what to tell
        raise
    records.remove(ours)


def _pending_challenges(client: AcmeClient, order: messages.OrderResource) -> Challenges:
    """Return (domain, dns-01 challenge) of each authorization that is not valid already."""
    pending: Challenges = []
    if order.body.status != messages.STATUS_PENDING:
        return pending
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
