"""The agent in its folder on the NAS: its file, its config, its commands."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import config_on_nas
from .agent_zipapp import agent_content
from .errors import SetupError
from .nas import Facts, Nas
from .remote import Result, put

RUN_SECONDS = 900.0
"""How long the NAS may be silent while the agent installs: a small one takes minutes to reload everything."""

_CODE = Path(config_on_nas.__file__).read_text(encoding="utf-8")


class AgentOnNas:
    """The agent's folder, of which root alone may read.

    Attributes:
        home: the folder.
        agent: the agent's one file.
        config: its config file.
    """

    def __init__(self, nas: Nas, facts: Facts) -> None:
        self._nas = nas
        self._python = facts.python
        self.home = facts.home
        self.agent = f"{self.home}/synology-agent.pyz"
        self.config = f"{self.home}/config.json"
        self._root_options = ["--root", nas.root] if nas.root else []

    @property
    def command(self) -> str:
        """What Task Scheduler runs."""
        return shlex.join([self._python, "-I", "-S", self.agent, "run", *self._root_options])

    def put_agent(self) -> bool:
        """Put this checkout's agent on the NAS unless it is there; tell whether it was put.

        Raises:
            CopyFailed: it was not written.
        """
        content = agent_content()
        if self.digest() == hashlib.sha256(content).hexdigest():
            return False
        folder_there = f"umask 077; mkdir -p {shlex.quote(self.home)} && chmod 700 {shlex.quote(self.home)}"
        self._nas.run(folder_there).check(f"making the folder {self.home}")
        put(self._nas.shell, content, self.agent, 0o755)
        return True

    def digest(self) -> str | None:
        """Return the SHA-256 of the agent that is there, in hex, or None."""
        script = (
            f"test -e {shlex.quote(self.agent)} || exit 0; exec {shlex.quote(self._python)} -I -S -c "
            + shlex.quote(
                "import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], 'rb').read()).hexdigest())"
            )
            + f" {shlex.quote(self.agent)}"
        )
        return self._nas.run(script).check("reading the agent").stdout.decode().strip() or None

    def read_config(self) -> dict[str, Any]:
        """Return the config without its secrets; an empty one where there is none."""
        return self._change(self.config, {}, ())[0]

    def change_config(
        self, changes: Mapping[str, Any], *, remove: Sequence[str] = (), path: str | None = None
    ) -> bool:
        """Set fields of the config and remove others; tell whether that changed anything.

        Args:
            changes: field -> its new value; secrets among them go by standard input.
            remove: fields to remove.
            path: another file than the config.
        """
        return self._change(path or self.config, changes, remove)[1]

    def run(self, *arguments: str, seconds: float = RUN_SECONDS) -> Result:
        """Run a command of the agent."""
        return self._nas.run(
            [self._python, "-I", "-S", self.agent, *arguments, *self._root_options], seconds=seconds
        )

    def status(self) -> dict[str, Any] | None:
        """Return what `status --json` says, or None where the agent cannot say it."""
        result = self.run("status", "--json")
        try:
            found = json.loads(result.stdout)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def _change(
        self, path: str, changes: Mapping[str, Any], remove: Sequence[str]
    ) -> tuple[dict[str, Any], bool]:
        order = json.dumps({"set": changes, "remove": list(remove)}).encode()
        script = f"exec {shlex.quote(self._python)} -I -S -c {shlex.quote(_CODE)} {shlex.quote(path)}"
        result = self._nas.run(script, order)
        if result.status != 0:
            words = result.stderr.decode(errors="replace").strip()[-300:]
            raise SetupError(f"{path} on the NAS: {words or 'Python ended without a word'}")
        answer = json.loads(result.stdout)
        return answer["config"], answer["changed"]
