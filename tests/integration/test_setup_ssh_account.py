"""Log in by password to a real account and become root by the machine's own sudo: for root, as in CI."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local_cloud.processes import LOOPBACK, wait_until
from local_cloud.ssh_server import Account, SshServer
from local_cloud.system_programs import ProgramMissing
from synology_setup.remote import (
    Connection,
    FileMissing,
    KnownHosts,
    LoginRefused,
    NotAnAdministrator,
    Result,
    RootShell,
    SudoPasswordWrong,
    SudoRefused,
    Target,
    UserShell,
    connect,
    get,
    put,
)
from tests.unit.setup.answers import Answers

BUILD = Path(__file__).resolve().parents[2] / "build"
CONTENT = bytes(range(256)) * 50
PASSWORD_LOGIN = {"PasswordAuthentication": "yes"}
INTERACTIVE_ONLY = {"KbdInteractiveAuthentication": "yes"}
DEBIAN_PROMPT = "Password: "  # pam_unix's, as PAM hands it to sshd

pytestmark = pytest.mark.skipif(Account.lacking() is not None, reason=str(Account.lacking()))

LogIn = Callable[..., contextlib.AbstractContextManager[Connection]]


@pytest.fixture
def account() -> Iterator[Account]:
    with Account() as made:
        yield made


@pytest.fixture
def log_in(tmp_path: Path, account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[LogIn]:
    """Start a server that checks passwords through PAM, as Debian's and DSM's do, and log in to it."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with contextlib.ExitStack() as stack:

        @contextlib.contextmanager
        def log_in(person: Answers, **settings: str) -> Iterator[Connection]:
            try:
                server = SshServer(tmp_path / "sshd", BUILD, settings={"UsePAM": "yes", **settings})
            except ProgramMissing as error:
                pytest.skip(f"needs the package openssh-server: {error}")
            stack.enter_context(server)
            hosts = KnownHosts((), tmp_path / "known_hosts")
            target = Target(account.name, LOOPBACK, server.port)
            with connect(target, person, known_hosts=hosts, ssh_folder=tmp_path) as connection:
                yield connection

        yield log_in


def test_one_password_for_the_login_and_for_sudo(
    log_in: LogIn, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    person = Answers(account.password)
    with caplog.at_level(logging.DEBUG), log_in(person, **PASSWORD_LOGIN) as connection:
        user, root = UserShell(connection), RootShell(connection, person)
        assert user.run(["id", "-un"]).stdout.decode() == f"{account.name}\n"
        for _ in range(2):
            result = root.run("id -u; cat; echo words >&2; exit 5", CONTENT)
            assert (result.status, result.stdout, result.stderr) == (5, b"0\n" + CONTENT, b"words\n")
        path = "/etc/synology-https-test"
        try:
            put(root, CONTENT, path, 0o600)
            made = Path(path).stat()
            assert (made.st_uid, made.st_mode & 0o777) == (0, 0o600)
            assert get(root, path) == CONTENT
            assert user.run(["cat", path]).status != 0
        finally:
            Path(path).unlink(missing_ok=True)
        with pytest.raises(FileMissing):
            get(root, path)
    assert len(person.prompts) == 1
    assert account.password not in caplog.text


def test_the_noise_of_a_missing_home_is_real(log_in: LogIn, account: Account) -> None:
    with log_in(Answers(account.password), **PASSWORD_LOGIN) as connection:
        command = "exec sh -c 'echo there'"
        with connection.channel(command) as channel:
            noise = channel.makefile_stderr().read().decode()
        assert f"Could not chdir to home directory /var/services/homes/{account.name}" in noise
        assert UserShell(connection).run(command).stderr == b""


def test_questions_are_asked_as_the_server_words_them(log_in: LogIn, account: Account) -> None:
    person = Answers(account.password)
    with log_in(person, **INTERACTIVE_ONLY) as connection:
        assert RootShell(connection, person).run(["id", "-u"]).stdout == b"0\n"
    assert [prompt.removeprefix(f"{connection.target}: ") for prompt in person.prompts] == [DEBIAN_PROMPT]


@pytest.mark.parametrize(
    ("settings", "failure"),
    [(PASSWORD_LOGIN, "Failed password"), (INTERACTIVE_ONLY, "PAM: Authentication failure")],
    ids=["password", "interactive"],
)
def test_a_wrong_password_is_tried_once(
    log_in: LogIn, tmp_path: Path, settings: dict[str, str], failure: str
) -> None:
    person = Answers("daneben", "daneben")
    with pytest.raises(LoginRefused) as caught, log_in(person, **settings):
        pass
    assert len(person.prompts) == 1
    assert "Auto Block" in str(caught.value)
    assert "daneben" not in "".join(traceback.format_exception(caught.value))
    log = tmp_path / "sshd" / "sshd.log"
    wait_until(lambda: failure in log.read_text(), what="the failure in sshd's log", seconds=10, log=log)
    assert log.read_text().count(failure) == 1


def test_a_password_is_not_tried_again_in_another_guise(log_in: LogIn) -> None:
    person = Answers("daneben", "daneben")
    with pytest.raises(LoginRefused), log_in(person, **PASSWORD_LOGIN, **INTERACTIVE_ONLY):
        pass
    assert len(person.prompts) == 1


def test_a_second_factor_after_the_password(log_in: LogIn, account: Account) -> None:
    person = Answers(account.password, account.password)
    both = {"AuthenticationMethods": "password,keyboard-interactive"}
    with log_in(person, **PASSWORD_LOGIN, **INTERACTIVE_ONLY, **both) as connection:
        assert UserShell(connection).run("true").status == 0
    assert len(person.prompts) == 2


def test_nobody_there_to_be_asked(log_in: LogIn) -> None:
    for settings in (PASSWORD_LOGIN, INTERACTIVE_ONLY):
        with pytest.raises(Exception, match="nobody is there"), log_in(Answers(), **settings):
            pass


def test_a_sudo_that_does_not_ask(log_in: LogIn, account: Account) -> None:
    account.allow("ALL=(ALL:ALL) NOPASSWD: ALL")
    with log_in(Answers(account.password), **PASSWORD_LOGIN) as connection:
        assert RootShell(connection, Answers()).run("cat", CONTENT) == Result(0, CONTENT, b"")


def test_a_cached_timestamp(log_in: LogIn, account: Account) -> None:
    """`timestamp_type=global` keeps it for the whole account, so that other sessions have it."""
    account.allow(f"ALL=(ALL:ALL) ALL\nDefaults:{account.name} timestamp_type=global")
    with log_in(Answers(account.password), **PASSWORD_LOGIN) as connection:
        user = UserShell(connection)
        line = f"{account.password}\n".encode()
        assert user.run("sudo -S -p '' true", line).status == 0
        assert user.run("sudo -n id -u").stdout == b"0\n"  # it is cached
        assert RootShell(connection, Answers()).run("cat", CONTENT) == Result(0, CONTENT, b"")


def test_a_wrong_sudo_password_ends_at_once(log_in: LogIn, account: Account) -> None:
    with log_in(Answers(account.password), **PASSWORD_LOGIN) as connection:
        connection.password = None
        root = RootShell(connection, Answers("daneben", account.password))
        started = time.monotonic()
        with pytest.raises(SudoPasswordWrong):
            root.run("cat", CONTENT)
        assert time.monotonic() - started < 8  # PAM itself takes two seconds
        assert root.run(["id", "-u"]).stdout == b"0\n"


def test_an_account_that_is_not_in_sudoers(log_in: LogIn, account: Account) -> None:
    with log_in(Answers(account.password), **PASSWORD_LOGIN) as connection:
        account.allow("ALL=(nobody) /bin/true")
        with pytest.raises(NotAnAdministrator):
            RootShell(connection, Answers()).run("true")
        (Path("/etc/sudoers.d") / account.name).unlink()
        with pytest.raises(NotAnAdministrator, match="not in the sudoers file"):
            RootShell(connection, Answers()).run("true")


def test_a_sudo_that_requires_a_terminal(log_in: LogIn, account: Account) -> None:
    account.allow(f"ALL=(ALL:ALL) ALL\nDefaults:{account.name} requiretty")
    with (
        log_in(Answers(account.password), **PASSWORD_LOGIN) as connection,
        pytest.raises(SudoRefused, match="requiretty"),
    ):
        RootShell(connection, Answers()).run("true")


def test_an_account_with_nologin(log_in: LogIn, account: Account) -> None:
    subprocess.run(["usermod", "--shell", "/usr/sbin/nologin", account.name], check=True)
    with (
        log_in(Answers(account.password), **PASSWORD_LOGIN) as connection,
        pytest.raises(NotAnAdministrator, match="not available"),
    ):
        UserShell(connection).run("true")
