"""The embedded cloud of the demo: every part started, and torn down in the reverse order."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from infrastructure.bundle import LOCAL, build_bundle
from local_cloud.acme import AcmeServer, find_acme_server
from local_cloud.counting_proxy import CountingProxy
from local_cloud.dns_server import DnsServer
from local_cloud.dsm import ReverseProxy, SimulatedDsm
from local_cloud.interpreters import find_python
from local_cloud.ministack.server import LocalAws
from local_cloud.system_programs import provide

from .nas import NasOverSsh
from .report import Report

DOMAIN = "example.com"
NAS = "synology"
DSM_NAME = f"{NAS}.{DOMAIN}"
SERVICE_NAME = "navidrome.example.com"

# Long enough to be read by every client, short enough that the first scheduled run, a minute after `up`,
# finds the certificate due: half of it is over before the run after that one.
LIFETIME_SECONDS = 180


@dataclass(frozen=True)
class World:
    """What the demo's steps work with.

    Attributes:
        aws: the local AWS, with the user's hosted zone in it.
        zone_id: that zone's id.
        dns: the DNS server over its Route 53.
        acme: the certificate authority.
        dsm: the simulated NAS.
        nas: the way to it by SSH, and Task Scheduler's on it.
        proxy: counts the agent's calls to AWS.
        bundle: the Lambda's zip for this machine.
        work: folder of this demo.
    """

    aws: LocalAws
    zone_id: str
    dns: DnsServer
    acme: AcmeServer
    dsm: SimulatedDsm
    nas: NasOverSsh
    proxy: CountingProxy
    bundle: Path
    work: Path


def start_world(build: Path, stack: ExitStack, report: Report) -> World:
    """Start every part; `stack` ends them.

    Raises:
        ProgramMissing: nginx is missing and cannot be unpacked here; the line to type is in the text.
        ServiceError: a part did not start.
        BundleError: the Lambda's wheels could not be installed.
    """
    work = _own_folder(build / "demo")
    with report.step("System programs: nginx, sshd, an ACME server, the Python of DSM"):
        nginx = provide(["nginx", "sshd"], build)["nginx"]
        python = find_python()
        report.parts["nginx"] = str(nginx)
        report.parts["agent"] = "Python 3.8, as DSM has" if python else "this Python: no 3.8 was found"
        report.note(f"the agent runs under {report.parts['agent']}")
    with report.step("The Lambda's bundle"):
        bundle = build_bundle(LOCAL, build)
        report.note(f"{bundle.name}, {bundle.stat().st_size / 1e6:.1f} MB, hash-pinned wheels")
    local_aws = LocalAws(build)
    with report.step("The local AWS's own environment, installed once"):
        local_aws.prepare()
    with report.step("Local AWS, with signatures, policies and their conditions enforced"):
        aws = stack.enter_context(local_aws)
        zone = aws.client("route53").create_hosted_zone(Name=DOMAIN, CallerReference="the user's domain")
        report.parts["aws"] = "MiniStack, AUTH=true"
    with report.step("DNS that answers from its Route 53, and an ACME server that asks it"):
        dns = stack.enter_context(DnsServer(aws.client("route53")))
        acme = stack.enter_context(find_acme_server(work / "acme", dns.port, LIFETIME_SECONDS, build=build))
        report.parts["acme"] = acme.name
        report.note(f"{acme.name}: {acme.directory_url}, certificates for {LIFETIME_SECONDS // 60} minutes")
    with report.step("A simulated DSM 7.2 behind a real nginx and a real sshd"):
        proxies = [ReverseProxy(SERVICE_NAME)]
        dsm = SimulatedDsm(
            work / "nas",
            nginx=nginx,
            proxies=proxies,
            recipe=False,
            python=python or Path(sys.executable),
        ).create()
        stack.enter_context(dsm)
        nas = stack.enter_context(NasOverSsh(dsm, build, work))
        report.parts["dsm"] = "DSM 7.2, simulated"
    proxy = stack.enter_context(CountingProxy(aws.endpoint))
    return World(aws, zone["HostedZone"]["Id"].rsplit("/", 1)[-1], dns, acme, dsm, nas, proxy, bundle, work)


def _own_folder(demo: Path) -> Path:
    """Make a folder for this process, and drop those of demos that have ended."""
    for old in demo.glob("[0-9]*"):
        if not psutil.pid_exists(int(old.name)):
            shutil.rmtree(old, ignore_errors=True)
    work = demo / str(os.getpid())
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    return work
