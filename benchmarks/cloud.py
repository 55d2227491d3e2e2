"""What the benchmarks run in: one local AWS, one DNS server, one ACME server, one counting proxy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import children
from infrastructure.bundle import LOCAL, build_bundle
from local_cloud.acme import Pebble
from local_cloud.acme.current_pebble import VERSION, build_pebble
from local_cloud.dns_server import DnsServer
from local_cloud.fault_proxy import FaultProxy
from local_cloud.ministack.server import REGION, LocalAws
from local_cloud.recording import Recording
from local_cloud.system_programs import provide
from tests.renewer_bench import LIFETIME, Renewer, make_renewer

BUILD = Path(__file__).parents[1] / "build"
KEY_TYPE = "rsa4096"  # the key of the recipe that this project replaces
_HANDLER = Path(__file__).with_name("handler_run.py")


@dataclass(frozen=True)
class Cloud:
    """What the benchmarks run in.

    Attributes:
        aws: the local AWS.
        acme: the ACME server, which refuses no nonce and reuses no authorization, so that counts are exact.
        acme_version: what it is.
        dns: the name server that it asks.
        proxy: before both; every client is sent through it.
        renewer: one certificate's renewal, as the stack makes it.
        bundle: the Lambda's bundle, unpacked; without byte code, as Lambda has it.
        work: folder of this benchmark.
    """

    aws: LocalAws
    acme: Pebble
    acme_version: str
    dns: DnsServer
    proxy: FaultProxy
    renewer: Renewer
    bundle: Path
    work: Path

    @property
    def domains(self) -> list[str]:
        """The names of every certificate here: a zone's apex and its wildcard."""
        return [self.renewer.domain, f"*.{self.renewer.domain}"]

    def environment(self) -> dict[str, str]:
        """What every client sees: this AWS through the proxy, its keys, and nothing of this machine."""
        return {
            **self.renewer.environment(),
            "AWS_ENDPOINT_URL": self.proxy.aws_endpoint,
            "PATH": os.defpath,
            "HOME": str(self.work),
            "LANG": "C.UTF-8",
        }

    def folder(self, name: str) -> Path:
        """Return a new folder of this benchmark."""
        made = self.work / name
        made.mkdir()
        return made

    def event(self, **changes: Any) -> dict[str, Any]:
        """Return the renewer's event for the authority behind the proxy."""
        return self.renewer.event(
            directory=self.proxy.directory_url,
            ca_root=self.proxy.ca_root.read_text(),
            key_type=KEY_TYPE,
            **changes,
        )

    def run_handler(self, *events: dict[str, Any], options: Sequence[str] = ()) -> children.Usage:
        """Run the bundle's handler on the events in turn, in one process, as Lambda does.

        The process sees the bundle, and boto3 as the runtime has it.
        """
        file = self.work / "events.json"
        file.write_text(json.dumps(events))
        command: list[str | Path] = [self.aws.python, "-I", "-B", _HANDLER, self.bundle, file, *options]
        return children.run(command, env=self.environment(), cwd=self.work)

    def record(self) -> Recording:
        """Begin to count."""
        return self.proxy.record()


@contextmanager
def start_cloud(name: str) -> Iterator[Cloud]:
    """Start all of it for the benchmark `name`; what it writes is in `build/bench/<name>`.

    Raises:
        ProgramMissing: there is no Pebble, and none can be unpacked or built here.
        ServiceError: a part did not start.
    """
    work = BUILD / "bench" / name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    with ExitStack() as stack:
        aws = stack.enter_context(LocalAws(BUILD))
        dns = stack.enter_context(DnsServer(aws.client("route53")))
        program, version = find_pebble()
        acme = stack.enter_context(Pebble(program, work, dns.port, LIFETIME, nonce_reject_percent=0))
        (work / "proxy").mkdir()
        proxy = FaultProxy(aws.endpoint, acme.directory_url, acme.ca_root, work / "proxy")
        stack.enter_context(proxy)
        renewer = make_renewer(aws, acme, dns.port)
        bundle = unpack(build_bundle(LOCAL, BUILD), work / "bundle")
        yield Cloud(aws, acme, version, dns, proxy, renewer, bundle, work)


def unpack(bundle: Path, folder: Path) -> Path:
    """Unpack a bundle as Lambda does, and return the folder."""
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    return folder


def find_pebble() -> tuple[Path, str]:
    """Return the current Pebble where Go can build it, else the machine's, with its version.

    Raises:
        ProgramMissing: there is none, and none can be unpacked here.
    """
    program = build_pebble(BUILD)
    if program is not None:
        return program, f"Pebble {VERSION}"
    program = provide(["pebble"], BUILD)["pebble"]
    said = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    return program, (said.stdout + said.stderr).strip().splitlines()[-1]


def allow_peers(cloud: Cloud) -> None:
    """Let the renewer's user do what certbot's and lego's documentation ask for; ours may do less."""
    user = cloud.aws.client("sts", *cloud.renewer.credentials).get_caller_identity()["Arn"].rsplit("/", 1)[-1]
    wanted = ["ListHostedZones", "ListHostedZonesByName", "GetChange", "ListResourceRecordSets"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": [f"route53:{one}" for one in wanted], "Resource": "*"},
            {"Effect": "Allow", "Action": "route53:ChangeResourceRecordSets", "Resource": "*"},
        ],
    }
    cloud.aws.client("iam").put_user_policy(
        UserName=user, PolicyName="peers", PolicyDocument=json.dumps(policy)
    )


__all__ = ["BUILD", "KEY_TYPE", "REGION", "Cloud", "allow_peers", "find_pebble", "start_cloud", "unpack"]
