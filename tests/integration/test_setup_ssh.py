"""Log in to a real OpenSSH server and become root there, with a sudo that behaves as DSM's."""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local_cloud.processes import LOOPBACK, Service, wait_until
from local_cloud.ssh_server import CuttingProxy, SimulatedSudo, SshServer, SudoMode
from local_cloud.system_programs import ProgramMissing
from synology_setup.errors import SetupError
from synology_setup.remote import (
    Connection,
    ConnectionLost,
    HostKeyChanged,
    HostKeyRefused,
    KnownHosts,
    LoginRefused,
    NotAnAdministrator,
    Result,
    RootShell,
    SudoPasswordWrong,
    SudoRefused,
    Target,
    UserShell,
    WentSilent,
    connect,
    get,
    put,
    root,
)
from tests.unit.setup.answers import Answers

BUILD = Path(__file__).resolve().parents[2] / "build"
PASSWORD = "correct horse"
CONTENT = bytes(range(256)) * 100


@dataclass(frozen=True)
class Nas:
    """The server, with the files of the person who reaches it."""

    server: SshServer
    sudo: SimulatedSudo
    folder: Path

    @property
    def hosts(self) -> KnownHosts:
        return KnownHosts((), self.folder / "known_hosts")

    def target(self, port: int | None = None) -> Target:
        return Target(getpass.getuser(), LOOPBACK, port or self.server.port)

    @contextlib.contextmanager
    def connect(self, person: Answers | None = None, port: int | None = None) -> Iterator[Connection]:
        with connect(
            self.target(port),
            person or Answers(),
            identity=self.folder / "id",
            known_hosts=self.hosts,
            ssh_folder=self.folder,
        ) as connection:
            yield connection


MakeNas = Callable[..., Nas]


@pytest.fixture
def make_nas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeNas]:
    """Start a server; the developer's own SSH agent is not asked."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id"], check=True)
    sudo = SimulatedSudo(tmp_path / "sudo", PASSWORD)
    with contextlib.ExitStack() as stack:

        def make(**options: object) -> Nas:
            options.setdefault("authorized", (tmp_path / "id.pub").read_text())
            try:
                server = SshServer(tmp_path / "sshd", BUILD, first_in_path=(sudo.folder,), **options)  # type: ignore[arg-type]
            except ProgramMissing as error:
                pytest.skip(f"needs the package openssh-server: {error}")
            return Nas(stack.enter_context(server), sudo, tmp_path)

        yield make


@pytest.fixture
def nas(make_nas: MakeNas) -> Nas:
    return make_nas(noise=True)


def test_an_unknown_host_is_asked_about_as_ssh_keygen_shows_it(nas: Nas) -> None:
    person = Answers()
    for _ in range(2):
        with nas.connect(person) as connection:
            assert UserShell(connection).run(["echo", "there"]).stdout == b"there\n"
    assert len(person.confirmed) == 1
    assert nas.server.fingerprint() in person.confirmed[0]


def test_a_host_that_is_not_trusted_hears_nothing(nas: Nas) -> None:
    with pytest.raises(HostKeyRefused), nas.connect(Answers(trust=False)):
        pass
    assert "publickey" not in nas.server.logged("Connection closed")


def test_another_host_key_is_refused_with_both(nas: Nas) -> None:
    with nas.connect():
        pass
    before = nas.server.fingerprint()
    nas.server.stop()
    nas.server.make_host_key()
    nas.server.start()
    with pytest.raises(HostKeyChanged) as caught, nas.connect():
        pass
    assert before in str(caught.value)
    assert nas.server.fingerprint() in str(caught.value)


def test_the_known_one_of_two_host_keys_is_asked_for(make_nas: MakeNas, tmp_path: Path) -> None:
    second = tmp_path / "ecdsa"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", second], check=True)
    nas = make_nas(settings={"HostKey": f"{tmp_path}/sshd/host_key\nHostKey {second}"})
    person = Answers()
    with nas.connect(person):
        assert "(ED25519)" in person.confirmed[0]  # what is preferred where nothing is known
    kind, key, *_ = second.with_suffix(".pub").read_text().split()
    nas.hosts.ours.write_text(f"{nas.target().known_as} {kind} {key}\n")
    with nas.connect(person):
        assert len(person.confirmed) == 1


def test_output_is_what_the_command_printed_whatever_stands_around_it(nas: Nas) -> None:
    with nas.connect() as connection:
        for shell in (UserShell(connection), RootShell(connection, Answers(PASSWORD))):
            for stdin in (b"", b"\n", CONTENT, b"no newline", os.urandom(70_000)):
                result = shell.run("cat; echo words >&2; exit 3", stdin)
                assert (result.status, result.stdout, result.stderr) == (3, stdin, b"words\n")
            arguments = ["it's", "$HOME", "two words", "", "-n", "*", "a\nb", "ü"]
            printed = shell.run(["printf", "[%s]", *arguments]).stdout.decode()
            assert printed == "".join(f"[{one}]" for one in arguments)
    assert "Could not chdir" in nas.server._wrapper


def test_a_large_output_while_a_large_input_waits(nas: Nas) -> None:
    with nas.connect() as connection:
        shell = UserShell(connection)
        size = 6_000_000
        result = shell.run(f"head -c {size} /dev/zero; wc -c >&2", b"x" * size)
        assert len(result.stdout) == size
        assert int(result.stderr) == size
        assert shell.run("exec true", b"x" * size).status == 0  # never read


def test_a_failed_command_says_why(nas: Nas) -> None:
    with nas.connect() as connection:
        failed = UserShell(connection).run(["ls", "/no such folder"])
        with pytest.raises(SetupError, match=r"looking failed on the NAS with status 2: .*no such folder"):
            failed.check("looking")
        assert UserShell(connection).run("if then").status != 0


@pytest.mark.parametrize("lecture", [True, False], ids=["lecture each time", "lecture once"])
def test_root_is_asked_for_once(nas: Nas, lecture: bool) -> None:
    nas.sudo.set(SudoMode.PASSWORD, lecture=lecture)
    person = Answers(PASSWORD)
    with nas.connect() as connection:
        shell = RootShell(connection, person)
        for _ in range(3):
            assert shell.run("cat", b"data").stdout == b"data"
    assert person.prompts == [f"Password of {nas.target()} for sudo: "]
    assert len(nas.sudo.calls) == 3
    assert all(PASSWORD not in argument for call in nas.sudo.calls for argument in call)


@pytest.mark.parametrize("mode", [SudoMode.NO_PASSWORD, SudoMode.CACHED, SudoMode.CACHED_ALWAYS])
def test_the_password_never_becomes_input(nas: Nas, mode: SudoMode) -> None:
    nas.sudo.set(mode)
    file = nas.folder / "copied"
    with nas.connect() as connection:
        shell = RootShell(connection, Answers(PASSWORD))
        assert shell.run("cat", CONTENT) == Result(0, CONTENT, b"")
        put(shell, CONTENT, str(file), 0o600)
        assert get(shell, str(file)) == CONTENT
    kept = b"".join(path.read_bytes() for path in nas.folder.rglob("*") if path.is_file())
    assert kept.count(PASSWORD.encode()) == 1  # the simulated sudo's own settings


@pytest.mark.parametrize("tries", [3, 1])
def test_a_wrong_password_ends_at_once_and_is_not_repeated(nas: Nas, tries: int) -> None:
    nas.sudo.set(SudoMode.PASSWORD, tries=tries)
    person = Answers("daneben", PASSWORD)
    with nas.connect() as connection:
        shell = RootShell(connection, person)
        started = time.monotonic()
        with pytest.raises(SudoPasswordWrong, match="Sorry, try again") as caught:
            shell.run("cat", CONTENT)
        assert time.monotonic() - started < 3
        assert nas.sudo.wrong_passwords == 1
        shown = "".join(traceback.format_exception(caught.value))
        assert "daneben" not in shown + repr(vars(shell)) + repr(vars(connection))
        assert shell.run(["id", "-u"]).status == 0  # asked anew, and right
    assert len(person.prompts) == 2
    assert nas.sudo.wrong_passwords == 1


@pytest.mark.parametrize(
    ("mode", "error", "words"),
    [
        (SudoMode.NOT_IN_SUDOERS, NotAnAdministrator, "User Groups > administrators"),
        (SudoMode.REQUIRES_TERMINAL, SudoRefused, "requiretty"),
        (SudoMode.ASKS_SOMETHING_ELSE, SudoRefused, "Verification code"),
    ],
)
def test_a_sudo_that_refuses(
    nas: Nas, monkeypatch: pytest.MonkeyPatch, mode: SudoMode, error: type[SetupError], words: str
) -> None:
    monkeypatch.setattr(root, "SHELL_SECONDS", 2)
    nas.sudo.set(mode)
    with nas.connect() as connection, pytest.raises(error, match=words):
        RootShell(connection, Answers(PASSWORD)).run("true")


def test_a_nas_without_sudo(nas: Nas) -> None:
    (nas.sudo.folder / "sudo").write_text("#!/bin/sh\necho 'sh: sudo: command not found' >&2\nexit 127\n")
    with nas.connect() as connection, pytest.raises(SudoRefused, match="no sudo in the PATH"):
        RootShell(connection, Answers(PASSWORD)).run("true")


def test_a_sudo_that_repeats_its_command_line_gets_no_password(nas: Nas) -> None:
    program = '#!/bin/sh\necho "+ sudo $*" >&2\nsleep 0.5\nshift 4\nexec "$@"\n'
    (nas.sudo.folder / "sudo").write_text(program)
    with nas.connect() as connection:
        person = Answers(PASSWORD)
        assert RootShell(connection, person).run("cat", CONTENT) == Result(0, CONTENT, b"")
        assert person.prompts == []


def test_an_account_that_gets_no_shell(make_nas: MakeNas) -> None:
    with make_nas(administrator=False).connect() as connection:
        for shell in (UserShell(connection), RootShell(connection, Answers(PASSWORD))):
            with pytest.raises((NotAnAdministrator, SudoRefused), match="currently not available"):
                shell.run("true")


def test_a_server_that_runs_nothing(make_nas: MakeNas) -> None:
    with (
        make_nas(settings={"MaxSessions": "0"}).connect() as connection,
        pytest.raises(NotAnAdministrator, match="gave it no shell"),
    ):
        UserShell(connection).run("true")


def test_two_keys_are_offered_and_no_more(make_nas: MakeNas) -> None:
    nas = make_nas(authorized="")
    for name in ("id_ed25519", "id_ecdsa", "id_rsa"):
        argv = ("ssh-keygen", "-q", "-t", name[3:], "-N", "", "-f", nas.folder / name)
        subprocess.run(argv, check=True)
    with pytest.raises(LoginRefused) as caught, nas.connect():
        pass
    for part in ("it takes publickey", str(nas.folder / "id"), "id_ed25519", "Auto Block", "administrators"):
        assert part in str(caught.value)
    assert "id_ecdsa" not in str(caught.value)
    log = nas.server.log
    wait_until(
        lambda: log.read_text().count("Failed publickey") >= 2, what="two refusals", seconds=10, log=log
    )
    assert log.read_text().count("Failed publickey") == 2


def test_a_key_that_only_the_agent_holds(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    socket = nas.folder / "agent"
    with Service("ssh-agent", ["ssh-agent", "-D", "-a", socket], log=nas.folder / "agent.log") as agent:
        agent.start(ready=socket.exists)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        subprocess.run(["ssh-add", "-q", nas.folder / "id"], check=True)
        hosts = nas.hosts
        with connect(nas.target(), Answers(), known_hosts=hosts, ssh_folder=nas.folder) as connection:
            assert UserShell(connection).run("true").status == 0
    monkeypatch.delenv("SSH_AUTH_SOCK")
    with (
        pytest.raises(LoginRefused, match="for want of a key"),
        connect(nas.target(), Answers(), known_hosts=hosts, ssh_folder=nas.folder),
    ):
        pass


def test_a_silent_command_is_given_up(nas: Nas) -> None:
    with nas.connect() as connection:
        with pytest.raises(WentSilent, match=r"silent for 0\.5 s"):
            UserShell(connection).run("sleep 20", seconds=0.5)
        assert UserShell(connection).run("true").status == 0


def test_a_lost_connection_is_its_own_error(nas: Nas) -> None:
    with CuttingProxy(nas.server.port) as line, nas.connect(port=line.port) as connection:
        line.cut()
        with pytest.raises(ConnectionLost, match="may not be an administrator"):
            UserShell(connection).run("true")
    with CuttingProxy(nas.server.port) as line, nas.connect(port=line.port) as connection:
        shell = UserShell(connection)
        shell.run("true")
        line.cut()
        for _ in range(2):
            with pytest.raises(ConnectionLost) as caught:
                shell.run("true")
            assert "administrator" not in str(caught.value)


def test_nothing_secret_is_logged(nas: Nas, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), nas.connect() as connection:
        put(RootShell(connection, Answers(PASSWORD)), b"aws-secret", str(nas.folder / "secret"), 0o600)
    assert caplog.records  # paramiko's own
    assert PASSWORD not in caplog.text
    assert "aws-secret" not in caplog.text


def test_the_second_key_is_not_offered_once_the_first_is_accepted(nas: Nas) -> None:
    other = nas.folder / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    with nas.connect() as connection:
        assert UserShell(connection).run(["echo", "there"]).stdout == b"there\n"
