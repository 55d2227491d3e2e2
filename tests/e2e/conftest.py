"""The demo's way in fixtures, one chapter each: the NAS before, installed, finished, renewed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Playwright, sync_playwright

from local_cloud.demo import steps
from local_cloud.demo.client import Client
from local_cloud.demo.report import Report
from local_cloud.demo.world import DSM_NAME, SERVICE_NAME, World, start_world
from local_cloud.system_programs import ProgramMissing, provide
from tests.e2e.browser import Browser, chromium, trust

BUILD = Path(__file__).parents[2] / "build"
SCREENSHOTS = BUILD / "e2e"
NAMES = (DSM_NAME, SERVICE_NAME)
OTHER_NAME = "nas.example.org"  # leads to the NAS too, but no certificate has it


@dataclass
class Nas:
    """The demo's NAS, as far as its story has gone."""

    world: World
    report: Report
    client: Client
    outputs: dict[str, Any] = field(default_factory=dict)

    def url(self, name: str) -> str:
        return f"https://{name}:{dict(steps.pages(self.world))[name]}/"


def program(name: str, package: str) -> Path:
    try:
        return provide([name], BUILD)[name]
    except ProgramMissing as error:
        pytest.skip(f"needs the package {package}: {error}")


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def chromium_program() -> Path:
    return program("chromium", "chromium")


@pytest.fixture(scope="session")
def screenshots() -> Path:
    shutil.rmtree(SCREENSHOTS, ignore_errors=True)
    SCREENSHOTS.mkdir(parents=True)
    return SCREENSHOTS


@pytest.fixture(scope="module")
def nas(chromium_program: Path) -> Iterator[Nas]:  # noqa: ARG001 (skips before anything is started)
    for name, package in (("nginx", "nginx"), ("sshd", "openssh-server")):
        program(name, package)
    with ExitStack() as stack:
        report = Report()
        world = start_world(BUILD, stack, report)
        yield Nas(world, report, Client(world.acme.issuing_root()))


@pytest.fixture(scope="module")
def browser(
    nas: Nas,
    playwright: Playwright,
    chromium_program: Path,
    screenshots: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Browser]:
    """A browser whose user trusts the demo's authority."""
    home = tmp_path_factory.mktemp("home")
    trust(home, program("certutil", "libnss3-tools"), nas.world.acme.issuing_root())
    with chromium(playwright, chromium_program, home, screenshots, [*NAMES, OTHER_NAME]) as started:
        yield started


@pytest.fixture(scope="module")
def stranger(
    playwright: Playwright,
    chromium_program: Path,
    screenshots: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Browser]:
    """A browser whose user trusts what it came with."""
    home = tmp_path_factory.mktemp("stranger")
    with chromium(playwright, chromium_program, home, screenshots, [*NAMES, OTHER_NAME]) as started:
        yield started
