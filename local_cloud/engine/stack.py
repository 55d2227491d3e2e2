"""The real `__main__.py` on Pulumi's real engine, as an inline program of its Automation API.

State is in files, secrets are encrypted under a passphrase, and nothing is downloaded: the provider is ours.
"""

from __future__ import annotations

import json
import os
import runpy
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pulumi import automation

from local_cloud.ministack.server import REGION, ROOT

from .cli import command_of

PROJECT = Path(__file__).parents[2]
NAME = "synology-https"
PASSPHRASE = "a passphrase of the embedded cloud"  # noqa: S105 - protects throw-away state
_VERBS = {"create": "creating", "update": "updating", "delete": "deleting"}
_UNCHANGED = {"same", "read", "refresh"}


@dataclass
class Operation:
    """What an operation of the engine did.

    Attributes:
        steps: URN's type and name -> what was planned for it, such as `create`, without what stays the same.
        outputs: the stack's; empty after a preview.
        said: all that the engine printed and sent as events.
    """

    steps: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)


class EngineStack:
    """One stack with state, settings and plugins below a folder of its own."""

    def __init__(
        self,
        cli: Path,
        folder: Path,
        endpoint: str,
        *,
        local_bundle: Path,
        resolver: str,
        stack: str = "dev",
        program: Callable[[], None] | None = None,
    ) -> None:
        """Make the stack, or go on with the one in `folder`.

        Args:
            cli: Pulumi's CLI, not older than the SDK.
            folder: for everything that the engine writes.
            endpoint: the local AWS, with the hosted zone of the domain in it.
            local_bundle: the Lambda zip built for this machine.
            resolver: address:port of the DNS server that the renewer asks.
            stack: its name; `Pulumi.<stack>.yaml` is where its settings begin.
            program: to be run in place of the project's `__main__.py`.
        """
        self.folder = folder
        self.said: list[str] = []
        self._settings = folder / "project" / f"Pulumi.{stack}.yaml"
        self._make_project()
        self._stack = automation.create_or_select_stack(
            stack,
            project_name=NAME,
            program=program or _run_main,
            opts=automation.LocalWorkspaceOptions(
                work_dir=str(folder / "project"),
                pulumi_home=str(folder / "home"),
                pulumi_command=command_of(cli),
                secrets_provider="passphrase",
                env_vars=self._environment(endpoint, local_bundle, resolver),
            ),
        )

    @property
    def state_files(self) -> list[Path]:
        """Every file that the engine has written, state and settings."""
        return [path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink()]

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Set settings over those there are, by key; None takes a key away."""
        file = yaml.safe_load(self._settings.read_text())
        for key, value in settings.items():
            file["config"].pop(f"{NAME}:{key}", None)
            if value is not None:
                file["config"][f"{NAME}:{key}"] = value
        self._settings.write_text(yaml.safe_dump(file))

    def preview(self) -> Operation:
        """Plan, and change nothing.

        Raises:
            automation.CommandError: the program or the provider refused.
        """
        return self._do(self._stack.preview)

    def up(self, progress: Callable[[str], None] = lambda _: None) -> Operation:
        """Apply the program.

        Args:
            progress: is told of each step as it begins, such as `creating aws:iam/role:Role renewer`.

        Raises:
            automation.CommandError: a step failed; what was done before it stands in the state.
        """
        done = self._do(self._stack.up, progress)
        done.outputs = {name: one.value for name, one in self._stack.outputs().items()}
        return done

    def refresh(self) -> Operation:
        """Read every resource back into the state."""
        return self._do(self._stack.refresh)

    def destroy(self) -> Operation:
        """Remove every resource."""
        return self._do(self._stack.destroy)

    def _do(self, act: Callable[..., Any], progress: Callable[[str], None] = lambda _: None) -> Operation:
        done = Operation()

        def event(one: automation.EngineEvent) -> None:
            self._keep(done, str(one.__dict__))
            # What a refresh found is known only from its result.
            told = one.resource_pre_event or one.res_outputs_event
            if told and told.metadata.op.value not in _UNCHANGED:
                urn = told.metadata.urn.split("::")
                what = f"{urn[2].rsplit('$', 1)[-1]} {urn[3]}"
                done.steps[what] = told.metadata.op.value
                if one.resource_pre_event:
                    progress(f"{_VERBS.get(told.metadata.op.value, told.metadata.op.value)} {what}")

        act(
            on_output=lambda line: self._keep(done, line),
            on_error=lambda line: self._keep(done, line),
            on_event=event,
        )
        return done

    def _keep(self, done: Operation, line: str) -> None:
        done.said.append(line)
        self.said.append(line)

    def _make_project(self) -> None:
        project = self.folder / "project"
        for needed in (project, self.folder / "home", self.folder / "state", self.folder / "bin"):
            needed.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / "Pulumi.yaml", project / "Pulumi.yaml")
        if not self._settings.exists():
            shutil.copyfile(PROJECT / self._settings.name, self._settings)
        build = project / "build"  # the engine reads archives from its own working folder
        if not build.is_symlink():
            build.symlink_to(PROJECT / "build", target_is_directory=True)
        plugin = self.folder / "bin" / "pulumi-resource-aws"
        plugin.write_text(
            f'#!/bin/sh\ncd "{project}" && PYTHONPATH="{PROJECT}" '
            f'exec "{sys.executable}" -m local_cloud.engine.provider "$@"\n'
        )
        plugin.chmod(0o755)

    def _environment(self, endpoint: str, local_bundle: Path, resolver: str) -> dict[str, str]:
        about = {"local_bundle": str(local_bundle), "lambda_environment": {"DNS_RESOLVER": resolver}}
        return {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ROOT.access_key,
            "AWS_SECRET_ACCESS_KEY": ROOT.secret_key,
            "LOCAL_CLOUD": json.dumps(about),
        }


def _run_main() -> None:
    runpy.run_path(str(PROJECT / "__main__.py"), run_name="__main__")
