"""The way to the simulated NAS: SSH, DSM's sudo, set-up's one command, and Task Scheduler's runs."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

from rich.console import Console

from local_cloud.dsm import SimulatedDsm
from local_cloud.ministack.server import Credentials, LocalAws
from local_cloud.processes import LOOPBACK, Startable, child
from local_cloud.ssh_server import SimulatedSudo, SshServer
from synology_setup.command_line import main
from synology_setup.remote import Secret
from synology_setup.schedule import NAME
from synology_setup.screen import Screen

_HOME = "volume1/@synology-https"
_PASSWORD = "the DSM account's password"  # noqa: S105
_RUN_SECONDS = 120


class AgentRun(NamedTuple):
    """A finished run of the agent.

    Attributes:
        code: its exit code.
        output: what it printed, both streams.
    """

    code: int
    output: str


class NasOverSsh(Startable):
    """The simulated NAS as set-up reaches it, and as Task Scheduler runs the agent on it.

    Attributes:
        home: the agent's folder.
        asked: what the person at the terminal was asked.
    """

    def __init__(self, dsm: SimulatedDsm, build: Path, work: Path) -> None:
        """Describe the SSH server; it serves the current user, whose root shell is the simulated sudo's.

        Raises:
            ProgramMissing: there is no sshd.
        """
        self.home = dsm.root / _HOME
        self.asked: list[str] = []
        self._dsm, self._work = dsm, work
        sudo = SimulatedSudo(work / "sudo", _PASSWORD)
        self._key = work / "id"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self._key], check=True)
        self._server = SshServer(
            work / "sshd",
            build,
            authorized=self._key.with_suffix(".pub").read_text(),
            first_in_path=(sudo.folder,),
            noise=True,
        )

    def start(self) -> Self:
        """Start the server."""
        self._server.start()
        return self

    def stop(self) -> None:
        """Stop it, with every session."""
        self._server.stop()

    def install(
        self, outputs: Mapping[str, Any], aws: LocalAws, *, endpoint: str, ca_root: str, console: Console
    ) -> int:
        """Run `python -m synology_setup install` as the operator would; return its exit code.

        Args:
            outputs: the stack's.
            aws: where the operator's own credentials are good.
            endpoint: what the agent asks in place of AWS.
            ca_root: PEM of the root that the agent is to trust.
            console: where the person looks.
        """
        outputs_file, ca_file = self._work / "outputs.json", self._work / "ca.pem"
        outputs_file.write_text(json.dumps(outputs))
        ca_file.write_text(ca_root)
        words = ["install", *self._there(), "--outputs", outputs_file]
        words += ["--ca-file", ca_file, "--endpoint", endpoint]
        return self._set_up(words, aws, console)

    def finish(self, aws: LocalAws, console: Console) -> int:
        """Run `python -m synology_setup finish` with the outputs of `install`; return its exit code."""
        return self._set_up(
            ["finish", *self._there(), "--outputs", self._work / "outputs.json"], aws, console
        )

    def _there(self) -> list[str | Path]:
        target = f"{getpass.getuser()}@{LOOPBACK}:{self._server.port}"
        return [target, "-i", self._key, "--root", self._dsm.root]

    def _set_up(self, words: list[str | Path], aws: LocalAws, console: Console) -> int:
        with _operator(aws, self._work):
            return main([str(word) for word in words], _Person(self, self._server.fingerprint(), console))

    @property
    def tasks(self) -> list[str]:
        """Names of Task Scheduler's tasks."""
        return [task["name"] for task in self._dsm.tasks()]

    @property
    def config(self) -> dict[str, Any]:
        """The agent's config file."""
        found: dict[str, Any] = json.loads((self.home / "config.json").read_text())
        return found

    @property
    def credentials(self) -> Credentials:
        """The NAS's access key, as a thief finds it on the NAS."""
        return Credentials(self.config["access_key_id"], self.config["secret_access_key"])

    def run_task(self, *options: str) -> AgentRun:
        """Run the agent's task as Task Scheduler does, with further options."""
        script = next(task["script"] for task in self._dsm.tasks() if task["name"] == NAME)
        with child(
            ["/bin/sh", "-c", " ".join([script, *options])],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self._work)},
        ) as agent:
            output, _ = agent.communicate(timeout=_RUN_SECONDS)
        return AgentRun(agent.returncode, output.strip())


class _Person(Screen):
    """Knows the NAS's host key and password, and agrees to what is asked."""

    def __init__(self, nas: NasOverSsh, fingerprint: str, console: Console) -> None:
        super().__init__(console)
        self._nas, self._fingerprint = nas, fingerprint

    def ask_secret(self, prompt: str) -> Secret:
        self._nas.asked.append(prompt.strip())
        self.note(f"{prompt.strip()} ********")
        return Secret(_PASSWORD)

    def confirm(self, text: str) -> bool:
        self._nas.asked.append(text)
        known = self._fingerprint in text
        self.note(f"{text} {'yes' if known else 'no'}")
        return known

    def agree(self, text: str) -> bool:
        self._nas.asked.append(text)
        self.note(f"{text} yes")
        return True


@contextmanager
def _operator(aws: LocalAws, home: Path) -> Iterator[None]:
    """Let this process have the operator's AWS credentials and home folder, and no SSH agent."""
    before = dict(os.environ)
    os.environ.pop("SSH_AUTH_SOCK", None)
    os.environ |= {"HOME": str(home), **aws.operator_environment()}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before
