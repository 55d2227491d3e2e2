"""One fault at one request of an issuance, and what must hold after it and the two runs that follow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.verification import VerificationError

from lambda_renewer.document import EMPTY, Certificate, read_document
from lambda_renewer.errors import StoreError
from local_cloud.fault_proxy import Exchange, Fault, FaultKind
from tests.acme_issuance import verify
from tests.sweep.forked_handler import Ending
from tests.sweep.renewer_world import HOURS_BETWEEN_RUNS, Cloud, Subject, Worker

_KILLS = {FaultKind.KILL_BEFORE, FaultKind.KILL_AFTER}
_CREATED, _OK = 201, 200


@dataclass(frozen=True)
class Case:
    """One fault at one point of one scenario; with one attempt, botocore does not repeat the request."""

    scenario: str
    point: str
    kind: FaultKind
    attempts: int | None = None

    def __str__(self) -> str:
        without = ", sent once" if self.attempts else ""
        return f"{self.scenario}: {self.point}/{self.kind.value}{without}"


def try_case(worker: Worker, case: Case, points: list[str]) -> tuple[list[str], Subject]:
    """Run with the fault, then twice as the schedule would; return what did not hold."""
    subject, ending = _run_with_fault(worker, case, points)
    broken = []
    if not worker.proxy.recording.injected:
        broken.append(f"the run did not reach the point: {ending}")
    if ending.killed != (case.kind in _KILLS):
        broken.append(f"the run ended otherwise than by this fault: {ending}")
    if ending.error and not ending.killed and not ending.in_our_words:
        broken.append(f"the error is not in our words: {ending.error}")
    if _answered_before_insync(worker.proxy.recording.exchanges):
        broken.append("a challenge was answered before Route 53 said INSYNC")
    promoted = subject.history[-1] not in {subject.before, EMPTY}
    stored = promoted or _order_is_stored(worker, subject)
    spare_order = (_spare(points, case.point, "newOrder#1") and not stored) or _may_fail_validation(case)
    spare_account = _spare(points, case.point, "newAccount#1") and not worker.cloud.text(subject.account_arn)
    again = worker.run(subject, hours=HOURS_BETWEEN_RUNS)
    if again.outcome is None:
        broken.append(f"the next run failed: {again.error}")
    elif again.outcome["renewed"] == promoted:
        broken.append(f"the next run did otherwise than it should: {again.outcome}")
    broken += _check_result(worker, subject)
    last = worker.run(subject, hours=2 * HOURS_BETWEEN_RUNS)
    if last.outcome is None or last.outcome["renewed"]:
        broken.append(f"the run after that had something to do: {last}")
    broken += _check_counts(subject, orders=1 + spare_order, accounts=1 + spare_account)
    return broken, subject


def _run_with_fault(worker: Worker, case: Case, points: list[str]) -> tuple[Subject, Ending]:
    """Run until the fault was injected, each time with another certificate.

    Pebble reuses one authorization in a hundred where it is told to reuse none (`PEBBLE_AUTHZREUSE=0`). Its
    challenge is not answered then, and a run may end well without having come to the point.
    """
    challenges = {point for point in points if point.startswith("challenge#")}
    for _ in range(10):
        subject = worker.subject(case.scenario)
        fault = Fault(case.point, case.kind, worker.handler.kill, worker.handler.give_up)
        ending = worker.run(subject, fault, attempts=case.attempts)
        reused = ending.outcome and not challenges <= set(worker.proxy.recording.points)
        if worker.proxy.recording.injected or not reused:
            break
    return subject, ending


def _spare(points: list[str], point: str, lost: str) -> bool:
    """Tell whether a fault at `point` can lose what the answer to `lost` said: it is not stored yet."""
    if lost not in points:
        return False
    begin = points.index(lost)
    end = next(at for at in range(begin, len(points)) if points[at].startswith("PutSecretValue#"))
    return point in points[begin : end + 1]


def _may_fail_validation(case: Case) -> bool:
    """Tell whether the run may take its TXT values away while the authority still looks for them.

    A run that fails once a challenge is answered cleans up, and the order is invalid where Pebble comes late.
    """
    return case.point.partition("#")[0] in {"challenge", "order"} and case.kind not in _KILLS


def _answered_before_insync(exchanges: list[Exchange]) -> bool:
    for exchange in exchanges:
        if exchange.operation == "GetChange" and exchange.status == _OK:
            return False
        if exchange.operation == "challenge":
            return True
    return False


def _order_is_stored(worker: Worker, subject: Subject) -> bool:
    pending = json.loads(worker.cloud.text(subject.certificate_arn, "AWSPENDING") or "{}")
    return bool(pending.get("order"))


def _check_result(worker: Worker, subject: Subject) -> list[str]:
    broken = []
    allowed = [None, EMPTY] if subject.before is None else [subject.before]
    *meanwhile, newest = subject.history
    if meanwhile != allowed:
        broken.append(f"AWSCURRENT was otherwise meanwhile: {[_short(text) for text in subject.history]}")
    current = worker.cloud.text(subject.certificate_arn)
    if current != newest:
        broken.append("AWSCURRENT changed without a write")
    broken += _check_certificate(worker.cloud, subject, current)
    if worker.cloud.text(subject.certificate_arn, "AWSPENDING") != current:
        broken.append("AWSPENDING is stale")
    broken += [f"{name} is left" for name in worker.txt_records(subject)]
    return broken


def _check_certificate(cloud: Cloud, subject: Subject, text: str | None) -> list[str]:
    try:
        certificate = read_document(text or EMPTY)
    except StoreError as error:
        return [f"AWSCURRENT is no certificate document: {error}"]
    if not isinstance(certificate, Certificate):
        return ["no certificate is current"]
    broken = []
    leaf = x509.load_pem_x509_certificate(certificate.leaf.encode())
    chain = x509.load_pem_x509_certificates(certificate.chain.encode())
    for name in (subject.domain, f"www.{subject.domain}"):
        try:
            verify([leaf, *chain], cloud.issuing_root, name)
        except VerificationError as error:
            broken.append(f"the current certificate is not valid for {name}: {error}")
    if load_pem_private_key(certificate.private_key.encode(), None).public_key() != leaf.public_key():
        broken.append("the current certificate's key is another one's")
    if certificate.key_type != "ec256" or leaf.not_valid_after_utc <= datetime.now(UTC):
        broken.append("the old certificate is current still")
    accounts = json.loads(cloud.text(subject.account_arn) or "{}")
    if [account["kid"] for account in accounts.values()] != [certificate.acme_account]:
        broken.append(f"the account is not the one that ordered: {list(accounts)}")
    if subject.account_before not in {None, cloud.text(subject.account_arn)}:
        broken.append("the account changed")
    return broken


def _check_counts(subject: Subject, *, orders: int, accounts: int) -> list[str]:
    broken = []
    if (made := subject.count("newOrder", _CREATED)) > orders:
        broken.append(f"{made} orders were made, {orders} at most are allowed")
    if (issued := subject.count("finalize", _OK)) != 1:
        broken.append(f"{issued} orders were finalized")
    allowed = 0 if subject.account_before else accounts
    if (opened := subject.count("newAccount", _CREATED)) > allowed:
        broken.append(f"{opened} accounts were made, {allowed} at most are allowed")
    return broken


def _short(text: str | None) -> str:
    return "none" if text is None else str(json.loads(text).get("state") or json.loads(text).get("serial"))


def find_points(worker: Worker, scenario: str) -> list[str]:
    """Return the points of an undisturbed run.

    One certificate in 256 is not found again by Pebble and needs a second newOrder, and one authorization in
    a hundred is reused: no examples.
    """
    subject = worker.subject(scenario)
    ending = worker.run(subject)
    assert ending.outcome and ending.outcome["renewed"], (ending, subject.log.read_text())
    broken = _check_result(worker, subject) + _check_counts(subject, orders=1, accounts=1)
    assert not broken, broken
    points = worker.proxy.recording.points
    ordinary = "newOrder#2" not in points and "challenge#2" in points
    return points if ordinary else find_points(worker, scenario)


def cases_of(scenario: str, points: list[str], only: str | None) -> Iterator[Case]:
    """Yield every fault at every point; where botocore repeats a request, with and without repetition."""
    for point in points:
        aws = point[0].isupper()  # AWS's operations are, ACME's resources are not
        for kind in FaultKind:
            if only and only not in {point, f"{point}/{kind.value}", f"{point}/{kind.value.split('-')[0]}"}:
                continue
            yield Case(scenario, point, kind)
            if aws and kind not in _KILLS:
                yield Case(scenario, point, kind, attempts=1)
