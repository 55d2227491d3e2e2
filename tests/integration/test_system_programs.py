"""Programs unpacked by the machine's real apt, as the user that runs the tests."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from local_cloud import system_programs
from local_cloud.system_programs import ProgramMissing, find, install_line, provide

needs_apt = pytest.mark.skipif(find("apt-get") is None, reason="needs apt (Debian, Ubuntu)")
PROGRAMS = ("nginx", "pebble", "sshd")


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the programs that this machine may have installed; apt and dpkg stay."""
    monkeypatch.setattr(
        system_programs, "find", lambda program: None if program in PROGRAMS else find(program)
    )


@needs_apt
@pytest.mark.usefixtures("bare_machine")
def test_missing_programs_are_unpacked_once_and_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        programs = provide(["nginx", "pebble", "sshd"], tmp_path)
    except ProgramMissing as error:
        if "pebble" in str(error):
            pytest.skip(f"apt has no pebble here: {error}")
        raise
    assert {path.parent for path in programs.values()} == {tmp_path / "tools" / "bin"}

    def run(program: str, *arguments: str) -> str:
        done = subprocess.run(
            [programs[program], *arguments], capture_output=True, text=True, timeout=10, check=False
        )
        return done.stdout + done.stderr

    assert "--with-http_ssl_module" in run("nginx", "-V")
    assert "-dnsserver" in run("pebble", "-h")
    assert "OpenSSH" in run("sshd", "-V") + run("sshd", "-?")

    def no_download(_argv: object) -> None:
        raise AssertionError("the second run started a program")

    monkeypatch.setattr(system_programs, "_run", no_download)
    started = time.monotonic()
    assert provide(["nginx", "pebble", "sshd"], tmp_path) == programs
    assert time.monotonic() - started < 1


def test_an_unpacked_program_receives_signals(tmp_path: Path) -> None:
    tools = tmp_path / "tools" / "usr" / "bin"
    tools.mkdir(parents=True)
    (tools / "sleeper").write_text("#!/bin/sh\nexec sleep 60\n")
    (tools / "sleeper").chmod(0o755)
    wrapper = system_programs._wrap("sleeper", tmp_path / "tools")
    process = subprocess.Popen([wrapper])
    process.terminate()
    assert process.wait(5) == -15


@pytest.mark.usefixtures("bare_machine")
@pytest.mark.parametrize(
    ("manager", "line"),
    [
        ("apt-get", "sudo apt-get install nginx pebble openssh-server"),
        ("dnf", "sudo dnf install nginx openssh-server   (pebble: not packaged for dnf)"),
        ("brew", "brew install nginx pebble openssh"),
    ],
)
def test_the_line_to_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, manager: str, line: str) -> None:
    monkeypatch.setattr(system_programs, "find", lambda name: Path("/x") if name == manager else None)
    assert install_line(PROGRAMS) == line
    with pytest.raises(ProgramMissing, match=r"not found.*install"):
        provide(PROGRAMS, tmp_path)


def test_programs_of_the_machine_are_taken(tmp_path: Path) -> None:
    assert provide(["sh"], tmp_path) == {"sh": find("sh")}
    assert not list(tmp_path.iterdir())


def test_a_library_is_found_where_its_package_was_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "faketime/libsome.so.1"
    asked: list[list[str]] = []

    def unpack(programs: list[str], build: Path) -> dict[str, Path]:
        asked.append(programs)
        place = build / "tools" / "usr" / "lib" / "x86_64-linux-gnu" / name
        place.parent.mkdir(parents=True)
        place.touch()
        return {}

    monkeypatch.setattr(system_programs, "provide", unpack)
    found = system_programs.provide_library(name, "faketime", tmp_path)
    assert found == tmp_path / "tools/usr/lib/x86_64-linux-gnu" / name
    assert system_programs.provide_library(name, "faketime", tmp_path) == found
    assert asked == [["faketime"]]


def test_a_library_that_its_package_does_not_have_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_programs, "provide", lambda _programs, _build: {})
    with pytest.raises(ProgramMissing, match="faketime brings no faketime/libnone"):
        system_programs.provide_library("faketime/libnone.so.1", "faketime", tmp_path)
