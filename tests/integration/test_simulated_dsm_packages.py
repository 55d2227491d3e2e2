"""The simulated DSM's packages keep their certificates, and tell their state, as those of field cases do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local_cloud.dsm import SimulatedDsm
from local_cloud.dsm.issuing import Issuer, issue
from local_cloud.dsm.packages import LISTED, OPENVPN_KEYS, PORTAL, VIRTUAL_HOST
from local_cloud.dsm.tree import DualPair, Json, Pair, service_key, write_file
from tests.integration.dsm_bench import (
    copies,
    fingerprint,
    import_pair,
    lay_out,
    pair_of,
    run,
    stage,
)

PACKAGES = ("WebStation", "VPNCenter", "DirectoryServer")


@pytest.fixture
def options() -> dict[str, Any]:
    return {}


@pytest.fixture
def dsm(tmp_path: Path, nginx: Path, ca: Issuer, options: dict[str, Any]) -> SimulatedDsm:
    return lay_out(tmp_path, nginx, ca, packages=PACKAGES, services=[], **options)


def renew(dsm: SimulatedDsm, ca: Issuer) -> Pair:
    """Replace the recipe's certificate through the web API."""
    new = issue(["example.com"], issuer=ca)
    answer = import_pair(dsm, *stage(dsm, new), f'id="{dsm.recipe_id}"', 'desc="example.com"')
    assert answer["success"] is True
    return new


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def openvpn_files(pair: Pair) -> dict[str, bytes]:
    return {
        "server.crt": pair.leaf,
        "server.key": pair.key,
        "ca_bundle.crt": pair.chain,
        "ca.crt": pair.chain,
    }


def is_listed(dsm: SimulatedDsm, service: Json) -> bool:
    return service_key(service) in dsm.tree.known_services()


def test_a_virtual_host_is_bound_and_a_portal_is_not_listed(dsm: SimulatedDsm, ca: Issuer) -> None:
    """Field cases 5 and 9."""
    assert VIRTUAL_HOST["display_name"] == "site:80\n/443\n"
    assert dsm.tree.owner_of("WebStation", VIRTUAL_HOST["service"]) == dsm.recipe_id
    assert not is_listed(dsm, PORTAL)
    portal = dsm.root / "usr/local/etc/certificate/WebStation" / PORTAL["service"]
    old = pair_of(dsm, dsm.recipe_id)
    assert contents(portal) == old.files()
    new = renew(dsm, ca)
    assert copies(dsm, dsm.recipe_id) == {fingerprint(new.leaf)}
    assert contents(portal) == old.files()


def test_openvpn_keeps_files_of_its_own_and_reads_them_at_its_start(dsm: SimulatedDsm, ca: Issuer) -> None:
    keys = dsm.root / "usr/syno/etc/packages/VPNCenter/openvpn/keys"
    old = pair_of(dsm, dsm.recipe_id)
    assert contents(keys) == openvpn_files(old)
    new = renew(dsm, ca)
    assert run(dsm, "synosystemctl", "restart", "pkgctl-VPNCenter").returncode == 0
    assert dsm.served_by("VPNCenter") == fingerprint(old.leaf)
    for name, content in openvpn_files(new).items():
        write_file(keys / name, content)
    assert dsm.served_by("VPNCenter") == fingerprint(old.leaf)
    assert run(dsm, "synosystemctl", "restart", "pkgctl-VPNCenter").returncode == 0
    assert dsm.served_by("VPNCenter") == fingerprint(new.leaf)


@pytest.mark.parametrize(
    "command",
    [
        ["synosystemctl", "restart", "pkgctl-DirectoryServer"],
        ["systemctl", "restart", "pkgctl-DirectoryServer.service"],
        ["synopkg", "restart", "DirectoryServer"],
    ],
)
def test_ldap_serves_the_old_one_until_it_is_restarted(
    dsm: SimulatedDsm, ca: Issuer, command: list[str]
) -> None:
    old, new = pair_of(dsm, dsm.recipe_id), renew(dsm, ca)
    (service,) = LISTED["DirectoryServer"]
    assert (dsm.tree.copy_folder(service) / "cert.pem").read_bytes() == new.leaf
    assert dsm.served_by("DirectoryServer") == fingerprint(old.leaf)
    log = dsm.tree.path("/var/log/systemctl.log")
    assert not log.exists()
    assert run(dsm, *command).returncode == 0
    assert dsm.served_by("DirectoryServer") == fingerprint(new.leaf)
    assert log.read_text() == "restart DirectoryServer\n"


def test_the_states_of_a_package(dsm: SimulatedDsm) -> None:
    """The exit codes of synopkg were measured on 7.3.2."""
    dsm.stop_package("VPNCenter")
    assert dsm.served_by("VPNCenter") is None
    states = {
        "DirectoryServer": (0, "active", 0),
        "VPNCenter": (17, "inactive", 3),
        "Absent": (255, "inactive", 3),
    }
    for package, (status, word, active) in states.items():
        done = run(dsm, "synopkg", "status", package)
        assert done.returncode == status
        assert json.loads(done.stdout)["status"] == ("running" if status == 0 else "stop")
        done = run(dsm, "systemctl", "is-active", f"pkgctl-{package}")
        assert (done.stdout, done.returncode) == (f"{word}\n", active)
        done = run(dsm, "systemctl", "-q", "is-active", f"pkgctl-{package}.service")
        assert (done.stdout, done.returncode) == ("", active)


def test_only_what_is_installed_is_restarted_and_a_stopped_one_starts(dsm: SimulatedDsm) -> None:
    assert run(dsm, "synosystemctl", "restart", "pkgctl-Absent").returncode == 5
    assert run(dsm, "synopkg", "restart", "Absent").returncode == 255
    dsm.stop_package("VPNCenter")
    assert run(dsm, "synosystemctl", "restart", "pkgctl-VPNCenter").returncode == 0
    assert run(dsm, "systemctl", "is-active", "pkgctl-VPNCenter").returncode == 0
    assert run(dsm, "synosystemctl", "is-active", "pkgctl-VPNCenter").returncode == 1


def test_what_one_package_does_is_its_own_matter(dsm: SimulatedDsm, ca: Issuer) -> None:
    old, new = pair_of(dsm, dsm.recipe_id), renew(dsm, ca)
    assert run(dsm, "synopkg", "restart", "SynologyDrive").returncode == 0
    assert dsm.served_by("DirectoryServer") == fingerprint(old.leaf) != fingerprint(new.leaf)


class TestDsm62:
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"version": "6.2"}

    def test_synopkg_answers_in_sentences(self, dsm: SimulatedDsm) -> None:
        assert run(dsm, "synopkg", "status", "VPNCenter").stdout == "package VPNCenter is started\n"
        dsm.stop_package("VPNCenter")
        done = run(dsm, "synopkg", "status", "VPNCenter")
        assert (done.stdout, done.returncode) == ("package VPNCenter is stopped\n", 17)
        done = run(dsm, "synopkg", "restart", "VPNCenter")
        assert (done.stdout, done.returncode) == ("package VPNCenter restart successfully\n", 0)


class TestTheDualLayout:
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"version": "7.3", "recipe": False}

    def test_copies_are_dual_and_openvpns_are_not(self, dsm: SimulatedDsm) -> None:
        folder = dsm.tree.archive / dsm.synology_id
        rsa, ecc = (
            Pair(
                (folder / f"{kind}-cert.pem").read_bytes(), b"", (folder / f"{kind}-privkey.pem").read_bytes()
            )
            for kind in ("RSA", "ECC")
        )
        assert contents(dsm.tree.copy_folder(PORTAL)) == DualPair(rsa, ecc).files()
        assert contents(dsm.tree.path(OPENVPN_KEYS)) == openvpn_files(rsa)
        for package in ("VPNCenter", "DirectoryServer"):
            assert dsm.served_by(package) == fingerprint(rsa.leaf)
