"""Runs that die, fail or meet each other: the next one goes on from AWSPENDING."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from lambda_renewer import directory as renewer_directory
from lambda_renewer.acme_client import AcmeClient, Network
from lambda_renewer.clock import to_rfc3339
from lambda_renewer.dns01 import ChallengeRecords
from lambda_renewer.document import EMPTY
from lambda_renewer.errors import OrderFailed, Problem
from lambda_renewer.journal import Journal
from tests.acme_issuance import verify
from tests.renewer_bench import LAMBDA_SECONDS, NEXT_RUN, SOON, Died, Renewer

# Case 3 from the field.
RATE_LIMITED = {
    "type": "urn:ietf:params:acme:error:rateLimited",
    "detail": "too many certificates (5) already issued for this exact set of identifiers in the last "
    "168h0m0s, retry after 2026-10-09 04:49:31 UTC: see "
    "https://letsencrypt.org/docs/rate-limits/#new-certificates-per-exact-set-of-identifiers",
    "status": 429,
}
RETRY_AFTER = 75_533.0


class Counted:
    """How many orders were made, and which of them were finalized."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.orders: list[str] = []
        self.finalized: list[str] = []
        new_order, finalize = AcmeClient.new_order, AcmeClient.finalize

        def counting_order(client: AcmeClient, *arguments: Any, **rest: Any) -> Any:
            order = new_order(client, *arguments, **rest)
            self.orders.append(order.uri)
            return order

        def counting_finalize(client: AcmeClient, order: Any, csr: Any) -> None:
            finalize(client, order, csr)
            self.finalized.append(order.uri)

        patch.setattr(AcmeClient, "new_order", counting_order)
        patch.setattr(AcmeClient, "finalize", counting_finalize)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


def die(*_: Any, **__: Any) -> Any:
    raise Died


def before(owner: type, name: str, call: int = 1) -> Callable[[pytest.MonkeyPatch], None]:
    """Die instead of the call of that number; from then on nothing is cleaned up either."""

    def arrange(patch: pytest.MonkeyPatch) -> None:
        goes_on, calls = getattr(owner, name), [0]

        def counting(*arguments: Any, **rest: Any) -> Any:
            calls[0] += 1
            if calls[0] < call:
                return goes_on(*arguments, **rest)
            patch.setattr(ChallengeRecords, "remove", die)
            raise Died

        patch.setattr(owner, name, counting)

    return arrange


def after(owner: type, name: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Die when the call is done."""

    def arrange(patch: pytest.MonkeyPatch) -> None:
        goes_on = getattr(owner, name)

        def dying(*arguments: Any, **rest: Any) -> Any:
            goes_on(*arguments, **rest)
            patch.setattr(ChallengeRecords, "remove", die)
            raise Died

        patch.setattr(owner, name, dying)

    return arrange


# where it dies -> orders made in all, whether the key was in the journal
STAGES = {
    "before the order is stored": (before(Journal, "save"), 2, False),
    "after the order is stored": (after(Journal, "save"), 1, False),
    "after the TXT values are set": (after(ChallengeRecords, "present"), 1, False),
    "between two answers": (before(AcmeClient, "answer", call=2), 1, False),
    "after the answers": (before(AcmeClient, "poll_order"), 1, False),
    "before the TXT values go": (before(ChallengeRecords, "remove"), 1, False),
    "before the key is stored": (before(Journal, "save", call=2), 1, False),
    "before finalize": (before(AcmeClient, "finalize"), 1, True),
    "after finalize": (after(AcmeClient, "finalize"), 1, True),
    "while the authority issues": (before(AcmeClient, "poll_order", call=2), 1, True),
    "before the download": (before(AcmeClient, "certificate"), 1, True),
    "before the last write": (before(Journal, "promote"), 1, True),
}


# Where a renewal could go another way than a first issuance.
RENEWALS = (
    "before the order is stored",
    "after the TXT values are set",
    "after finalize",
    "before the last write",
)


@pytest.mark.parametrize(
    ("stage", "first"),
    [*((stage, True) for stage in STAGES), *((stage, False) for stage in RENEWALS)],
)
def test_the_next_run_goes_on(renewer: Renewer, counted: Counted, stage: str, first: bool) -> None:
    arrange, orders, key_is_kept = STAGES[stage]
    if not first:
        renewer.run()
        counted.orders.clear()
        counted.finalized.clear()
    changes: dict[str, Any] = {} if first else SOON
    old = renewer.secret_text(renewer.certificate_arn) or EMPTY
    with pytest.MonkeyPatch.context() as patch:
        arrange(patch)
        with pytest.raises(Died):
            renewer.run(**changes)
    assert renewer.secret_text(renewer.certificate_arn) == old
    stored = renewer.secret_text(renewer.certificate_arn, "AWSPENDING")
    pending = renewer.pending() if stored and '"pending"' in stored else None
    if pending is not None:
        assert pending.order == counted.orders[0]
        assert (pending.private_key is not None) is key_is_kept
        assert (pending.attempt, pending.failures, pending.problem) == (1, 0, None)
        # A live lease makes a run end at once, and say so.
        idle = renewer.run(**changes)
        assert idle["renewed"] is False
        assert pending.lease_until is not None
        assert f"another run works on it, until {to_rfc3339(pending.lease_until)}" in idle["reason"]
        assert len(counted.orders) == 1
    outcome = renewer.run(later=NEXT_RUN, **changes)
    assert outcome["renewed"] is True
    current = renewer.current()
    assert outcome["serial"] == current.serial
    assert len(counted.orders) == orders
    assert counted.finalized == counted.orders[-1:]
    if key_is_kept:
        assert pending is not None
        assert current.private_key == pending.private_key
    chain = x509.load_pem_x509_certificates((current.leaf + current.chain).encode())
    verify(chain, renewer.server.issuing_root(), renewer.domain)
    assert renewer.challenge_records() == []
    stages = renewer.stages(renewer.certificate_arn)
    assert stages["AWSCURRENT"] == stages["AWSPENDING"]
    assert renewer.secret_text(renewer.certificate_arn, "AWSPREVIOUS") == old
    assert renewer.run(later=NEXT_RUN)["renewed"] is False
    assert len(renewer.accounts()) == 1


def test_the_lease_ends_with_the_lambda(renewer: Renewer) -> None:
    began = datetime.now(UTC)
    with pytest.MonkeyPatch.context() as patch:
        before(ChallengeRecords, "present")(patch)
        with pytest.raises(Died):
            renewer.run()
    lease = renewer.pending().lease_until
    assert lease is not None
    seconds = timedelta(seconds=LAMBDA_SECONDS)
    assert (
        began + seconds - timedelta(seconds=1) <= lease <= datetime.now(UTC) + seconds + timedelta(seconds=5)
    )
    assert renewer.run(later=seconds - timedelta(seconds=30))["renewed"] is False
    assert renewer.run(later=seconds + timedelta(seconds=6))["renewed"] is True


def test_an_order_that_has_become_invalid_meanwhile_is_dropped(renewer: Renewer, counted: Counted) -> None:
    with pytest.MonkeyPatch.context() as patch:
        before(ChallengeRecords, "present")(patch)
        with pytest.raises(Died):
            renewer.run()
    with pytest.MonkeyPatch.context() as patch:  # the authority looks before anything stands there
        patch.setattr(ChallengeRecords, "present", lambda *_, **__: None)
        with pytest.raises(OrderFailed):
            renewer.run(later=NEXT_RUN)
    pending = renewer.pending()
    assert (pending.order, pending.private_key, pending.failures, pending.attempt) == (None, None, 1, 2)
    assert renewer.run(later=NEXT_RUN)["renewed"] is True
    assert len(counted.orders) == 2
    assert renewer.challenge_records() == []


def test_an_order_that_the_authority_no_longer_knows_is_dropped(renewer: Renewer, counted: Counted) -> None:
    with pytest.MonkeyPatch.context() as patch:
        before(ChallengeRecords, "present")(patch)
        with pytest.raises(Died):
            renewer.run()
    fetch = AcmeClient.order
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AcmeClient, "order", lambda client, url: fetch(client, f"{url}-gone"))
        assert renewer.run(later=NEXT_RUN)["renewed"] is True
    assert len(counted.orders) == 2


def test_a_finalized_order_whose_key_is_lost_is_dropped(renewer: Renewer, counted: Counted) -> None:
    with pytest.MonkeyPatch.context() as patch:
        after(AcmeClient, "finalize")(patch)
        save = Journal.save

        def forgetful(journal: Journal, **changes: Any) -> None:
            save(journal, **{**changes, "private_key": None})

        patch.setattr(Journal, "save", forgetful)
        with pytest.raises(Died):
            renewer.run()
    assert renewer.run(later=NEXT_RUN)["renewed"] is True
    assert len(counted.orders) == 2


def test_settings_changed_while_a_run_is_in_flight(renewer: Renewer, counted: Counted) -> None:
    renewer.run()
    old = renewer.current()
    with pytest.MonkeyPatch.context() as patch:
        after(ChallengeRecords, "present")(patch)
        with pytest.raises(Died):
            renewer.run(**SOON)
    [left] = renewer.challenge_records()
    assert len(left["ResourceRecords"]) == 2
    assert renewer.current() == old
    other = [f"nas.sub.{renewer.domain}"]
    outcome = renewer.run(later=NEXT_RUN, domains=other)
    assert outcome["renewed"] is True
    assert renewer.current().domains == tuple(other)
    assert len(counted.orders) == 3
    assert renewer.challenge_records() == []


def test_a_run_that_is_not_due_any_more_leaves_nothing(renewer: Renewer) -> None:
    renewer.run()
    with pytest.MonkeyPatch.context() as patch:
        after(ChallengeRecords, "present")(patch)
        with pytest.raises(Died):
            renewer.run(**SOON)
    assert renewer.challenge_records() != []
    assert renewer.run(later=NEXT_RUN)["renewed"] is False
    assert renewer.challenge_records() == []
    pending = renewer.pending()
    assert (pending.order, pending.private_key, pending.values) == (None, None, {})
    versions = renewer.stages(renewer.certificate_arn)
    assert renewer.run(later=NEXT_RUN)["renewed"] is False
    assert renewer.stages(renewer.certificate_arn) == versions


# --- An authority that wants to be left alone: case 3 from the field ----------


def limit_orders(patch: pytest.MonkeyPatch) -> None:
    post = Network.post

    def limiting(network: Network, url: str, *arguments: Any, **rest: Any) -> Any:
        if url.endswith("order-plz"):
            raise Problem(RATE_LIMITED, status=429, url=url, retry_after=RETRY_AFTER)
        return post(network, url, *arguments, **rest)

    patch.setattr(Network, "post", limiting)


def test_a_rate_limit_is_remembered(renewer: Renewer) -> None:
    renewer.run()
    old = renewer.current()
    began = datetime.now(UTC).replace(microsecond=0)
    with pytest.MonkeyPatch.context() as patch:
        limit_orders(patch)
        with pytest.raises(Problem, match=r"too many certificates \(5\).*current certificate stays"):
            renewer.run(**SOON)
    pending = renewer.pending()
    assert pending.retry_not_before is not None
    assert timedelta(0) <= pending.retry_not_before - began - timedelta(seconds=RETRY_AFTER) < NEXT_RUN / 100
    assert (pending.failures, pending.lease_until) == (1, None)
    assert "rateLimited" in (pending.problem or "")
    assert renewer.current() == old
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(renewer_directory, "_get_json", None)  # nobody asks the authority anything
        patch.setattr(Network, "_send_request", None)
        for later in (timedelta(minutes=1), NEXT_RUN, timedelta(seconds=RETRY_AFTER - 60)):
            idle = renewer.run(later=later, **SOON)
            assert idle["renewed"] is False
            until = to_rfc3339(pending.retry_not_before)
            assert f"does not want this request before {until}: " in idle["reason"]
            assert "too many certificates (5)" in idle["reason"]
    assert renewer.pending() == pending
    assert renewer.run(later=timedelta(seconds=RETRY_AFTER + 60), **SOON)["renewed"] is True


def test_another_request_need_not_wait(renewer: Renewer) -> None:
    with pytest.MonkeyPatch.context() as patch:
        limit_orders(patch)
        with pytest.raises(Problem):
            renewer.run()
    assert renewer.run()["renewed"] is False
    assert renewer.run(domains=[renewer.domain])["renewed"] is True
