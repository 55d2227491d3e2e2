"""Which of Pulumi's CLIs the engine's tests and the demo take, and what is said where there is none."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest
from semver import VersionInfo

from local_cloud.engine import cli
from local_cloud.engine.cli import CliMissing, find_cli, pinned_version, provide_cli

PROJECT = Path(__file__).parents[2]
SDK = VersionInfo.parse(importlib.metadata.version("pulumi"))


def program(path: Path, version: object) -> Path:
    """Make a CLI that only knows its version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho v{version}\n")
    path.chmod(0o755)
    return path


def built(build: Path) -> Path:
    return build.resolve() / "tools" / "pulumi" / pinned_version() / "bin" / "pulumi"


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is first on PATH, before one with sh and nothing else that is looked for."""
    folder = tmp_path / "path" / "bin"
    folder.mkdir(parents=True)
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_the_pinned_cli_serves_the_pinned_sdk(file: str) -> None:
    """The Automation API wants the same major version, and a CLI that is not older than the SDK."""
    (sdk,) = re.findall(r"^pulumi==(\S+)$", (PROJECT / file).read_text(), re.MULTILINE)
    pinned = VersionInfo.parse(pinned_version().removeprefix("v"))
    assert pinned.major == VersionInfo.parse(sdk).major
    assert pinned >= VersionInfo.parse(sdk), "raise the version in local_cloud/engine/tools/go.mod"


def test_the_one_on_path_is_taken(on_path: Path, tmp_path: Path) -> None:
    program(built(tmp_path), SDK)
    wanted = program(on_path / "pulumi", SDK)
    assert find_cli(tmp_path) == wanted


@pytest.mark.parametrize("version", ["3.1.0", f"{SDK.major + 1}.0.0", "unreadable"])
def test_one_that_the_sdk_refuses_counts_as_none(on_path: Path, tmp_path: Path, version: str) -> None:
    program(on_path / "pulumi", version)
    assert find_cli(tmp_path) is None
    own = program(built(tmp_path), SDK)
    assert find_cli(tmp_path) == provide_cli(tmp_path) == own


def test_where_there_is_neither_cli_nor_go_it_is_said_what_to_install(on_path: Path, tmp_path: Path) -> None:
    assert on_path.is_dir()
    with pytest.raises(CliMissing) as missing:
        provide_cli(tmp_path)
    for word in ("https://www.pulumi.com/docs/install/", "https://go.dev/doc/install", "`make tools`"):
        assert word in str(missing.value)


def test_a_build_that_fails_is_told_in_gos_words(on_path: Path, tmp_path: Path) -> None:
    go = program(on_path / "go", "1")
    go.write_text("#!/bin/sh\necho 'no space left'\nexit 1\n")
    with pytest.raises(CliMissing, match="Go could not build Pulumi's CLI:\nno space left"):
        provide_cli(tmp_path)
    assert not built(tmp_path).exists()


def test_it_is_built_once_with_its_version_in_it(on_path: Path, tmp_path: Path) -> None:
    go = program(on_path / "go", "1")
    asked = tmp_path / "asked"
    # Leaves a program that knows the version it was built with where -o says.
    go.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {asked}\n'
        'while [ "$1" != -o ]; do case "$1" in *version.Version=*) version="${1##*=}";; esac; shift; done\n'
        'printf \'#!/bin/sh\\necho %s\\n\' "$version" > "$2"; /bin/chmod +x "$2"\n'
    )
    assert provide_cli(tmp_path) == provide_cli(tmp_path) == built(tmp_path)
    (once,) = asked.read_text().splitlines()
    assert cli._PACKAGE in once
    assert f"version.Version={pinned_version()}" in once
