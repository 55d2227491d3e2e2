"""The checks in a world of real parts: each trap of the NAS is made, and seen red with what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local_cloud.dsm import SimulatedDsm
from local_cloud.dsm.issuing import Issuer, issue
from local_cloud.dsm.tree import Pair
from local_cloud.processes import free_port
from synology_setup.stack_outputs import NasOutputs
from tests.integration.checks_world import (
    CLOCK,
    NAS,
    PAGE,
    SERVED,
    SSH,
    ZONE,
    World,
    only_red,
    red,
    untold,
)

pytest_plugins = ("tests.integration.checks_fixtures",)


@contextlib.contextmanager
def serving_pair(folder: Path, nginx: Path, pair: Pair) -> Iterator[int]:
    """A NAS whose services all serve the pair; yields the port of its page."""
    dsm = SimulatedDsm(folder / "nas", nginx=nginx, names=["x.test"], proxies=()).create()
    assert dsm.recipe_id
    dsm.tree.write_pair(dsm.recipe_id, pair)
    for service in dsm.tree.info()[dsm.recipe_id]["services"]:
        dsm.tree.copy_to_service(dsm.recipe_id, service)
    with dsm:
        yield dsm.https_port


def at_port(world: World, port: int) -> None:
    nas = world.outputs.nases["synology"]
    url = f"https://{NAS}:{port}"
    world.change(nases={"synology": NasOutputs(nas.name, nas.user, url, nas.agent_config)})


def test_ssh_that_is_off(world: World) -> None:
    world.ssh_port = free_port()
    finding = only_red(world, SSH)
    assert "refused" in finding.measured
    assert f"Enable SSH service, port {world.ssh_port}" in finding.advice


def test_a_page_at_another_port(world: World) -> None:
    at_port(world, free_port())
    found = world.check()
    assert red(found) == {PAGE}
    assert CLOCK not in found
    assert "Login Portal" in found[PAGE].advice


def test_a_port_without_tls(world: World, dsm: SimulatedDsm) -> None:
    at_port(world, dsm.http_port)
    found = world.check()
    assert red(found) == {SERVED}
    assert f"no TLS at port {dsm.http_port}" in found[SERVED].measured


@pytest.mark.parametrize("off", [timedelta(minutes=6), timedelta(minutes=-6), timedelta(days=9000)])
def test_a_clock_that_is_wrong(world: World, off: timedelta) -> None:
    world.more["now"] = lambda: datetime.now(UTC) + off
    found = world.check()
    assert red(found) == {CLOCK}
    assert "NTP" in found[CLOCK].advice
    assert ("behind" if off > timedelta() else "ahead of") in found[CLOCK].measured


def test_dsms_own_certificate_is_what_stands_there_before_the_installation(
    world: World, nginx: Path, tmp_path: Path
) -> None:
    with SimulatedDsm(tmp_path / "nas", nginx=nginx, recipe=False, proxies=()).create() as fresh:
        at_port(world, fresh.https_port)
        found = world.check()
    assert (red(found), untold(found)) == (set(), {SERVED})
    assert "before the installation" in found[SERVED].measured
    assert f"install ACCOUNT@{NAS}" in found[SERVED].advice


def test_a_certificate_for_another_name(world: World, nginx: Path, ca: Issuer, tmp_path: Path) -> None:
    with serving_pair(tmp_path, nginx, issue(["other.test", f"*.sub.{ZONE}"], issuer=ca)) as port:
        at_port(world, port)
        finding = only_red(world, SERVED)
    assert f"it is for other.test, *.sub.{ZONE}" in finding.advice


def test_a_certificate_that_has_expired(world: World, nginx: Path, ca: Issuer, tmp_path: Path) -> None:
    with serving_pair(tmp_path, nginx, issue([NAS], issuer=ca, days=0)) as port:
        at_port(world, port)
        finding = only_red(world, SERVED)
    assert f"renew {ZONE}" in finding.advice


def test_a_certificate_without_its_intermediate(
    world: World, nginx: Path, ca: Issuer, tmp_path: Path
) -> None:
    whole = issue([NAS], issuer=ca)
    with serving_pair(tmp_path, nginx, Pair(whole.leaf, b"", whole.key)) as port:
        at_port(world, port)
        finding = only_red(world, SERVED)
    assert "an intermediate certificate is missing" in finding.advice


def test_an_issuer_that_this_machine_does_not_trust(world: World) -> None:
    world.roots = None
    assert "staging" in only_red(world, SERVED).advice
