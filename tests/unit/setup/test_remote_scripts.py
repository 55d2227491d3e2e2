"""What runs on the NAS, run by the shells of this machine."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from synology_setup.remote import CopyFailed, FileMissing, Result, get, put
from synology_setup.remote.shell import COMMAND_SECONDS, Frame

SHELLS = [name for name in ("sh", "bash", "busybox", "ksh", "zsh") if shutil.which(name)]
CONTENT = bytes(range(256)) * 40


class LocalShell:
    """The shell of this machine, with the programs that are left to it."""

    def __init__(self, program: str = "sh", path: Path | None = None, lose: int = 0) -> None:
        self.argv = [str(shutil.which(program)), *(["sh"] if program == "busybox" else [])]
        self._environment = {**os.environ, **({"PATH": str(path)} if path else {})}
        self._lose = lose

    def run(
        self, command: Sequence[str] | str, stdin: bytes = b"", *, seconds: float = COMMAND_SECONDS
    ) -> Result:
        assert isinstance(command, str)
        done = subprocess.run(
            [*self.argv, "-c", command],
            input=stdin[: len(stdin) - self._lose],
            capture_output=True,
            timeout=seconds,
            check=False,
            env=self._environment,
        )
        return Result(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("program", SHELLS)
@pytest.mark.parametrize("name", ["plain", "two words", "it's $HOME", "-rf", "ümlaut", "a%s\\n", "[x]*"])
def test_put_and_get(tmp_path: Path, program: str, name: str) -> None:
    shell, target = LocalShell(program), tmp_path / name
    for content in (CONTENT, b"", b"no newline", CONTENT[::-1]):
        put(shell, content, str(target), 0o640)
        assert target.read_bytes() == content
        assert get(shell, str(target)) == content
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("digest", ["sha256sum", "openssl", "python3", "python"])
def test_whatever_the_nas_has_for_a_digest(tmp_path: Path, digest: str) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    real = sys.executable if digest.startswith("python") else shutil.which(digest)
    assert real is not None
    (programs / digest).symlink_to(real)
    for name in ("cat", "chmod", "mv", "rm", "sync", "tail"):
        (programs / name).symlink_to(str(shutil.which(name)))
    target = tmp_path / "target"
    put(LocalShell(path=programs), CONTENT, str(target), 0o600)
    assert target.read_bytes() == CONTENT
    with pytest.raises(CopyFailed, match="not what was sent"):
        put(LocalShell(path=programs, lose=1), b"another content", str(target), 0o600)
    assert target.read_bytes() == CONTENT


def test_without_any_digest_nothing_is_written(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("cat", "chmod", "mv", "rm", "sync", "tail"):
        (programs / name).symlink_to(str(shutil.which(name)))
    with pytest.raises(CopyFailed):
        put(LocalShell(path=programs), CONTENT, str(tmp_path / "target"), 0o600)
    assert list(tmp_path.iterdir()) == [programs]


@pytest.mark.parametrize("program", SHELLS)
@pytest.mark.parametrize("lose", [1, 5_000, len(CONTENT)])
def test_a_content_that_did_not_arrive_in_whole(tmp_path: Path, program: str, lose: int) -> None:
    target = tmp_path / "target"
    target.write_text("before")
    with pytest.raises(CopyFailed, match="what was there is untouched: what arrived is not what was sent"):
        put(LocalShell(program, lose=lose), CONTENT, str(target), 0o600)
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_target_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(CopyFailed, match="is a folder"):
        put(LocalShell(), b"", str(tmp_path / "folder"), 0o600)
    assert not list((tmp_path / "folder").iterdir())
    with pytest.raises(CopyFailed, match="there is no folder"):
        put(LocalShell(), b"", str(tmp_path / "none" / "target"), 0o600)
    for path in ("relative", "", "/folder/", "/two\nlines"):
        with pytest.raises(ValueError, match="absolute"):
            put(LocalShell(), b"", path, 0o600)
    with pytest.raises(ValueError, match="mode"):
        put(LocalShell(), b"", "/x", 0o100600)


def test_a_link_is_replaced_and_what_it_points_to_stays(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("other")
    (tmp_path / "link").symlink_to(tmp_path / "other")
    put(LocalShell(), b"new", str(tmp_path / "link"), 0o600)
    assert (tmp_path / "other").read_text() == "other"
    assert not (tmp_path / "link").is_symlink()


def test_a_secret_is_never_readable_for_others(tmp_path: Path) -> None:
    programs, seen = tmp_path / "bin", tmp_path / "seen"
    programs.mkdir()
    cat = f"#!/bin/sh\nstat -c %a {tmp_path}/.target.* >{seen}\nexec {shutil.which('cat')}\n"
    (programs / "cat").write_text(cat)
    (programs / "cat").chmod(0o755)
    shell = LocalShell()
    shell._environment["PATH"] = f"{programs}:{os.environ['PATH']}"
    put(shell, b"secret", str(tmp_path / "target"), 0o644)
    assert seen.read_text() == "600\n"


def test_a_missing_file_is_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match="no file"):
        get(LocalShell(), str(tmp_path / "none"))


@pytest.mark.parametrize("program", SHELLS)
def test_a_script_that_is_cut_off_is_not_run(tmp_path: Path, program: str) -> None:
    frame = Frame()
    end = frame.bootstrap.split("case $l in ")[1].split(")")[0]
    script = f"touch {tmp_path}/a\ntouch {tmp_path}/b\n{end}\n".encode()

    def bootstrap(given: bytes) -> None:
        argv = [*LocalShell(program).argv, "-c", frame.bootstrap]
        subprocess.run(argv, input=given, capture_output=True, check=False, timeout=10)

    for length in range(0, len(script), 5):
        bootstrap(script[:length])
        assert not list(tmp_path.iterdir()), length
    bootstrap(script[:-1])
    assert not list(tmp_path.iterdir())
    bootstrap(script)
    assert len(list(tmp_path.iterdir())) == 2


def test_no_awaited_marker_is_in_the_command_line() -> None:
    frame = Frame()
    begin, end = frame._begin.strip(), frame._end.pattern
    assert begin not in frame.bootstrap.encode()
    assert end.split()[0].removeprefix(rb"\n") not in frame.bootstrap.encode()
    assert "\n" not in frame.bootstrap  # csh cannot quote one
    assert hashlib.sha256(frame.bootstrap.encode()) != hashlib.sha256(Frame().bootstrap.encode())
