"""docs/getting-started.md word by word, in a fresh copy of the project with an environment of its own.

Not as printed are: the NAS's address, since this one is simulated and on loopback; `pulumi up`, which runs on
the engine by its Automation API, as the CLI's own Python host does not come with it; and `check`, which asks
the Internet's resolvers: tests/integration/test_setup_checks*.py have it.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infrastructure.bundle import LOCAL, build_bundle
from local_cloud.acme import Pebble
from local_cloud.demo.client import Client
from local_cloud.dns_server import DnsServer
from local_cloud.dsm import SimulatedDsm
from local_cloud.engine.stack import PASSPHRASE, PROJECT, EngineStack
from local_cloud.interpreters import find_python
from local_cloud.ministack.server import LocalAws
from local_cloud.processes import LOOPBACK
from local_cloud.ssh_server import SimulatedSudo, SshServer
from local_cloud.system_programs import ProgramMissing, provide
from tests.engine.terminal import run_at_terminal

BUILD = PROJECT / "build"
PAGE = PROJECT / "docs" / "getting-started.md"
PASSWORD = "the DSM account's password"
SETUP = ".venv/bin/python -m synology_setup"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The project's files as git knows them, and nothing else."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=True).stdout
    folder = tmp_path / "synology-https"
    for name in listed.decode().split("\0"):
        if name and (PROJECT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, target)
    return folder


@pytest.fixture
def nas(tmp_path: Path) -> Iterator[tuple[SimulatedDsm, SshServer]]:
    try:
        nginx = provide(["nginx", "sshd"], BUILD)["nginx"]
    except ProgramMissing as error:
        pytest.skip(f"needs the packages nginx and openssh-server: {error}")
    python = find_python() or Path(sys.executable)
    dsm = SimulatedDsm(tmp_path / "nas", nginx=nginx, recipe=False, python=python).create()
    sudo = SimulatedSudo(tmp_path / "sudo", PASSWORD)
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public = key.with_suffix(".pub").read_text()
    with dsm, SshServer(tmp_path / "sshd", BUILD, authorized=public, first_in_path=(sudo.folder,)) as server:
        yield dsm, server


def blocks() -> list[str]:
    """The page's blocks of commands, in order."""
    return re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_every_step_as_it_is_printed(
    cli: Path,
    aws: LocalAws,
    dns: DnsServer,
    acme: Pebble,
    settings: dict[str, Any],
    clone: Path,
    nas: tuple[SimulatedDsm, SshServer],
    tmp_path: Path,
) -> None:
    describe, up, check, install, finish = blocks()
    dsm, ssh = nas
    engine = tmp_path / "engine"
    for name in ("home", "state", "project"):
        (engine / name).mkdir(parents=True)
    environment = {
        "PATH": f"{cli.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "PULUMI_HOME": str(engine / "home"),
        "PULUMI_BACKEND_URL": f"file://{engine / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))},
        **aws.operator_environment(),
    }

    run_at_terminal(describe, clone, environment, {})

    assert up == "pulumi up\n"
    shutil.copy(clone / "Pulumi.home.yaml", engine / "project")
    stack = EngineStack(
        cli,
        engine,
        aws.endpoint,
        local_bundle=build_bundle(LOCAL, BUILD),
        resolver=f"{LOOPBACK}:{dns.port}",
        stack="home",
    )
    stack.configure(settings)
    outputs = stack.up().outputs
    first = json.loads(outputs["certificates"]["example.com"]["first_renewal"])
    assert first["renewed"] is True

    assert check == f"{SETUP} check\n"
    assert "python -m synology_setup install" in outputs["next_step"]

    roots = tmp_path / "roots.pem"
    roots.write_text(acme.issuing_root())
    options = f"-i {tmp_path / 'id'} --root {dsm.root}"
    person = {
        r"\(y/N\)|\[y/N\]": "y",
        r"[Pp]assword[^\n]*": PASSWORD,
    }

    def at_the_nas(command: str, more: str = "") -> str:
        assert "admin@192.168.0.10" in command
        here = command.replace("admin@192.168.0.10", f"{getpass.getuser()}@{LOOPBACK}:{ssh.port}")
        return run_at_terminal(f"{here.strip()} {options} {more}", clone, environment, person)

    said = at_the_nas(install, f"--endpoint {aws.endpoint} --ca-file {roots}")
    assert ssh.fingerprint() in said
    assert PASSWORD not in said
    assert "Open https://synology.example.com:5001" in said

    client, serial = Client(acme.issuing_root()), first["serial"]
    assert client.visit("synology.example.com", dsm.https_port).serial == serial
    at_the_nas(finish)
    assert client.visit("navidrome.example.com", dsm.proxy_ports["navidrome.example.com"]).serial == serial
    assert "nothing to do" in at_the_nas(install, f"--endpoint {aws.endpoint} --ca-file {roots}")
