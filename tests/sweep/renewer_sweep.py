"""Every fault at every request of an issuance, each followed by the run that the schedule would start next.

`make sweep`, or `python -m tests.sweep.renewer_sweep --only finalize#1/late` to repeat one case. It first
drives a renewal and a very first issuance through a proxy that names their requests; those are the points.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.verification import VerificationError
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from lambda_renewer.document import EMPTY, Certificate, read_document
from lambda_renewer.errors import StoreError
from local_cloud.acme import Pebble
from local_cloud.dns_server import DnsServer
from local_cloud.fault_proxy import Exchange, Fault, FaultKind, FaultProxy
from local_cloud.ministack.server import REGION, ROOT, LocalAws
from local_cloud.processes import LOOPBACK
from local_cloud.system_programs import provide
from tests.acme_issuance import verify
from tests.sweep.forked_handler import Ending, ForkedHandler, Job

BUILD = Path(__file__).resolve().parents[2] / "build"
WORK = BUILD / "sweep"
LIFETIME_SECONDS = 90 * 86_400
SCENARIOS = ("renewal", "first issuance")
HOURS_BETWEEN_RUNS = 12
NONCE_ISSUANCES, NONCE_PERCENT = 40, 50
FAULTS = 5  # killing, before and after the request reached the server, is one
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


@dataclass
class Subject:
    """A certificate with its secrets and a name of its own, and what was seen of it."""

    domain: str
    certificate_arn: str
    account_arn: str
    log: Path
    before: str | None = None
    account_before: str | None = None
    history: list[str | None] = field(default_factory=lambda: [None])  # of AWSCURRENT, as it changed
    exchanges: list[Exchange] = field(default_factory=list)

    def count(self, operation: str, status: int) -> int:
        return len([one for one in self.exchanges if (one.operation, one.status) == (operation, status)])


@dataclass(frozen=True)
class Cloud:
    """What all cases share."""

    aws: LocalAws
    dns: DnsServer
    pebble: Pebble
    issuing_root: str
    secrets: Any
    route53: Any

    def text(self, arn: str, stage: str = "AWSCURRENT") -> str | None:
        try:
            return str(self.secrets.get_secret_value(SecretId=arn, VersionStage=stage)["SecretString"])
        except self.secrets.exceptions.ResourceNotFoundException:
            return None


class Worker:
    """Runs one case at a time, in a hosted zone and behind a proxy of its own."""

    def __init__(self, cloud: Cloud, number: int, stack: ExitStack) -> None:
        self.cloud = cloud
        self.zone = f"zone{number}.test"
        made = cloud.route53.create_hosted_zone(Name=self.zone, CallerReference=self.zone)
        self.zone_id = made["HostedZone"]["Id"].rsplit("/", 1)[-1]
        self.proxy = stack.enter_context(
            FaultProxy(cloud.aws.endpoint, cloud.pebble.directory_url, cloud.pebble.ca_root, WORK / self.zone)
        )
        self.handler = stack.enter_context(ForkedHandler(self._environment()))

    def subject(self, scenario: str) -> Subject:
        """Make a certificate's secrets and, for a renewal, the certificate that is there already."""
        label = f"c{uuid.uuid4().hex[:10]}"
        create = self.cloud.secrets.create_secret
        arns = [create(Name=f"{label}/{kind}")["ARN"] for kind in ("certificate", "account")]
        subject = Subject(f"{label}.{self.zone}", arns[0], arns[1], WORK / f"{label}.log")
        if scenario == "renewal":
            ending = self.run(subject, key_type="ec384")
            assert ending.outcome and ending.outcome["renewed"], (ending, subject.log.read_text())
            subject.exchanges.clear()
        subject.before = self.cloud.text(subject.certificate_arn)
        subject.account_before = self.cloud.text(subject.account_arn)
        subject.history = [subject.before]
        return subject

    def run(
        self,
        subject: Subject,
        fault: Fault | None = None,
        *,
        hours: int = 0,
        attempts: int | None = None,
        pebble: Pebble | None = None,
        **changes: Any,
    ) -> Ending:
        """Run the handler once; `pebble` is asked directly, in place of the proxied one."""

        def after(operation: str) -> None:
            if operation == "PutSecretValue":
                text = self.cloud.text(subject.certificate_arn)
                if text != subject.history[-1]:
                    subject.history.append(text)

        recording = self.proxy.record(fault, after)
        event = {
            "action": "renew",
            "name": subject.domain,
            "domains": [subject.domain, f"*.{subject.domain}"],
            "key_type": "ec256",
            "profile": "classic",
            "directory": pebble.directory_url if pebble else self.proxy.directory_url,
            "contact": "admin@example.com",
            "terms_agreed": True,
            "ca_root": (pebble or self.proxy).ca_root.read_text(),
            "zones": {self.zone: {"id": self.zone_id}},
            "secret": subject.certificate_arn,
            "interval_seconds": HOURS_BETWEEN_RUNS * 3600,
            "window_seconds": HOURS_BETWEEN_RUNS * 1800,
            **changes,
        }
        ending = self.handler.run(Job(event, subject.account_arn, str(subject.log), hours, attempts))
        subject.exchanges += recording.exchanges
        return ending

    def txt_records(self, subject: Subject) -> list[str]:
        sets = self.cloud.route53.list_resource_record_sets(
            HostedZoneId=self.zone_id, StartRecordName=f"_acme-challenge.{subject.domain}", MaxItems="5"
        )["ResourceRecordSets"]
        return [one["Name"] for one in sets if one["Type"] == "TXT" and subject.domain in one["Name"]]

    def _environment(self) -> dict[str, str]:
        """What Lambda gives to a function, and nothing of this machine."""
        return {
            "PATH": os.defpath,
            "AWS_ENDPOINT_URL": self.proxy.aws_endpoint,
            "AWS_ACCESS_KEY_ID": ROOT.access_key,
            "AWS_SECRET_ACCESS_KEY": ROOT.secret_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_LAMBDA_FUNCTION_NAME": "renewer",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "DNS_RESOLVER": f"{LOOPBACK}:{self.cloud.dns.port}",
            "NO_PROXY": "*",
        }


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


def issue_without_nonces(workers: queue.Queue[Worker], pebble: Pebble, number: int) -> str | None:
    """Issue through an authority that refuses half of the nonces; return what went wrong."""
    worker = workers.get()
    try:
        subject = worker.subject(f"nonces {number}")
        ending = worker.run(subject, pebble=pebble)
        return None if ending.outcome and ending.outcome["renewed"] else f"{ending}"
    finally:
        workers.put(worker)


def main() -> int:
    """Run the sweep; the exit code says whether everything held."""
    parser = argparse.ArgumentParser(description="Every fault at every request of an issuance.")
    parser.add_argument("--only", metavar="POINT/FAULT", help="such as finalize#1/late, or finalize#1")
    parser.add_argument("--scenario", choices=SCENARIOS, action="append", help="both by default")
    parser.add_argument("--workers", type=int, default=4, help="cases at a time (default: 4)")
    options = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True)
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    began = time.monotonic()
    with ExitStack() as stack:
        aws = stack.enter_context(LocalAws(BUILD))
        secrets, route53 = aws.client("secretsmanager"), aws.client("route53")
        dns = stack.enter_context(DnsServer(route53))
        program = Path(os.environ.get("PEBBLE") or provide(["pebble"], BUILD)["pebble"])

        def authority(folder: str, nonce_reject_percent: int) -> Pebble:
            pebble = Pebble(
                program,
                _made(WORK / folder),
                dns.port,
                LIFETIME_SECONDS,
                nonce_reject_percent=nonce_reject_percent,
            )
            return stack.enter_context(pebble)

        pebble = authority("pebble", 0)
        cloud = Cloud(aws, dns, pebble, pebble.issuing_root(), secrets, route53)
        pool = [Worker(cloud, number, stack) for number in range(options.workers)]
        points = {name: find_points(pool[0], name) for name in options.scenario or SCENARIOS}
        for name, found in points.items():
            console.print(f"{name}, {len(found)} points: {', '.join(found)}")
        cases = [case for name, found in points.items() for case in cases_of(name, found, options.only)]
        workers: queue.Queue[Worker] = queue.Queue()
        for worker in pool:
            workers.put(worker)
        threads = stack.enter_context(ThreadPoolExecutor(options.workers))
        failures = _sweep(console, threads, workers, cases, points)
        seconds = time.monotonic() - began
        if not options.only:
            refused = authority("pebble-nonces", NONCE_PERCENT)
            failures += _issue_forty(console, threads, workers, refused)
    count = sum(map(len, points.values()))
    if failures:
        console.print(f"[red]{len(failures)} of {len(cases)} cases did not recover[/red]; logs are in {WORK}")
        for failure in failures:
            console.print(f"[red]✗[/red] {escape(failure)}")
        return 1
    if not cases or options.only:
        console.print(f"{len(cases)} cases of {options.only}, all recovered" if cases else "no such point")
        return 0 if cases else 1
    console.print(f"{len(cases)} cases in {seconds:.0f} s; with nonces {time.monotonic() - began:.0f} s")
    console.print(f"{count} points x {FAULTS} faults, all recovered")
    return 0


def _sweep(
    console: Console,
    threads: ThreadPoolExecutor,
    workers: queue.Queue[Worker],
    cases: list[Case],
    points: dict[str, list[str]],
) -> list[str]:
    def attempt(case: Case) -> tuple[Case, list[str], Subject | None]:
        worker = workers.get()
        try:
            return case, *try_case(worker, case, points[case.scenario])
        except Exception as error:
            return case, [f"the sweep itself failed: {error!r}"], None
        finally:
            workers.put(worker)

    def show(case: Case, broken: list[str], subject: Subject | None) -> str:
        console.print(f"[red]✗[/red] {case}")
        for what in broken:
            console.print(f"  {what}", markup=False)
        if subject is not None:
            passed = (f"{one.operation}={one.status or '-'}" for one in subject.exchanges)
            console.print(f"  passed: {' '.join(passed)}\n  log {subject.log}:", markup=False)
            console.print(subject.log.read_text() if subject.log.exists() else "", markup=False)
        return f"{case}: {'; '.join(broken)}"

    return _show_progress(
        console, threads, "cases", attempt, cases, lambda done: done[1], lambda done: show(*done)
    )


def _issue_forty(
    console: Console, threads: ThreadPoolExecutor, workers: queue.Queue[Worker], pebble: Pebble
) -> list[str]:
    failures = _show_progress(
        console,
        threads,
        "issuances",
        lambda number: issue_without_nonces(workers, pebble, number),
        list(range(NONCE_ISSUANCES)),
        lambda error: error,
        str,
    )
    done = NONCE_ISSUANCES - len(failures)
    console.print(f"{done} of {NONCE_ISSUANCES} issuances succeeded with {NONCE_PERCENT} % of nonces refused")
    return failures


def _show_progress(
    console: Console,
    threads: ThreadPoolExecutor,
    what: str,
    work: Callable[[Any], Any],
    items: list[Any],
    is_broken: Callable[[Any], object],
    show: Callable[[Any], str],
) -> list[str]:
    """Do `work` for each of the items, show the broken ones as they come, and return a line for each."""
    failures = []
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=len(items))
        for number, future in enumerate(as_completed([threads.submit(work, item) for item in items]), 1):
            done = future.result()
            if is_broken(done):
                failures.append(show(done))
            progress.advance(task)
            if not console.is_terminal and number % 50 == 0:
                console.print(f"{number} of {len(items)} {what}")
    return failures


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())
