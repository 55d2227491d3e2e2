"""What the sweep of the renewer runs in: a cloud that all cases share, workers with a zone of their own."""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_cloud.acme import Pebble
from local_cloud.dns_server import DnsServer
from local_cloud.fault_proxy import Exchange, Fault, FaultProxy
from local_cloud.ministack.server import ROOT, LocalAws
from tests.renewer_bench import lambda_environment
from tests.sweep.forked_handler import Ending, ForkedHandler, Job

BUILD = Path(__file__).resolve().parents[2] / "build"
WORK = BUILD / "sweep"
HOURS_BETWEEN_RUNS = 12


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
        self.handler = stack.enter_context(
            ForkedHandler(lambda_environment(self.proxy.aws_endpoint, ROOT, cloud.dns.port))
        )

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
