"""An installation whose connection is lost: run again, it ends right. `make sweep` loses it at every point.

`EVERY_POINT=1 pytest tests/integration/test_setup_interrupted.py` does, too; without it, a part of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local_cloud.ssh_server import CuttingProxy, Direction
from synology_setup.remote import RootShell
from tests.integration.setup_bench import Bench, is_installed

EVERY = 1 if os.environ.get("EVERY_POINT") else 13
COMMANDS = 25
"""Remote commands of a first installation."""

KILOBYTES = 75
"""Bytes that it sends, in whole kilobytes."""


@pytest.fixture
def line(bench: Bench) -> Iterator[CuttingProxy]:
    """The line to the NAS."""
    with CuttingProxy(bench.server.port) as proxy:
        yield proxy


def cutting_at(number: int, line: CuttingProxy, *, before: bool) -> Callable[..., Any]:
    """Return `RootShell.run` that loses the line before or after the command of that number."""
    run, count = RootShell.run, 0

    def cutting(*arguments: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        if count == number and before:
            line.cut()
        result = run(*arguments, **options)
        if count == number:
            line.cut()
        return result

    return cutting


def test_how_much_there_is_to_be_cut(
    bench: Bench, line: CuttingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, commands = RootShell.run, 0

    def counting(*arguments: Any, **options: Any) -> Any:
        nonlocal commands
        commands += 1
        return run(*arguments, **options)

    monkeypatch.setattr(RootShell, "run", counting)
    bench.install(port=line.port)
    assert commands == COMMANDS
    assert line.passed[Direction.TO_SERVER] // 1000 >= KILOBYTES


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, COMMANDS + 1, EVERY))
def test_cut_at_a_command(
    bench: Bench, line: CuttingProxy, monkeypatch: pytest.MonkeyPatch, number: int, before: bool
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(RootShell, "run", cutting_at(number, line, before=before))
        last = number == COMMANDS and not before
        said = bench.install(port=line.port, code=0 if last else 1)
    assert last or f"the connection to {bench.target(line.port)} was lost" in said
    bench.install(port=line.port)
    is_installed(bench)


@pytest.mark.parametrize("kilobytes", range(1, KILOBYTES, 3 * EVERY))
def test_cut_after_so_many_bytes(bench: Bench, line: CuttingProxy, kilobytes: int) -> None:
    line.cut_after(Direction.TO_SERVER, kilobytes * 1000)
    said = bench.install(port=line.port, code=1)
    assert "failed: " in said
    bench.install(port=line.port)
    is_installed(bench)
