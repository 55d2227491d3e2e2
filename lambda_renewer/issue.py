"""One issuance, from order to certificate, in the order of RFC 8555 section 7.1."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

from acme import challenges, messages

from . import clock, keys
from .acme_client import AcmeClient
from .clock import Deadline
from .dns01 import ChallengeRecords, challenge_name
from .document import Certificate
from .errors import AcmeError, RequestError
from .request import CertificateRequest


def issue(
    request: CertificateRequest, client: AcmeClient, records: ChallengeRecords, deadline: Deadline
) -> Certificate:
    """Get the certificate that `request` asks for.

    The TXT values are taken away whatever happens. The private key is made while DNS spreads.

    Raises:
        RequestError: the directory does not offer the profile.
        AcmeError: the authority refused or did not answer as it should.
        ZoneError: a name is in no hosted zone of the request.
        DeadlineExceeded: there is no time left.
    """
    order = client.new_order(request.domains, profile=_profile(request, client))
    with ThreadPoolExecutor(max_workers=1) as thread:
        making_key = thread.submit(keys.make_key, request.key_type)
        pending = _pending_challenges(client, order)
        if pending:
            _prove_control(client, order, pending, records, deadline)
        key = making_key.result()
    client.finalize(order, keys.make_csr(key, request.domains))
    valid = client.poll_order(order, messages.STATUS_VALID, deadline)
    if not valid.certificate:
        raise AcmeError("the order is valid and has no certificate URL (RFC 8555 section 7.1.3)")
    full_chain = client.certificate(valid.certificate)
    return keys.certificate_document(request, key, full_chain, clock.now())


def _prove_control(
    client: AcmeClient,
    order: messages.OrderResource,
    pending: list[tuple[str, messages.ChallengeBody]],
    records: ChallengeRecords,
    deadline: Deadline,
) -> None:
    values: dict[str, set[str]] = defaultdict(set)
    for domain, challenge in pending:
        values[challenge_name(domain)].add(client.dns01_value(challenge))
    try:
        records.present(values)
        for _, challenge in pending:
            client.answer(challenge)
        client.poll_order(order, messages.STATUS_READY, deadline)
    finally:
        records.remove()


def _pending_challenges(
    client: AcmeClient, order: messages.OrderResource
) -> list[tuple[str, messages.ChallengeBody]]:
    """Return (domain, dns-01 challenge) of each authorization that is not valid already."""
    pending = []
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


def _profile(request: CertificateRequest, client: AcmeClient) -> str | None:
    """Return the profile to name in the order: an order without one may get any that the directory has."""
    offered = client.profiles()
    if request.profile in offered:
        return request.profile
    if offered or request.profile != "classic":
        raise RequestError(
            "profile", request.profile, f"the directory offers {', '.join(sorted(offered)) or 'no profiles'}"
        )
    return None
