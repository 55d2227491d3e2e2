"""The parts of a year, on one moved clock: local AWS, authority, DNS, NAS, and the two programs."""

from __future__ import annotations

import json
import os
import socket
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from infrastructure.policies import nas_policy, renewer_policy
from local_cloud.acme import Acme2Certifier
from local_cloud.dns_server import DnsServer
from local_cloud.dsm import ReverseProxy, SimulatedDsm
from local_cloud.dsm.switches import Fault
from local_cloud.ministack.server import REGION, Credentials, LocalAws
from local_cloud.processes import LOOPBACK
from tests.renewer_bench import lambda_environment
from tests.sweep import forked_agent, forked_handler
from tests.warm_dsm import WarmDsm
from tests.year.plan import Part
from tests.year.stack import Stack

DOMAIN = "example.com"
NAVIDROME = f"navidrome.{DOMAIN}"
PREFIX = "synology-https/dev"  # of the metrics' namespaces
_HOME = "volume1/@synology-https"
_PAUSE_SECONDS = 0.01  # time stands still in a run, so its pauses only cost


class World:
    """Everything that a year needs, started, and what can be done to it.

    Attributes:
        ca: the certificate authority.
        dsm: the NAS.
        renewer_log, agent_log: what the runs said.
    """

    def __init__(
        self,
        work: Path,
        build: Path,
        nginx: str,
        stack: Stack,
        opened: ExitStack,
        *,
        lifetime_seconds: int,
        renewal_info: bool,
        moved: dict[str, str],
    ) -> None:
        """Start all parts; `opened` stops them.

        Args:
            work, build: folders for the year's files, and for the environments.
            nginx: the program.
            stack: what the stack makes.
            opened: takes what is to be stopped.
            lifetime_seconds, renewal_info: of the authority.
            moved: what a process on the moved clock is started with.
        """
        self._stack = stack
        self._down: set[Part] = set()
        self._nowhere = opened.enter_context(socket.socket())
        self._nowhere.bind((LOOPBACK, 0))  # and never listens: who connects there is refused
        self.renewer_log, self.agent_log = work / "renewer.log", work / "agent.log"
        self._aws = opened.enter_context(LocalAws(build, moved))
        self._dns = opened.enter_context(DnsServer(self._aws.client("route53")))
        profiles = {stack.event["profile"]: "ours"} if stack.event["profile"] != "classic" else {}
        self.ca = opened.enter_context(
            Acme2Certifier(
                work / "ca",
                self._dns.port,
                lifetime_seconds,
                build=build,
                renewal_info=renewal_info,
                profiles=profiles,
            )
        )
        self._secrets, self._metrics = self._aws.client("secretsmanager"), self._aws.client("cloudwatch")
        self._certificate, self._account = (
            self._secrets.create_secret(Name=f"{PREFIX}/{name}")["ARN"]
            for name in (f"certificate/{DOMAIN}", "acme-account")
        )
        self._zone = self._make_zone()
        self._renewer = opened.enter_context(
            forked_handler.ForkedHandler({**self._lambda_environment(), **moved})
        )
        self.dsm = SimulatedDsm(work / "nas", nginx=nginx, proxies=[ReverseProxy(NAVIDROME)]).create()
        opened.enter_context(WarmDsm()).use_in(self.dsm.root)
        # The agent trusts the year's own root beside the system's, of which there are none: reading those is
        # a third of a run that has nothing to do.
        no_roots = {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}
        self._agent = opened.enter_context(forked_agent.ForkedAgent({**moved, **no_roots}))
        self._key = self._aws.user(
            "nas",
            nas_policy(
                certificate_arns=[self._certificate], metric_namespace=stack.agent["metric_namespace"]
            ),
        )
        (self.dsm.root / _HOME).mkdir(parents=True)
        (self.dsm.root / _HOME / "ca.pem").write_text(self.ca.issuing_root())
        self._configure_agent()
        opened.enter_context(self.dsm)
        self.places = {
            f"{DOMAIN}:{self.dsm.https_port}": (f"synology.{DOMAIN}", self.dsm.https_port),
            f"{NAVIDROME}": (NAVIDROME, self.dsm.proxy_ports[NAVIDROME]),
        }

    def run_renewer(self, dies_at: int, mutation: str) -> forked_handler.Ending:
        """Run the handler once, as the schedule does."""
        event = {
            **self._stack.event,
            "directory": self.ca.directory_url,
            "ca_root": self.ca.ca_root.read_text(),
            "secret": self._certificate,
            "zones": {DOMAIN: {"id": self._zone}},
        }
        down = {
            f"AWS_ENDPOINT_URL_{name}": self._endpoint(part)
            for part, name in (("route53", "ROUTE_53"), ("secretsmanager", "SECRETS_MANAGER"))
        }
        job = forked_handler.Job(
            event,
            self._account,
            str(self.renewer_log),
            aws_attempts=1,
            dies_at=dies_at,
            environment=down,
            mutation=mutation if mutation in forked_handler.MUTATIONS else "",
        )
        return self._renewer.run(job)

    def run_agent(self, dies_at: int, mutation: str) -> forked_agent.Ending:
        """Run the agent once, as Task Scheduler does."""
        config = self.dsm.root / _HOME / "config.json"
        job = forked_agent.Job(
            ["run", "--verbose", "--config", str(config), "--root", str(self.dsm.root)],
            str(self.agent_log),
            at=dies_at,
            fault="kill" if dies_at >= 0 else "",
            pause_seconds=_PAUSE_SECONDS,
            mutation=mutation if mutation in forked_agent.MUTATIONS else "",
        )
        return self._agent.run(job)

    def be_lazy(self, lazy: bool) -> None:
        """Let nginx be reloaded neither by DSM, from now on, nor at the first asking; or let it be."""
        faults = {"systemctl:reload": Fault("lie", calls=1)} if lazy else {}
        self.dsm.switch(no_reload=True if lazy else "non-default", faults=faults)

    def take_down(self, part: Part) -> None:
        """Let a part be unreachable; the NAS is switched off."""
        self._down.add(part)
        self._apply(part)

    def bring_up(self, part: Part) -> None:
        """Let it be there again."""
        self._down.discard(part)
        self._apply(part)

    def is_down(self, part: Part) -> bool:
        """Tell whether a part is down now."""
        return part in self._down

    def current_serial(self) -> str:
        """Return the serial number, in decimal, of the certificate that is AWSCURRENT; empty without one."""
        try:
            answer = self._secrets.get_secret_value(SecretId=self._certificate)
        except self._secrets.exceptions.ResourceNotFoundException:
            return ""
        serial = json.loads(answer["SecretString"]).get("serial")
        return str(int(serial, 16)) if serial else ""

    def reported(
        self, metric: str, certificate: str, start: datetime, end: datetime
    ) -> list[tuple[int, float]]:
        """Return what the agent sent of a metric between two moments, by the minute, as CloudWatch has it."""
        answer = self._metrics.get_metric_statistics(
            Namespace=self._stack.agent["metric_namespace"],
            MetricName=metric,
            Dimensions=[{"Name": "certificate", "Value": certificate}],
            StartTime=start,
            EndTime=end,
            Period=60,
            Statistics=["Maximum"],
        )
        return sorted((int(one["Timestamp"].timestamp()), one["Maximum"]) for one in answer["Datapoints"])

    def _apply(self, part: Part) -> None:
        down = part in self._down
        if part == "ca":
            self.ca.close() if down else self.ca.open()
        elif part == "nas":
            self.dsm.stop() if down else self.dsm.start()
        elif part == "secretsmanager":
            self._configure_agent()

    def _endpoint(self, part: str) -> str:
        return (
            f"http://{LOOPBACK}:{self._nowhere.getsockname()[1]}"
            if part in self._down
            else self._aws.endpoint
        )

    def _make_zone(self) -> str:
        zone = self._aws.client("route53").create_hosted_zone(Name=DOMAIN, CallerReference="1")
        return str(zone["HostedZone"]["Id"]).rsplit("/", 1)[-1]

    def _lambda_environment(self) -> dict[str, str]:
        """What Lambda gives to the function, with a key that may do what the stack allows."""
        policy = renewer_policy(
            certificate_arn=self._certificate,
            account_arn=self._account,
            log_group_arn=f"arn:aws:logs:{REGION}:000000000000:log-group:renewer",
            challenges={f"arn:aws:route53:::hostedzone/{self._zone}": [f"_acme-challenge.{DOMAIN}"]},
        )
        key: Credentials = self._aws.user("renewer", policy)
        return {
            **lambda_environment(self._aws.endpoint, key, self._dns.port),
            "AWS_LAMBDA_FUNCTION_NAME": self._stack.function_name,
            "METRIC_NAMESPACE": PREFIX,
        }

    def _configure_agent(self) -> None:
        (wanted,) = self._stack.agent["certificates"]
        fields = {
            **self._stack.agent,
            "access_key_id": self._key.access_key,
            "secret_access_key": self._key.secret_key,
            "endpoint": {
                "secretsmanager": self._endpoint("secretsmanager"),
                "monitoring": self._aws.endpoint,
            },
            "ca_file": str(self.dsm.root / _HOME / "ca.pem"),
            "certificates": [{**wanted, "secret": self._certificate}],
        }
        config = self.dsm.root / _HOME / "config.json"
        config.touch(mode=0o600)
        config.write_text(json.dumps(fields))
