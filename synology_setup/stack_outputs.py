"""What `pulumi up` left to know: the stack's outputs."""

from __future__ import annotations

import codecs
import json
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import SetupError


@dataclass(frozen=True)
class NasOutputs:
    """What the stack made for one NAS.

    Attributes:
        name: in the stack.
        user: name of its IAM user.
        url: DSM's page.
        agent_config: the agent's config file without its key, JSON.
    """

    name: str
    user: str
    url: str
    agent_config: dict[str, Any]


@dataclass(frozen=True)
class StackOutputs:
    """The outputs that set-up uses.

    Attributes:
        region: AWS region of the stack.
        renewer: name of the renewal Lambda.
        requests: certificate name -> the event that its schedule sends.
        nases: the NASes, by name.
        alarm_topic: ARN of the SNS topic that alarms go to, or None.
    """

    region: str
    renewer: str
    requests: dict[str, dict[str, Any]]
    nases: dict[str, NasOutputs] = field(default_factory=dict)
    alarm_topic: str | None = None

    def nas(self, name: str | None) -> NasOutputs:
        """Return the NAS of that name, or the only one.

        Raises:
            SetupError: the stack has no such NAS, or several and none was named.
        """
        if name is None and len(self.nases) == 1:
            return next(iter(self.nases.values()))
        known = ", ".join(sorted(self.nases)) or "none"
        if name is None:
            raise SetupError(f"the stack has {len(self.nases)} NASes ({known}): name one with --nas NAME")
        if name not in self.nases:
            raise SetupError(f"the stack has no NAS {name!r}; it has {known}")
        return self.nases[name]

    def request(self, certificate: str) -> dict[str, Any]:
        """Return the certificate request of that name.

        Raises:
            SetupError: the stack has no such certificate.
        """
        try:
            return self.requests[certificate]
        except KeyError:
            raise SetupError(
                f"the stack has no certificate {certificate!r}; it has {', '.join(sorted(self.requests))}"
            ) from None


def read_outputs(*, stack: str | None = None, file: Path | None = None) -> StackOutputs:
    """Read the outputs from a file, or from `pulumi stack output --json`.

    Args:
        stack: the stack's name, or None for the one that is selected.
        file: what `pulumi stack output --json` printed, or None to ask Pulumi.

    Raises:
        SetupError: they cannot be read, or are not those of this project.
    """
    source = str(file) if file else "`pulumi stack output --json`"
    text = _read(file) if file else _ask_pulumi(stack)
    try:
        outputs = json.loads(text)
        return StackOutputs(
            region=outputs["region"],
            renewer=outputs["renewer"],
            requests={name: about["request"] for name, about in outputs["certificates"].items()},
            nases={
                name: NasOutputs(name, about["user"], about["url"], about["agent_config"])
                for name, about in outputs["nas"].items()
            },
            alarm_topic=outputs.get("alarm_topic"),
        )
    except (ValueError, TypeError, AttributeError):
        raise SetupError(f"{source} is not the JSON of a stack's outputs") from None
    except KeyError as error:
        raise SetupError(
            f"{source} has no output {error}: run `pulumi up` with this checkout first"
        ) from None


def _read(file: Path) -> str:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise SetupError(f"{file} cannot be read: {error.strerror}") from None
    try:
        # Windows PowerShell's `>` writes UTF-16, other programs there UTF-8 with a mark.
        utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        raise SetupError(
            f"{file} is no text: it should hold what `pulumi stack output --json` printed"
        ) from None


def _ask_pulumi(stack: str | None) -> str:
    pulumi = shutil.which("pulumi")
    if pulumi is None:
        raise SetupError(
            "pulumi is not on PATH: install it (https://www.pulumi.com/docs/install/), or give its "
            "outputs with --outputs FILE"
        )
    command = [pulumi, "stack", "output", "--json", *(["--stack", stack] if stack else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(f"`pulumi stack output --json` failed: {done.stderr.strip()}")
    return done.stdout
