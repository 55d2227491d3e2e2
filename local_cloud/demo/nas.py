"""The agent on the simulated NAS: put there, given its key, run as Task Scheduler would run it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from local_cloud.dsm import SimulatedDsm
from local_cloud.ministack.server import Credentials, LocalAws
from local_cloud.processes import child
from synology_setup.agent_zipapp import build_agent

_HOME = "volume1/@synology-https"
_RUN_SECONDS = 120


class AgentRun(NamedTuple):
    """A finished run of the agent.

    Attributes:
        code: its exit code.
        output: what it printed, both streams.
    """

    code: int
    output: str


class AgentOnNas:
    """The agent in its folder on the simulated NAS."""

    def __init__(self, dsm: SimulatedDsm, python: Path, build: Path) -> None:
        """Put the agent's one file on the NAS; `python` runs it."""
        self._root = dsm.root
        self._python = python
        self.home = dsm.root / _HOME
        self.agent = build_agent(self.home / "synology-agent.pyz")
        self._environment = {"PATH": "/usr/bin:/bin", "HOME": str(build)}

    def configure(
        self,
        stack_config: Mapping[str, Any],
        credentials: Credentials,
        *,
        endpoint: str,
        ca_root: str,
        entry: str,
    ) -> None:
        """Write the config file: what the stack says, the NAS's own key, and where the embedded cloud is."""
        ca_file = self.home / "ca.pem"
        ca_file.write_text(ca_root)
        config = {
            **stack_config,
            "certificates": [{**wanted, "entry": entry} for wanted in stack_config["certificates"]],
            "access_key_id": credentials.access_key,
            "secret_access_key": credentials.secret_key,
            "endpoint": endpoint,
            "ca_file": str(ca_file),
        }
        path = self.home / "config.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config, indent=2))

    def run(self, *options: str) -> AgentRun:
        """Run the agent once."""
        with child(
            [self._python, "-I", "-S", self.agent, "run", "--root", self._root, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=self._environment,
        ) as agent:
            output, _ = agent.communicate(timeout=_RUN_SECONDS)
        return AgentRun(agent.returncode, output.strip())


def make_access_key(aws: LocalAws, user: str) -> Credentials:
    """Make the NAS's access key, as set-up does: it goes to the NAS and nowhere else."""
    key = aws.client("iam").create_access_key(UserName=user)["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])
