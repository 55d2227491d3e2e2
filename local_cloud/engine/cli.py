"""Pulumi's CLI: the one on PATH, else built from the Go module proxy into `build/tools`.

`python -m local_cloud.engine.cli` (make tools) provides it and prints its path.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from pulumi import automation
from semver import VersionInfo

from local_cloud.processes import alone

PROJECT = Path(__file__).parents[2]
_MODULE = Path(__file__).parent / "tools" / "go.mod"
_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
_VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
_BUILD_SECONDS = 3600
_REQUIRED = re.compile(r"^require github\.com/pulumi/pulumi/pkg/v3 (v\S+)$", re.MULTILINE)


class CliMissing(RuntimeError):
    """There is no CLI and none can be built; the text says what to install."""


def pinned_version() -> str:
    """Return the version that is built, such as `v3.274.1`."""
    found = _REQUIRED.search(_MODULE.read_text())
    if found is None:
        raise CliMissing(f"{_MODULE} does not require Pulumi's CLI")
    return found[1]


def find_cli(build: Path) -> Path | None:
    """Return the CLI on PATH or the one built before, or None; one that the SDK refuses counts as none."""
    on_path = shutil.which("pulumi")
    for found in (on_path and Path(on_path), _built(build)):
        if found and found.is_file() and _serves_the_sdk(found):
            return found
    return None


def command_of(cli: Path) -> automation.PulumiCommand:
    """Return the CLI as the Automation API takes it.

    Raises:
        automation.InvalidVersionError: it is older than the SDK.
    """
    sdk = VersionInfo.parse(importlib.metadata.version("pulumi"))
    return automation.PulumiCommand(root=str(cli.resolve().parents[1]), version=sdk)


def _serves_the_sdk(cli: Path) -> bool:
    try:
        command_of(cli)
    except (automation.InvalidVersionError, OSError, subprocess.SubprocessError):
        return False
    return True


def provide_cli(build: Path) -> Path:
    """Return the CLI, building it where there is none: minutes at first, nothing later.

    Raises:
        CliMissing: Go is missing too, or the build failed; the text says what to do.
    """
    with alone(build / "pulumi.lock"):
        found = find_cli(build)
        if found is not None:
            return found
        if shutil.which("go") is None:
            raise CliMissing(
                "Neither Go nor a Pulumi CLI that is as new as its SDK is on PATH. Install one of them: the "
                "CLI as https://www.pulumi.com/docs/install/ says, or Go as https://go.dev/doc/install says, "
                "with which `make tools` builds the CLI."
            )
        _compile(_built(build))
        return _built(build)


def _built(build: Path) -> Path:
    return build.resolve() / "tools" / "pulumi" / pinned_version() / "bin" / "pulumi"


def _compile(program: Path) -> None:
    source = program.parents[1] / "src"
    source.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_MODULE, source / "go.mod")
    unfinished = source / "pulumi"
    print(f"Building Pulumi's CLI {pinned_version()} with Go, once; it takes some minutes.", file=sys.stderr)
    try:
        subprocess.run(
            [
                *("go", "build", "-mod=mod", "-trimpath"),
                *("-ldflags", f"-s -w -X {_VERSION_VARIABLE}={pinned_version()}"),
                *("-o", unfinished, _PACKAGE),
            ],
            cwd=source,
            env={**os.environ, "GOWORK": "off"},
            check=True,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_BUILD_SECONDS,
        )
    except subprocess.SubprocessError as error:
        said = (getattr(error, "stdout", None) or str(error)).strip().splitlines()[-15:]
        raise CliMissing("Go could not build Pulumi's CLI:\n" + "\n".join(said)) from error
    program.parent.mkdir(parents=True, exist_ok=True)
    unfinished.replace(program)


def main() -> int:
    """Provide the CLI and print its path."""
    try:
        print(provide_cli(PROJECT / "build"))
    except CliMissing as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
