"""The simulated DSM's programs, run in children of one process that has imported everything.

`python -m tests.warm_dsm SOCKET` serves them; `WarmDsm.use_in` lets a tree's launchers ask it in place
of starting Python anew. It counts the calls, and spoils one of them as told.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import pkgutil
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import local_cloud.dsm

FAULTS = ("fail", "hang", "lie", "noise")
_MODULE = re.compile(r"from (local_cloud\.dsm\.\w+) import main")
# Only what starts in milliseconds: an install runs dozens of commands.
_CLIENT = """
import _socket, sys
line = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
line.connect(sys.argv[1])
line.sendall("\\0".join(sys.argv[2:]).encode())
line.shutdown(_socket.SHUT_WR)
answer = b""
while True:
    more = line.recv(65536)
    if not more:
        break
    answer += more
status, out, err = answer.decode().split("\\0")
sys.stderr.write(err)
sys.stdout.write(out)
sys.exit(int(status))
"""
# As after a success that had no effect: the shape of the web API, and nothing that another command minds.
_LIE = (0, '{"data": {}, "success": true}\n', "")
_NOISE = "[Line 42] {noise} [\n{not: json}\n"


@dataclass(frozen=True)
class Order:
    """What is to happen to the calls that come.

    Attributes:
        at: number of the call to spoil, from 0; -1 spoils none.
        fault: one of FAULTS.
    """

    at: int = -1
    fault: str = ""


class WarmDsm:
    """The process that serves the programs."""

    def __init__(self, path: Path) -> None:
        """Start it; `path` is the socket's."""
        self._path = path
        root = Path(__file__).resolve().parents[1]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm_dsm", str(path)],
            cwd=root,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def use_in(self, root: Path) -> None:
        """Let the launchers of the tree ask this process."""
        for path in root.rglob("*"):
            if not path.is_file() or path.is_symlink() or not os.access(path, os.X_OK):
                continue
            module = _MODULE.search(path.read_text(errors="replace"))
            if module:
                words = [sys.executable, "-I", "-S", "-c", _CLIENT, str(self._path), module.group(1)]
                path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$0" "$@"\n')

    def order(self, order: Order) -> int:
        """Begin to count anew with this order; return how many calls came since the last one."""
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(self._path))
            line.sendall(json.dumps(asdict(order)).encode())
            line.shutdown(socket.SHUT_WR)
            return int(line.makefile().readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def main() -> None:
    """Serve until terminated."""
    for module in pkgutil.iter_modules(local_cloud.dsm.__path__, "local_cloud.dsm."):
        importlib.import_module(module.name)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen(16)
        print("ready", flush=True)
        order, calls = Order(), 0
        while True:
            line = listener.accept()[0]
            asked = line.makefile().read()
            if asked.startswith("{"):
                line.sendall(f"{calls}\n".encode())
                order, calls = Order(**json.loads(asked)), 0
            else:
                fault = order.fault if calls == order.at else ""
                _fork(partial(_serve, line, asked.split("\0"), fault))
                calls += 1
            line.close()


def _fork(work: Callable[[], None]) -> None:
    """Run `work` in a grandchild, so that nobody has to wait for it."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    if os.fork() == 0:
        work()
    os._exit(0)


def _serve(line: socket.socket, command: list[str], fault: str) -> None:
    if fault == "hang":
        time.sleep(60)
        return
    answer = _LIE if fault == "lie" else (1, "", "it failed\n") if fault == "fail" else _run(*command)
    status, out, err = answer
    out = _NOISE + out if fault == "noise" else out
    line.sendall(f"{status}\0{out}\0{err}".encode())


def _run(module: str, program: str, *arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    sys.stdout, sys.stderr = out, err
    try:
        status = importlib.import_module(module).main(program, arguments)
    except Exception as error:
        status, _ = 1, err.write(repr(error))
    return status, out.getvalue(), err.getvalue()


if __name__ == "__main__":
    main()
