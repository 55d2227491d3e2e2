"""The simulated DSM's releases differ as the facts say, and packages keep their certificates as reported."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from local_cloud.dsm import SimulatedDsm, packages
from local_cloud.dsm.issuing import Issuer, issue
from local_cloud.dsm.releases import RELEASES, release_of
from local_cloud.dsm.tree import Json, Pair, service_key
from synology_agent.tls import served_fingerprint

PROGRAMS_OF_7 = {"synowebapi", "synow3tool", "synosystemctl", "systemctl", "synopkg"}


def make(folder: Path, nginx: Path, **options: Any) -> SimulatedDsm:
    return SimulatedDsm(folder / "nas", nginx=nginx, **options).create()


def run(dsm: SimulatedDsm, path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = [str(dsm.tree.path(path)), *arguments]
    return subprocess.run(program, capture_output=True, text=True, check=False)


def api(dsm: SimulatedDsm, *parameters: str) -> Any:
    answer = json.loads(run(dsm, "/usr/syno/bin/synowebapi", "--exec-fastwebapi", *parameters).stdout)
    assert answer["success"], answer
    return answer["data"]


def service_of(dsm: SimulatedDsm, *key: str) -> Json:
    (found,) = [one for one in dsm.tree.services() if service_key(one) == key]
    return found


def fingerprint(pem: bytes) -> str:
    return x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256()).hex()


@pytest.mark.parametrize("version", RELEASES)
def test_each_release_names_itself_and_has_its_programs(tmp_path: Path, nginx: Path, version: str) -> None:
    dsm = make(tmp_path, nginx, version=version)
    assert release_of(dsm.tree) is RELEASES[version]
    assert (
        f'productversion="{RELEASES[version].product}"' in dsm.tree.path("/etc.defaults/VERSION").read_text()
    )
    folders = [dsm.root / "usr/syno/bin", dsm.root / "usr/bin"]
    found = {path.name for folder in folders if folder.exists() for path in folder.iterdir()} - {"nginx"}
    assert found == ({"synopkg"} if version == "6.2" else PROGRAMS_OF_7)
    assert make(tmp_path / "b", nginx, version="6.2", web_api=True).program("synowebapi").exists()


def test_dsm_62_reads_the_copies_themselves_and_reloads_by_its_own_scripts(
    tmp_path: Path, nginx: Path, ca: Issuer
) -> None:
    with make(tmp_path, nginx, version="6.2") as dsm:
        page = service_of(dsm, "system", "default")
        for program, *arguments in (
            ("/usr/syno/etc/rc.sysv/nginx.sh", "reload"),
            ("/usr/syno/sbin/synoservicectl", "--reload", "nginx"),
        ):
            new = issue(["example.com"], issuer=ca)
            dsm.tree.write_pair(dsm.recipe_id or "", new)
            dsm.tree.copy_to_service(dsm.recipe_id or "", page)
            assert served_fingerprint(dsm.https_port, "example.com") != fingerprint(new.leaf)
            assert run(dsm, program, *arguments).returncode == 0
            for _ in range(50):
                if served_fingerprint(dsm.https_port, "example.com") == fingerprint(new.leaf):
                    break
            else:
                pytest.fail(f"{program} did not reload nginx")
        assert run(dsm, "/usr/syno/sbin/synoservicectl", "--restart", "nginx").returncode == 1


def test_the_system_hook_of_62_exits_for_default(tmp_path: Path, nginx: Path) -> None:
    for version, lines in (("6.2", ["system FQDN"]), ("7.2", ["system default", "system FQDN"])):
        dsm = make(tmp_path / version, nginx, version=version)
        log = dsm.tree.path("/var/log/certificate.d.log")
        log.unlink()
        for service in ("default", "FQDN"):
            assert run(dsm, "/usr/libexec/certificate.d/system", service).returncode == 0
        assert log.read_text().splitlines() == lines


def test_the_own_certificate_of_73_is_dual(tmp_path: Path, nginx: Path, ca: Issuer) -> None:
    """Measured on 7.3-86009: RSA- and ECC- files, and no cert.pem at all."""
    with make(tmp_path, nginx, version="7.3", recipe=False) as dsm:
        page = service_of(dsm, "system", "default")
        archive, copy = dsm.tree.archive / dsm.synology_id, dsm.tree.copy_folder(page)
        for folder in (archive, copy):
            names = {path.name for path in folder.iterdir()}
            assert {"RSA-cert.pem", "RSA-privkey.pem", "ECC-cert.pem", "ECC-fullchain.pem"} <= names
            assert "cert.pem" not in names
        both = {fingerprint((copy / f"{kind}-cert.pem").read_bytes()) for kind in ("RSA", "ECC")}
        assert served_fingerprint(dsm.https_port, "x") in both
        (own,) = [
            one
            for one in api(dsm, "api=SYNO.Core.Certificate.CRT", "method=list", "version=1")["certificates"]
            if one["id"] == dsm.synology_id
        ]
        assert own["key_types"] == "RSA/ECC"

        # A tool that writes cert.pem there changes nothing that is served.
        (copy / "cert.pem").write_bytes(issue(["example.com"], issuer=ca).leaf)
        dsm.reload()
        assert served_fingerprint(dsm.https_port, "x") in both

        # An imported certificate is single.
        new = issue(["example.com"], issuer=ca)
        stage = dsm.root / "stage"
        stage.mkdir()
        for name, content in new.files().items():
            (stage / name).write_bytes(content)
        api(
            dsm,
            *("api=SYNO.Core.Certificate", "method=import", "version=1", f'id="{dsm.synology_id}"'),
            *(
                'key_tmp="/stage/privkey.pem"',
                'cert_tmp="/stage/cert.pem"',
                'inter_cert_tmp="/stage/chain.pem"',
            ),
        )
        assert {path.name for path in copy.iterdir()} == set(new.files())


def test_packages_keep_their_certificates_in_their_own_ways(tmp_path: Path, nginx: Path, ca: Issuer) -> None:
    dsm = make(tmp_path, nginx, issuer=ca, packages=["WebStation", "VPNCenter", "DirectoryServer"])
    tree = dsm.tree
    archive = tree.archive / (dsm.recipe_id or "")
    old = Pair(*((archive / name).read_bytes() for name in ("cert.pem", "chain.pem", "privkey.pem")))
    listed = {one["service"] for one in tree.services()}
    assert packages.VIRTUAL_HOST["service"] in listed
    assert packages.PORTAL["service"] not in listed
    assert (tree.copy_folder(packages.PORTAL) / "cert.pem").read_bytes() == old.leaf
    assert (tree.path(packages.OPENVPN_KEYS) / "server.key").read_bytes() == old.key

    # The directory server serves the old one until it is restarted.
    new = issue(["example.com"], issuer=ca)
    tree.write_pair(dsm.recipe_id or "", new)
    tree.copy_to_service(dsm.recipe_id or "", packages.LDAP)
    assert packages.serves(tree, "DirectoryServer", old.leaf)
    assert run(dsm, "/usr/syno/bin/synosystemctl", "restart", "pkgctl-DirectoryServer").returncode == 0
    assert packages.serves(tree, "DirectoryServer", new.leaf)


def test_a_package_is_running_stopped_or_not_there(tmp_path: Path, nginx: Path) -> None:
    dsm = make(tmp_path, nginx, packages=["VPNCenter"])
    status = ("/usr/syno/bin/synopkg", "status", "VPNCenter")
    assert run(dsm, *status).returncode == 0
    dsm.tree.path("/var/packages/VPNCenter/running").unlink()
    assert run(dsm, *status).returncode != 0
    assert run(dsm, "/usr/bin/systemctl", "is-active", "pkgctl-VPNCenter").stdout == "inactive\n"
    assert run(dsm, "/usr/syno/bin/synopkg", "restart", "VPNCenter").returncode == 0
    assert run(dsm, "/usr/bin/systemctl", "is-active", "pkgctl-VPNCenter").stdout == "active\n"
    assert run(dsm, "/usr/syno/bin/synopkg", "restart", "MailServer").returncode != 0
    assert run(dsm, "/usr/bin/systemctl", "restart", "pkgctl-MailServer").returncode != 0
