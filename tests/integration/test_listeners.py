"""A listener that others could reach is found, in whichever process below this one."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from local_cloud import listeners
from local_cloud.processes import LOOPBACK

LISTEN = """
import socket, sys
kind = socket.SOCK_DGRAM if sys.argv[2] == "udp" else socket.SOCK_STREAM
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family, kind) as one:
    one.bind((sys.argv[1], 0))
    if kind == socket.SOCK_STREAM:
        one.listen()
    print(one.getsockname()[1], flush=True)
    sys.stdin.read()
"""


def listen_in_a_child(address: str, protocol: str) -> tuple[subprocess.Popen[str], int]:
    child = subprocess.Popen(
        [sys.executable, "-c", LISTEN, address, protocol],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    return child, int(child.stdout.readline())


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_child_that_is_open_to_others_is_found(protocol: str) -> None:
    child, port = listen_in_a_child("0.0.0.0", protocol)  # noqa: S104 - to be found out
    with child:
        found = [one for one in listeners.open_to_others() if one.endswith(f" 0.0.0.0:{port}")]
        assert child.pid in {process.pid for process in listeners.children()}
    assert len(found) == 1
    assert not [one for one in listeners.open_to_others() if one.endswith(f":{port}")]
    assert child.pid not in {process.pid for process in listeners.children()}


def test_a_grandchild_that_is_open_to_others_is_found() -> None:
    between = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', *sys.argv[1:]]))"
    with subprocess.Popen(
        [sys.executable, "-c", between, LISTEN, "0.0.0.0", "tcp"],  # noqa: S104 - to be found out
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout
        port = int(child.stdout.readline())
        assert [one for one in listeners.open_to_others() if one.endswith(f" 0.0.0.0:{port}")]


def test_this_process_itself_is_looked_at() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104 - to be found out
        port = server.getsockname()[1]
        assert [one for one in listeners.open_to_others() if one.endswith(f" 0.0.0.0:{port}")]


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_child_on_loopback_is_counted_and_not_found(protocol: str) -> None:
    before = listeners.listening_ports()
    child, port = listen_in_a_child(LOOPBACK, protocol)
    with child:
        assert not [one for one in listeners.open_to_others() if one.endswith(f":{port}")]
        assert listeners.listening_ports() == before + 1
