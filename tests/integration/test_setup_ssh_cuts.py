"""A line that breaks in the middle of a copy: the file at the NAS is the old one or the new one, in whole."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local_cloud.processes import LOOPBACK, wait_until
from local_cloud.ssh_server import CuttingProxy, Direction, SimulatedSudo, SshServer
from local_cloud.system_programs import ProgramMissing
from synology_setup.remote import (
    ConnectionLost,
    KnownHosts,
    NotAnSshServer,
    RootShell,
    Target,
    UserShell,
    connect,
    get,
    put,
)
from tests.unit.setup.answers import Answers

BUILD = Path(__file__).resolve().parents[2] / "build"
PASSWORD = "correct horse"
BEFORE, AFTER = b"before\n" * 10, os.urandom(150_000)  # five SSH packets: a cut one is no data
BEFORE_MODE, AFTER_MODE = 0o640, 0o604
CUTS_TO_SERVER, CUTS_TO_CLIENT = 30, 12
PROGRAMS = ("env", "sh", "cat", "sha256sum", "tail", "chmod", "sync", "mv", "rm")


class Nas:
    """A server whose commands leave their names, and wait for the line to be cut at one of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.target = folder / "files" / "config.json"
        self.target.parent.mkdir()
        self._programs = folder / "programs"
        self._programs.mkdir()
        (folder / "turns").mkdir()
        for name in PROGRAMS:
            self._stand_before(name)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "id"], check=True)
        sudo = SimulatedSudo(folder / "sudo", PASSWORD)
        self.server = SshServer(
            folder / "sshd",
            BUILD,
            authorized=(folder / "id.pub").read_text(),
            first_in_path=(self._programs, sudo.folder),
        )

    def _stand_before(self, name: str) -> None:
        """Write a program that stands before the real one; `stop` holds the number of the one to wait at.

        Two of a pipeline start at once: mkdir gives each a number of its own.
        """
        work, real = self.folder, shutil.which(name)
        program = self._programs / name
        program.write_text(
            f"""#!/bin/sh
number=1
until {shutil.which("mkdir")} {work}/turns/$number 2>/dev/null; do number=$((number + 1)); done
echo {name} >>{work}/ran
if test -e {work}/stop; then
    read -r stop <{work}/stop
    if test $number = $stop; then
        : >{work}/waits
        until test -e {work}/go; do {shutil.which("sleep")} 0.02; done
    fi
fi
exec {real} "$@"
"""
        )
        program.chmod(0o755)

    def reset(self, stop: int | None = None) -> None:
        for name in ("ran", "stop", "waits", "go"):
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / "turns", ignore_errors=True)
        (self.folder / "turns").mkdir()
        if stop is not None:
            (self.folder / "stop").write_text(f"{stop}\n")
        self.target.write_bytes(BEFORE)
        self.target.chmod(BEFORE_MODE)

    @property
    def ran(self) -> list[str]:
        """The programs that ran since the last reset."""
        file = self.folder / "ran"
        return file.read_text().split() if file.exists() else []

    def copy(self, line: CuttingProxy, *, cut_to: Direction | None = None, after: int = 0) -> bool:
        """Copy over the line, and tell whether it seemed to succeed; the cut counts from the login's end."""
        target = Target(getpass.getuser(), LOOPBACK, line.port)
        hosts = KnownHosts((), self.folder / "known_hosts")
        with connect(
            target, Answers(), identity=self.folder / "id", known_hosts=hosts, ssh_folder=self.folder
        ) as connection:
            passed = dict(line.passed)
            if cut_to is not None:
                line.cut_after(cut_to, after)
            try:
                put(RootShell(connection, Answers(PASSWORD)), AFTER, str(self.target), AFTER_MODE)
            except ConnectionLost:
                return False
            self.used = {way: line.passed[way] - passed[way] for way in Direction}
            return True

    def settled(self) -> bytes:
        """Return what is at the target once nothing runs any more, and that nothing lies beside it."""
        wait_until(lambda: not self._running(), what="the commands' end", seconds=20)
        assert list(self.target.parent.iterdir()) == [self.target]
        return self.whole()

    def whole(self) -> bytes:
        """Return what is at the target now: either file with its own mode, and nothing between."""
        mode, content = self.target.stat().st_mode & 0o777, self.target.read_bytes()
        assert (content, mode) in {(BEFORE, BEFORE_MODE), (AFTER, AFTER_MODE)}
        return content

    def _running(self) -> list[int]:
        """Return the processes that carry the variable which sshd gives to a session's commands."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("SSH_CONNECTION", "").endswith(f" {self.server.port}"):
                    found.append(process.pid)
        return found


@pytest.fixture(scope="module")
def nas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nas]:
    try:
        made = Nas(tmp_path_factory.mktemp("nas"))
    except ProgramMissing as error:
        pytest.skip(f"needs the package openssh-server: {error}")
    with made.server, pytest.MonkeyPatch.context() as environment:
        environment.delenv("SSH_AUTH_SOCK", raising=False)
        yield made


@pytest.fixture
def line(nas: Nas) -> Iterator[CuttingProxy]:
    with CuttingProxy(nas.server.port) as proxy:
        nas.reset()
        assert nas.copy(proxy)  # known, and measured
        assert nas.settled() == AFTER
        yield proxy


@pytest.mark.parametrize(
    ("way", "cuts"), [(Direction.TO_SERVER, CUTS_TO_SERVER), (Direction.TO_CLIENT, CUTS_TO_CLIENT)]
)
def test_a_cut_after_so_many_bytes(nas: Nas, line: CuttingProxy, way: Direction, cuts: int) -> None:
    used = nas.used[way]
    seen = set()
    for number in range(cuts):
        nas.reset()
        done = nas.copy(line, cut_to=way, after=used * number // cuts)
        content = nas.settled()
        assert content == AFTER or not done
        if way is Direction.TO_SERVER and used * number // cuts < len(AFTER):
            assert (done, content) == (False, BEFORE), number
        seen.add((content, "cat" in nas.ran))
    assert (BEFORE, way is Direction.TO_SERVER) in seen  # to the server, cut in the middle of the content
    nas.reset()
    assert nas.copy(line)  # and the next run finds nothing in its way
    assert nas.settled() == AFTER


def test_a_cut_at_every_command(nas: Nas, line: CuttingProxy) -> None:
    commands = nas.ran
    assert {"sh", "cat", "sha256sum", "chmod", "sync", "mv"} <= set(commands)
    seen, meanwhile = [], []
    for number, name in enumerate(commands, 1):
        nas.reset(stop=number)

        def cut_there() -> None:
            wait_until((nas.folder / "waits").exists, what="the command", seconds=20)
            try:
                meanwhile.append(nas.whole())
            finally:
                line.cut()
                time.sleep(0.1)  # sshd hears of it
                (nas.folder / "go").touch()

        cutter = threading.Thread(target=cut_there)
        cutter.start()
        done = nas.copy(line)
        cutter.join()
        assert not done, name
        seen.append(nas.settled())
    assert len(meanwhile) == len(seen)  # none of them saw half a file
    assert seen[0] == BEFORE
    assert seen == sorted(seen, key=lambda content: content == AFTER), commands  # old up to a point, then new


@pytest.mark.parametrize("way", Direction)
def test_a_cut_while_logging_in(nas: Nas, way: Direction) -> None:
    hosts = KnownHosts((), nas.folder / "known_hosts")
    with CuttingProxy(nas.server.port) as line:
        target = Target(getpass.getuser(), LOOPBACK, line.port)

        def log_in() -> None:
            with connect(
                target, Answers(), identity=nas.folder / "id", known_hosts=hosts, ssh_folder=nas.folder
            ) as connection:
                UserShell(connection).run("true")

        log_in()
        used = line.passed[way]
        for number in range(CUTS_TO_CLIENT):
            line.cut_after(way, used * number // CUTS_TO_CLIENT)
            with pytest.raises((NotAnSshServer, ConnectionLost)):
                log_in()


def test_a_read_that_is_cut_is_no_file(nas: Nas, line: CuttingProxy) -> None:
    target = Target(getpass.getuser(), LOOPBACK, line.port)
    hosts = KnownHosts((), nas.folder / "known_hosts")
    for count in (0, 300, 5_000, 50_000, 149_000):
        with connect(
            target, Answers(), identity=nas.folder / "id", known_hosts=hosts, ssh_folder=nas.folder
        ) as connection:
            line.cut_after(Direction.TO_CLIENT, count)
            with pytest.raises(ConnectionLost):
                get(RootShell(connection, Answers(PASSWORD)), str(nas.target))
