"""A simulated NAS with one certificate or many, on which the agent has installed all of them."""

from __future__ import annotations

import ssl
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import children
from benchmarks.cloud import BUILD
from infrastructure.policies import nas_policy
from local_cloud.counting_proxy import CountingProxy
from local_cloud.dsm import ReverseProxy, SimulatedDsm
from local_cloud.dsm.issuing import Issuer, issue, make_issuer
from local_cloud.interpreters import find_python
from local_cloud.ministack.server import Credentials, LocalAws
from local_cloud.system_programs import provide
from synology_setup.agent_zipapp import build_agent
from tests.integration.agent_bench import NAMES, NAMESPACE, NAVIDROME, Nas, Secret
from tests.warm_dsm import WarmDsm


class NothingToDo:
    """A NAS whose agent has nothing to do.

    Attributes:
        nas: the simulated NAS.
        secret: of its first certificate.
        root: PEM of the root above everything here.
        python: what the agent runs under.
    """

    def __init__(self, nas: Nas, secret: Secret, root: bytes, python: Path) -> None:
        self.nas, self.secret, self.root, self.python = nas, secret, root, python

    def run(self, cwd: Path) -> tuple[children.Usage, list[str]]:
        """Run the agent as Task Scheduler does; return what it used and what it asked AWS for."""
        calls = len(self.nas.proxy.operations)
        used = children.run(
            [self.python, "-I", "-S", self.nas.agent, "run", "--root", self.nas.dsm.root],
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            cwd=cwd,
        )
        return used, self.nas.proxy.operations[calls:]


@contextmanager
def installed(aws: LocalAws, work: Path, python: Path, *, certificates: int = 1) -> Iterator[NothingToDo]:
    """Start a NAS with so many certificates, and let the agent install them.

    Raises:
        ProgramMissing: there is no nginx, and none can be unpacked here.
        children.CommandFailed: the agent could not install them.
    """
    nginx = provide(["nginx"], BUILD)["nginx"]
    root_ca = make_issuer("Simulated Root")
    authority = make_issuer(issuer=root_ca)
    agent = build_agent(work / "synology-agent.pyz")
    dsm = SimulatedDsm(
        work / "nas", nginx=nginx, issuer=authority, proxies=[ReverseProxy(NAVIDROME)]
    ).create()
    with WarmDsm() as warm:
        warm.use_in(dsm.root)
        with dsm, CountingProxy(aws.endpoint, _tls(root_ca, work)) as proxy:
            nas = Nas(dsm, root_ca, proxy, agent)
            secrets = [Secret(aws) for _ in range(certificates)]
            wanted = [nas.wanted(secrets[0])]
            secrets[0].put_pair(issue(NAMES, issuer=authority))
            for number, secret in enumerate(secrets[1:], 1):
                names = [f"nas{number}.test"]
                nas.dsm.add_entry(names[0], issue(names, issuer=authority))
                secret.put_pair(issue(names, issuer=authority))
                wanted.append(nas.wanted(secret, names[0], names))
            key = _may_read_all(aws, secrets)
            nas.configure(*wanted, credentials=key, metric_namespace=NAMESPACE)
            ready = NothingToDo(nas, secrets[0], root_ca.certificate, python)
            ready.run(work)
            yield ready


def agent_python() -> tuple[Path, str]:
    """Return the Python that DSM has, else this one, and its version."""
    found = find_python()
    if found is None:
        return Path(sys.executable), "this Python: no 3.8 was found"
    return found, "Python 3.8, as DSM has"


def _tls(root_ca: Issuer, work: Path) -> ssl.SSLContext:
    """Serve AWS's part by TLS, as AWS does: the roots that a client loads for it are a good part of a run."""
    pair, file = issue(["localhost"], issuer=root_ca), work / "localhost.pem"
    file.write_bytes(pair.leaf + pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def _may_read_all(aws: LocalAws, secrets: Sequence[Secret]) -> Credentials:
    """Return a key that may read all of them: a pattern, since a policy has no room for 50 names."""
    pattern = secrets[0].arn.rpartition("/")[0] + "/*"
    policy = nas_policy(certificate_arns=[pattern], metric_namespace=NAMESPACE)
    return aws.user(f"nas-{uuid.uuid4()}", policy)
