"""The simulated DSM's programs, run in children of one process that has imported everything.

`python -m tests.warm_dsm` serves them on a port of loopback; `WarmDsm.use_in` lets a tree's launchers ask it
in place of starting Python anew. It counts the calls, and spoils one of them as told.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import pkgutil
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import local_cloud.dsm
from local_cloud.processes import LOOPBACK

FAULTS = ("fail", "hang", "lie", "noise")
_MODULE = re.compile(r"from (local_cloud\.dsm\.\w+) import main")
# Only what starts in milliseconds: an install runs dozens of commands. A shell cannot close one half of a
# connection, so it says first how many words follow.
_CLIENT = """#!{bash}
exec 3<>/dev/tcp/{address}/{port} || exit 127
printf '%s\\0' $(($# + 2)) {module} "$0" "$@" >&3
IFS= read -r -d '' status <&3 || exit 127
IFS= read -r -d '' err <&3
/bin/cat <&3
printf '%s' "$err" >&2
exit "$status"
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

    def __init__(self) -> None:
        """Start it."""
        root = Path(__file__).resolve().parents[1]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm_dsm"],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())

    def use_in(self, root: Path) -> None:
        """Let the launchers of the tree ask this process."""
        bash = shutil.which("bash")
        assert bash, "needs bash, for /dev/tcp"
        for path in root.rglob("*"):
            if not path.is_file() or path.is_symlink() or not os.access(path, os.X_OK):
                continue
            module = _MODULE.search(path.read_text(errors="replace"))
            if module:
                path.write_text(
                    _CLIENT.format(bash=bash, address=LOOPBACK, port=self._port, module=module.group(1))
                )

    def order(self, order: Order) -> int:
        """Begin to count anew with this order; return how many calls came since the last one."""
        with socket.create_connection((LOOPBACK, self._port)) as line:
            line.sendall(f"1\0{json.dumps(asdict(order))}\0".encode())
            return int(line.makefile().readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def main() -> None:
    """Serve until terminated, or until the one that started it has ended, and with it our input."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    for module in pkgutil.iter_modules(local_cloud.dsm.__path__, "local_cloud.dsm."):
        importlib.import_module(module.name)
    gc.freeze()  # a child's first collection would copy all pages of this process
    with socket.create_server((LOOPBACK, 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        order, calls = Order(), 0
        while True:
            line = listener.accept()[0]
            asked = _words(line)
            if asked[0].startswith("{"):
                line.sendall(f"{calls}\n".encode())
                order, calls = Order(**json.loads(asked[0])), 0
            else:
                fault = order.fault if calls == order.at else ""
                _fork(partial(_serve, line, asked, fault))
                calls += 1
            line.close()


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


def _words(line: socket.socket) -> list[str]:
    """Read the number of words, then that many, each with a NUL behind it."""
    said = b""
    while True:
        more = line.recv(65_536)
        said += more
        count, *words = said.decode(errors="replace").split("\0")
        if not more or (words and len(words) > int(count)):
            return words[:-1]


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
    line.sendall(f"{status}\0{err}\0{out}".encode())


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
