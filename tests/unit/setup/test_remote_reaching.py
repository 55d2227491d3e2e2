"""A NAS that cannot be reached: what happened, what it means, what to do."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from synology_setup.remote import (
    HostNotFound,
    KnownHosts,
    NoAnswer,
    NotAnSshServer,
    RemoteError,
    SshOff,
    Target,
    connect,
    connection,
)
from tests.unit.setup.answers import Answers

LOOPBACK = "127.0.0.1"


def reach(target: Target, tmp_path: Path) -> str:
    hosts = KnownHosts((), tmp_path / "known_hosts")
    try:
        with connect(target, Answers(), known_hosts=hosts, ssh_folder=tmp_path):
            return "reached"
    except RemoteError as error:
        return f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def server(answer: bytes | None) -> Iterator[int]:
    """Take connections, and answer them, or say nothing and keep them open."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        kept = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    taken, _ = listener.accept()
                    kept.append(taken)
                    if answer is not None:
                        taken.sendall(answer)
                        taken.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for one in kept:
            one.close()


def test_ssh_is_off(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind((LOOPBACK, 0))  # bound and not listening
        text = reach(Target("admin", LOOPBACK, closed.getsockname()[1]), tmp_path)
    assert text.startswith(SshOff.__name__)
    assert "Control Panel > Terminal & SNMP" in text


def test_a_nas_that_is_asleep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.5)
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind((LOOPBACK, 0))
        full.listen(0)  # with its queue full, Linux drops what comes next, as an address where nobody is
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        text = reach(Target("admin", *full.getsockname()), tmp_path)
    assert text.startswith(NoAnswer.__name__)
    assert "asleep" in text


@pytest.mark.parametrize("error", [113, 101, 110], ids=["no host", "no network", "timed out"])
def test_a_network_without_a_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise OSError(error, "no way")

    monkeypatch.setattr(socket, "create_connection", fail)
    assert reach(Target("admin", "nas"), tmp_path).startswith(NoAnswer.__name__)


def test_a_name_without_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    text = reach(Target("admin", "nas.invalid"), tmp_path)
    assert text.startswith(HostNotFound.__name__)
    assert "'nas.invalid'" in text
    assert "IP" in text


def test_a_name_that_cannot_be_one(tmp_path: Path) -> None:
    assert reach(Target("admin", f"{'n' * 64}.local"), tmp_path).startswith(HostNotFound.__name__)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["hangs up", "HTTP"])
def test_something_else_than_ssh(tmp_path: Path, answer: bytes) -> None:
    with server(answer) as port:
        text = reach(Target("admin", LOOPBACK, port), tmp_path)
    assert text.startswith(NotAnSshServer.__name__)
    assert "Auto Block" in text


def test_a_server_that_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(connection, "SESSION_SECONDS", 0.5)
    with server(None) as port:
        text = reach(Target("admin", LOOPBACK, port), tmp_path)
    assert text.startswith(NotAnSshServer.__name__)
    assert capfd.readouterr() == ("", "")  # paramiko prints nothing beside our words
