"""Each program of the simulated DSM goes wrong on demand, and can be called in-process."""

from __future__ import annotations

import importlib
import json
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from local_cloud.dsm import SimulatedDsm
from local_cloud.dsm.hook import LOG
from local_cloud.dsm.issuing import Issuer, issue
from tests.integration.dsm_bench import (
    api,
    bind,
    import_pair,
    lay_out,
    listed,
    pair_of,
    run,
    services_of,
    stage,
)

LIST = ("--exec-fastwebapi", "api=SYNO.Core.Certificate.CRT", "method=list", "version=1")


@pytest.fixture
def dsm(tmp_path: Path, nginx: Path, ca: Issuer) -> SimulatedDsm:
    return lay_out(tmp_path, nginx, ca, packages=["VPNCenter"])


def main_of(module: str) -> Callable[[str, Sequence[str]], int]:
    main: Callable[[str, Sequence[str]], int] = importlib.import_module(f"local_cloud.dsm.{module}").main
    return main


def test_a_program_fails_without_effect(dsm: SimulatedDsm) -> None:
    fault = {"kind": "fail", "exit_code": 7, "text": "no such luck\n"}
    dsm.switch(faults={"synopkg:restart": fault, "systemctl": "fail"})
    done = run(dsm, "synopkg", "restart", "VPNCenter")
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "no such luck\n")
    assert not dsm.tree.path("/var/log/systemctl.log").exists()
    assert run(dsm, "synopkg", "status", "VPNCenter").returncode == 0
    assert run(dsm, "systemctl", "is-active", "nginx").returncode == 1
    assert run(dsm, "synosystemctl", "restart", "pkgctl-SynologyDrive").returncode == 0
    dsm.switch(faults={})
    assert run(dsm, "synopkg", "restart", "VPNCenter").returncode == 0


def test_a_fault_ends_after_its_calls(dsm: SimulatedDsm) -> None:
    dsm.switch(faults={"synopkg:VPNCenter": {"kind": "fail", "calls": 2}, "systemctl": "fail"})
    codes = [
        run(dsm, "synopkg", "status", package).returncode for package in ["VPNCenter", "SynologyDrive"] * 3
    ]
    assert codes == [1, 0, 1, 0, 0, 0]
    assert run(dsm, "systemctl", "is-active", "nginx").returncode == 1


def test_a_lie_is_a_success_without_effect(dsm: SimulatedDsm, ca: Issuer) -> None:
    before = pair_of(dsm, dsm.recipe_id)
    dsm.switch(faults={"synowebapi:import": "lie", "synopkg": "lie", "smbftpd": "lie"})
    answer = import_pair(dsm, *stage(dsm, issue(["example.com"], issuer=ca)), f'id="{dsm.recipe_id}"')
    assert answer == {"data": {}, "success": True}
    assert pair_of(dsm, dsm.recipe_id) == before
    assert run(dsm, "synopkg", "restart", "VPNCenter").returncode == 0
    assert not dsm.tree.path("/var/log/systemctl.log").exists()
    log = dsm.tree.path(f"/var/log/{LOG}")
    log.unlink()
    assert run(dsm, dsm.root / "usr/libexec/certificate.d/smbftpd", "ftpd").returncode == 0
    assert not log.exists()
    assert len(listed(dsm)) == 4


def test_a_program_hangs_and_then_does_its_work(dsm: SimulatedDsm) -> None:
    dsm.switch(faults={"synowebapi:list": {"kind": "hang", "seconds": 0.5, "calls": 1}})
    began = time.monotonic()
    assert len(listed(dsm)) == 4
    assert time.monotonic() - began > 0.5

    dsm.switch(faults={"synowebapi:list": "hang"})
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([dsm.program("synowebapi"), *LIST], capture_output=True, check=False, timeout=0.5)


def test_noise_comes_before_the_answer(dsm: SimulatedDsm) -> None:
    dsm.switch(faults={"synowebapi": "noise"})
    noise, answer = run(dsm, "synowebapi", *LIST).stdout.split("{not: json}\n")
    assert "{" in noise
    assert json.loads(answer)["success"] is True
    dsm.switch(faults={"synowebapi": {"kind": "noise", "text": "hello\n"}})
    assert run(dsm, "synowebapi", *LIST).stdout.startswith("hello\n{")


def test_a_fault_strikes_where_all_its_words_are(dsm: SimulatedDsm) -> None:
    """`set` is a method of several APIs; a parameter counts by its value, quoted or not."""
    dsm.switch(faults={"synowebapi:SYNO.Core.Certificate.Service:set": "lie"})
    ftps = services_of(dsm, dsm.recipe_id)["smbftpd/ftpd"]
    assert bind(dsm, {"service": ftps, "old_id": dsm.recipe_id, "id": dsm.synology_id})["success"] is True
    assert dsm.tree.owner_of("smbftpd", "ftpd") == dsm.recipe_id
    entry = [f'id="{dsm.synology_id}"', 'desc="renamed"']
    assert api(dsm, "api=SYNO.Core.Certificate.CRT", 'method="set"', "version=1", *entry)["success"] is True
    assert dsm.tree.info()[dsm.synology_id]["desc"] == "renamed"
    dsm.switch(faults={"synowebapi:list": "lie"})
    quoted = api(dsm, "api=SYNO.Core.Certificate.CRT", 'method="list"', "version=1")
    assert quoted == {"data": {}, "success": True}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"synowebapi": "explode"}, ValueError),
        ({"synowebapi": {"kind": "hang", "hours": 1}}, TypeError),
        ({"nginx.sh:reload": "fail"}, ValueError),  # DSM 6.2 has it, 7.2 has not
    ],
)
def test_a_fault_that_could_not_strike_is_refused(
    dsm: SimulatedDsm, fault: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        dsm.switch(faults=fault)
    assert dsm.switches.faults == {}


def test_other_switches_stay(dsm: SimulatedDsm) -> None:
    dsm.switch(refuse_import=5510)
    dsm.switch(faults={"systemctl:reload": {"kind": "fail", "calls": 1}})
    assert run(dsm, "systemctl", "reload", "nginx").returncode == 1
    dsm.switch(lie_on_bind=True)
    assert (dsm.switches.refuse_import, dsm.switches.lie_on_bind, dsm.switches.faults) == (5510, True, {})


@pytest.mark.parametrize("version", ["6.2", "7.2"])
def test_every_program_can_be_called_in_process(
    tmp_path: Path, nginx: Path, ca: Issuer, version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same answer, and the same fault, as from its own process."""
    dsm = lay_out(tmp_path, nginx, ca, version=version, packages=["VPNCenter"], web_api=True)
    calls = {
        "synowebapi": ("synowebapi", LIST),
        "synopkg": ("synopkg", ("status", "VPNCenter")),
        **(
            {
                "systemctl": ("systemctl", ("is-active", "pkgctl-VPNCenter")),
                "synow3tool": ("synow3tool", ("--gen-all",)),
            }
            if version == "7.2"
            else {
                "nginx.sh": ("nginx_service", ("reload",)),
                "synoservicectl": ("nginx_service", ("--reload", "nginx")),
            }
        ),
    }
    with dsm:
        for name, (module, arguments) in calls.items():
            done = run(dsm, name, *arguments)
            assert main_of(module)(str(dsm.program(name)), list(arguments)) == done.returncode == 0
            captured = capsys.readouterr()
            assert (captured.out, captured.err) == (done.stdout, done.stderr)
            dsm.switch(faults={name: {"kind": "fail", "exit_code": 9, "text": "no\n"}})
            assert main_of(module)(str(dsm.program(name)), list(arguments)) == 9
            assert capsys.readouterr() == ("", "no\n")
            dsm.switch(faults={})
