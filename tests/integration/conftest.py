"""What the integration tests share: the local AWS, and the system programs."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from local_cloud.acme import Pebble
from local_cloud.counting_proxy import CountingProxy
from local_cloud.dns_server import DnsServer
from local_cloud.dsm import ReverseProxy, SimulatedDsm
from local_cloud.dsm.issuing import Issuer, issue, make_issuer
from local_cloud.interpreters import DSM_PYTHON, find_python
from local_cloud.ministack.server import LocalAws
from local_cloud.ssh_server import SimulatedSudo, SshServer
from local_cloud.system_programs import ProgramMissing, provide
from synology_setup.agent_zipapp import build_agent
from tests.integration.agent_bench import BLOG, NAMES, NAVIDROME, Nas, Secret
from tests.integration.setup_bench import PASSWORD, Bench
from tests.renewer_bench import LIFETIME, Renewer, make_renewer
from tests.warm_dsm import WarmDsm

BUILD = Path(__file__).resolve().parents[2] / "build"


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    """The local AWS, one for the whole session."""
    with LocalAws(BUILD) as aws:
        yield aws


@pytest.fixture(scope="session")
def nginx() -> Path:
    """The real nginx, from PATH or unpacked."""
    return _program("nginx")


@pytest.fixture(scope="session")
def pebble() -> Path:
    """Pebble, from PATH or unpacked."""
    return _program("pebble")


@pytest.fixture(scope="session")
def dns(local_aws: LocalAws) -> Iterator[DnsServer]:
    """The name server of the local Route 53."""
    with DnsServer(local_aws.client("route53")) as server:
        yield server


@pytest.fixture(scope="session")
def server(pebble: Path, dns: DnsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """The certificate authority of the renewer's tests."""
    # Another Pebble than the machine's, for a check of versions: PEBBLE=path pytest …
    program = Path(os.environ.get("PEBBLE") or pebble)
    with Pebble(program, tmp_path_factory.mktemp("acme"), dns.port, LIFETIME, nonce_reject_percent=5) as made:
        yield made


@pytest.fixture
def renewer(local_aws: LocalAws, server: Pebble, dns: DnsServer) -> Renewer:
    """A certificate of its own, of which nothing is issued yet."""
    return make_renewer(local_aws, server, dns.port)


@pytest.fixture(scope="session")
def dsm_python() -> Path:
    """The Python that DSM ships."""
    python = find_python()
    if python is None:
        pytest.skip(f"needs Python {DSM_PYTHON}, on PATH or under pyenv")
    return python


def _program(name: str) -> Path:
    try:
        return provide([name], BUILD)[name]
    except ProgramMissing as error:
        pytest.skip(f"needs the package {name}: {error}")


@pytest.fixture(scope="session")
def root_ca() -> Issuer:
    """The root that the agents of the tests trust."""
    return make_issuer("Simulated Root")


@pytest.fixture(scope="session")
def ca(root_ca: Issuer) -> Issuer:
    """The intermediate that signs their certificates."""
    return make_issuer(issuer=root_ca)


@pytest.fixture(scope="session")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one file that goes to a NAS."""
    return build_agent(tmp_path_factory.mktemp("agent") / "synology-agent.pyz")


@pytest.fixture
def secret(local_aws: LocalAws) -> Secret:
    """A secret of the test's own, with nothing in it."""
    return Secret(local_aws)


@pytest.fixture(scope="session")
def warm_dsm() -> Iterator[WarmDsm]:
    """The simulated DSM's programs, started once: an install runs dozens of them."""
    with WarmDsm() as warm:
        yield warm


@pytest.fixture
def dsm_options() -> dict[str, Any]:
    """How the test's NAS differs from a DSM 7.2 on which the recipe was followed."""
    return {}


@pytest.fixture
def sshd_options() -> dict[str, Any]:
    """How the test's SSH server differs from a NAS whose user logs in by key."""
    return {}


@pytest.fixture
def bench(
    tmp_path: Path,
    nginx: Path,
    ca: Issuer,
    root_ca: Issuer,
    local_aws: LocalAws,
    secret: Secret,
    warm_dsm: WarmDsm,
    dsm_python: Path,
    dsm_options: dict[str, Any],
    sshd_options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Bench]:
    """A NAS before any recipe, behind SSH, and a stack with a certificate for it and no access key."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in local_aws.operator_environment().items():
        monkeypatch.setenv(name, value)
    # boto3's default session keeps the credentials it saw first: set-up is not to use it.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3.Session("AKIAOFSOMEBODYELSE", "no secret"))
    iam = local_aws.client("iam")
    iam.delete_access_key(UserName=secret.user, AccessKeyId=secret.credentials.access_key)
    secret.put_pair(issue(NAMES, issuer=ca))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id"], check=True)
    proxies = [ReverseProxy(NAVIDROME), ReverseProxy(BLOG, own_certificate=True)]
    options = {"nginx": nginx, "issuer": ca, "proxies": proxies, "recipe": False, "python": dsm_python}
    dsm = SimulatedDsm(tmp_path / "nas", **{**options, **dsm_options}).create()
    warm_dsm.use_in(dsm.root)
    sudo = SimulatedSudo(tmp_path / "sudo", PASSWORD)
    authorized = (tmp_path / "id.pub").read_text()
    try:
        server = SshServer(
            tmp_path / "sshd",
            BUILD,
            **{
                "first_in_path": (tmp_path / "programs", sudo.folder),
                "noise": True,
                "authorized": authorized,
                **sshd_options,
            },
        )
    except ProgramMissing as error:
        pytest.skip(f"needs the package openssh-server: {error}")
    with dsm, server:
        yield Bench(dsm, server, sudo, secret, root_ca, local_aws, tmp_path)


@pytest.fixture
def nas(
    tmp_path: Path,
    nginx: Path,
    ca: Issuer,
    root_ca: Issuer,
    local_aws: LocalAws,
    agent: Path,
    warm_dsm: WarmDsm,
    dsm_options: dict[str, Any],
) -> Iterator[Nas]:
    """A NAS of the test's own, with the agent's file on it."""
    proxies = [ReverseProxy(NAVIDROME), ReverseProxy(BLOG, own_certificate=True)]
    dsm = SimulatedDsm(tmp_path / "nas", **{"nginx": nginx, "issuer": ca, "proxies": proxies, **dsm_options})
    dsm.create()
    warm_dsm.use_in(dsm.root)
    with dsm, CountingProxy(local_aws.endpoint) as proxy:
        yield Nas(dsm, root_ca, proxy, agent)
