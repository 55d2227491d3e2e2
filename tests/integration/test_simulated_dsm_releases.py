"""Each release of the simulated DSM has its own programs, its own way to nginx and its own layout."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_cloud.dsm import SimulatedDsm
from local_cloud.dsm.hook import LOG
from local_cloud.dsm.issuing import Issuer, issue
from local_cloud.dsm.releases import RELEASES
from local_cloud.dsm.tree import SINGLE, Pair, leaf_file, write_file
from local_cloud.processes import wait_until
from tests.integration.dsm_bench import (
    NAVIDROME,
    bind,
    code,
    fingerprint,
    import_pair,
    lay_out,
    listed,
    page,
    pair_of,
    run,
    serves,
    services_of,
    stage,
    unverified,
)

BEFORE_SYSTEMD = {"usr/syno/etc/rc.sysv/nginx.sh", "usr/syno/sbin/synoservicectl"}
SYSTEMD = {
    "usr/bin/systemctl",
    "usr/libexec/security-profile/tls-profile/dsm.sh",
    "usr/syno/bin/synosystemctl",
    "usr/syno/bin/synow3tool",
}
DUAL = {f"{prefix}{name}.pem" for prefix in ("RSA-", "ECC-") for name in ("cert", "fullchain", "privkey")}


@pytest.fixture
def options() -> dict[str, Any]:
    """How the NAS differs from a DSM 7.2 on which the recipe was followed."""
    return {}


@pytest.fixture
def dsm(tmp_path: Path, nginx: Path, ca: Issuer, options: dict[str, Any]) -> Iterator[SimulatedDsm]:
    made = lay_out(tmp_path, nginx, ca, **options)
    yield made
    made.stop()


def replace_copy(dsm: SimulatedDsm, pair: Pair) -> None:
    """Do what a tool does without the web API: write the archive and the copy of DSM's page."""
    dsm.tree.write_pair(str(dsm.recipe_id), pair)
    dsm.tree.copy_to_service(str(dsm.recipe_id), services_of(dsm, dsm.recipe_id)["system/default"])


def chosen(dsm: SimulatedDsm, kind: str) -> str:
    """Return the fingerprint of the leaf that a client meets who takes only RSA, or only ECDSA."""
    context = unverified()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"ECDHE-{kind}-AES128-GCM-SHA256")
    with (
        socket.create_connection(("127.0.0.1", dsm.https_port), timeout=5) as plain,
        context.wrap_socket(plain) as secure,
    ):
        return fingerprint(ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True) or b"").encode())


class TestEveryRelease:
    @pytest.fixture(params=sorted(RELEASES))
    def version(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def options(self, version: str) -> dict[str, Any]:
        return {"version": version}

    def test_it_names_itself_and_has_its_programs(self, dsm: SimulatedDsm, version: str) -> None:
        text = (dsm.root / "etc.defaults/VERSION").read_text()
        fields = dict(re.findall(r'^(\w+)="(.*)"$', text, re.MULTILINE))
        assert f"{fields['majorversion']}.{fields['minorversion']}" == version
        assert fields["productversion"].startswith(version)
        builds = {"6.2": "25556", "7.0": "42218", "7.1": "42962", "7.2": "72806", "7.3": "86009"}
        assert fields["buildnumber"] == builds[version]

        old = version == "6.2"
        expected = BEFORE_SYSTEMD if old else SYSTEMD | {"usr/syno/bin/synowebapi"}
        absent = SYSTEMD | {"usr/syno/bin/synowebapi"} if old else BEFORE_SYSTEMD
        assert all((dsm.root / place).exists() for place in expected | {"usr/syno/bin/synopkg"})
        assert not any((dsm.root / place).exists() for place in absent)
        assert (dsm.root / "usr/libexec/certificate.d/smbftpd").exists()
        assert (dsm.root / "usr/local/libexec/certificate.d/SynologyDrive").exists()

    def test_nginx_serves_the_copies_and_keeps_them_until_told(
        self, dsm: SimulatedDsm, ca: Issuer, version: str
    ) -> None:
        dsm.start()
        old, new = pair_of(dsm, dsm.recipe_id), issue(["example.com"], issuer=ca)
        assert serves(dsm.https_port, "x", old)
        assert page(dsm.proxy_ports[NAVIDROME], NAVIDROME).endswith("navidrome")
        replace_copy(dsm, new)
        if version == "6.2":
            time.sleep(0.3)
            assert serves(dsm.https_port, "x", old)
            assert run(dsm, "nginx.sh", "reload").returncode == 0
        else:
            assert run(dsm, "systemctl", "reload", "nginx").returncode == 0
            time.sleep(0.3)
            assert serves(dsm.https_port, "x", old)  # `synow3tool --gen-all` is needed too
            assert run(dsm, "synow3tool", "--gen-all").returncode == 0
            assert run(dsm, "systemctl", "reload", "nginx").returncode == 0
        wait_until(lambda: serves(dsm.https_port, "x", new), what="the new leaf", seconds=5)

    def test_only_7_3_has_a_dual_certificate_of_its_own(self, dsm: SimulatedDsm, version: str) -> None:
        names = {path.name for path in (dsm.tree.archive / dsm.synology_id).glob("*.pem")}
        assert names >= (DUAL if version == "7.3" else set(SINGLE))
        assert ("cert.pem" in names) == (version != "7.3")

    def test_what_others_put_into_tmp(self, dsm: SimulatedDsm, version: str) -> None:
        """One source finds files in /tmp fine on 7.3, another says that there is a private /tmp on 7.2.2."""
        assert dsm.switches.private_tmp is (version != "7.3")


class TestDsm62:
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"version": "6.2"}

    def test_synoservicectl_reloads_nginx_and_nothing_else(self, dsm: SimulatedDsm, ca: Issuer) -> None:
        dsm.start()
        new = issue(["example.com"], issuer=ca)
        replace_copy(dsm, new)
        for wrong in (["--reload", "other"], ["reload"]):
            assert run(dsm, "synoservicectl", *wrong).returncode != 0
        assert run(dsm, "synoservicectl", "--reload", "nginx").returncode == 0
        wait_until(lambda: serves(dsm.https_port, "x", new), what="the new leaf", seconds=5)

    def test_the_system_hook_does_nothing_for_default(self, dsm: SimulatedDsm) -> None:
        log = dsm.tree.path(f"/var/log/{LOG}")
        log.unlink()
        for arguments in (["default"], ["FQDN"]):
            assert run(dsm, dsm.root / "usr/libexec/certificate.d/system", *arguments).returncode == 0
        assert log.read_text() == "system FQDN\n"

    def test_the_ports_and_the_rules_stand_in_files(self, dsm: SimulatedDsm) -> None:
        settings = (dsm.root / "etc/synoinfo.conf").read_text().splitlines()
        assert f'secure_admin_port="{dsm.https_port}"' in settings
        assert f'admin_port="{dsm.http_port}"' in settings
        rules = (dsm.root / "etc/nginx/app.d/server.ReverseProxy.conf").read_text()
        assert f"server_name {NAVIDROME};" in rules
        assert f":{dsm.proxy_ports[NAVIDROME]} ssl;" in rules

    def test_the_web_api_can_be_there(self, tmp_path: Path, nginx: Path, ca: Issuer) -> None:
        """Unsure, so both: a switch."""
        dsm = lay_out(tmp_path / "api", nginx, ca, version="6.2", web_api=True)
        new = issue(["example.com"], issuer=ca)
        with dsm:
            answer = import_pair(dsm, *stage(dsm, new), f'id="{dsm.recipe_id}"', 'desc="example.com"')
            assert answer["data"] == {"id": dsm.recipe_id, "restart_httpd": True}
            wait_until(lambda: serves(dsm.https_port, "x", new), what="the new leaf", seconds=5)
        assert not dsm.program("synow3tool").exists()


class TestTheDualLayout:
    """Measured on 7.3-86009."""

    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"version": "7.3", "recipe": False}

    def test_the_archive_and_each_copy_hold_six_files(self, dsm: SimulatedDsm) -> None:
        folders = [dsm.tree.copy_folder(service) for service in services_of(dsm, dsm.synology_id).values()]
        assert len(folders) > 3
        for folder in [*folders, dsm.tree.archive / dsm.synology_id]:
            assert {path.name for path in folder.glob("*.pem")} == DUAL

    def test_nginx_serves_whichever_the_client_takes(self, dsm: SimulatedDsm) -> None:
        dsm.start()
        folder = dsm.root / "usr/syno/etc/certificate/system/default"
        assert chosen(dsm, "RSA") == fingerprint((folder / "RSA-cert.pem").read_bytes())
        assert chosen(dsm, "ECDSA") == fingerprint((folder / "ECC-cert.pem").read_bytes())

    def test_a_cert_pem_that_is_put_there_is_not_served(self, dsm: SimulatedDsm, ca: Issuer) -> None:
        dsm.start()
        before = {kind: chosen(dsm, kind) for kind in ("RSA", "ECDSA")}
        copy = dsm.root / "usr/syno/etc/certificate/system/default"
        for folder in (dsm.tree.archive / dsm.synology_id, copy):
            for name, content in issue(["example.com"], issuer=ca).files().items():
                write_file(folder / name, content)
        assert run(dsm, "synow3tool", "--gen-all").returncode == 0
        assert run(dsm, "systemctl", "reload", "nginx").returncode == 0
        time.sleep(0.3)
        assert {kind: chosen(dsm, kind) for kind in ("RSA", "ECDSA")} == before
        # DSM's own next writing takes them away again.
        dsm.tree.copy_to_service(dsm.synology_id, services_of(dsm, dsm.synology_id)["system/default"])
        assert {path.name for path in copy.glob("*.pem")} == DUAL

    def test_an_imported_one_is_single_and_the_other_files_go(self, dsm: SimulatedDsm, ca: Issuer) -> None:
        new = issue(["example.com"], issuer=ca)
        other = import_pair(dsm, *stage(dsm, new), 'desc="new"')["data"]["id"]
        ftps = services_of(dsm, dsm.synology_id)["smbftpd/ftpd"]
        copy = dsm.tree.copy_folder(ftps)
        bind(dsm, {"service": ftps, "old_id": dsm.synology_id, "id": other})
        assert {path.name for path in copy.iterdir()} == set(SINGLE)
        bind(dsm, {"service": ftps, "old_id": other, "id": dsm.synology_id})
        assert {path.name for path in copy.iterdir()} == DUAL

        import_pair(dsm, *stage(dsm, new), f'id="{dsm.synology_id}"', 'desc=""')
        for folder in (copy, dsm.tree.archive / dsm.synology_id):
            assert {path.name for path in folder.glob("*.pem")} == set(SINGLE)
            assert leaf_file(folder).read_bytes() == new.leaf

    def test_the_list_names_the_key_types(self, dsm: SimulatedDsm, ca: Issuer) -> None:
        rsa = dsm.add_entry("rsa", issue(["rsa.test"], issuer=ca, key_type="rsa"))
        entries = listed(dsm)
        assert entries[dsm.synology_id]["key_types"] == "RSA/ECC"
        assert entries[dsm.synology_id]["is_broken"] is False
        assert entries[dsm.quickconnect_id]["key_types"] == "ECC"
        assert entries[rsa]["key_types"] == "RSA"


class TestWhateverStandsThere:
    """Links, further files and unknown keys stay, whoever writes."""

    def test_dsm_writes_through_links(self, dsm: SimulatedDsm, ca: Issuer) -> None:
        """The public tip to link all copies to one folder is older than the web API."""
        copy = dsm.root / "usr/syno/etc/certificate/smbftpd/ftpd/cert.pem"
        target = dsm.root / "volume1/certificates/cert.pem"
        target.parent.mkdir(parents=True)
        copy.rename(target)
        copy.symlink_to(target)
        archive = dsm.tree.archive / str(dsm.recipe_id)
        others = {name: (archive / name).read_bytes() for name in ("renew.json", "short-chain.pem")}

        new = issue(["example.com"], issuer=ca)
        import_pair(dsm, *stage(dsm, new), f'id="{dsm.recipe_id}"', 'desc="example.com"')

        assert copy.is_symlink()
        assert target.read_bytes() == new.leaf
        assert (archive / "root.pem").is_symlink()
        assert (archive / "root.pem").read_bytes() == new.chain
        assert {name: (archive / name).read_bytes() for name in others} == others

    def test_unknown_keys_of_info_stay(self, dsm: SimulatedDsm) -> None:
        info = dsm.tree.info()
        info[dsm.synology_id]["more"] = {"x": 1}
        entry = info[str(dsm.recipe_id)]
        ftps = next(service for service in entry["services"] if service["service"] == "ftpd")
        ftps["more"] = [1]
        # By the file way: SERVICES does not know the key.
        (dsm.tree.archive / "INFO").write_text(json.dumps(info))
        bind(dsm, {"service": ftps, "old_id": dsm.recipe_id, "id": dsm.synology_id})
        after = dsm.tree.info()[dsm.synology_id]
        assert after["more"] == {"x": 1}
        assert ftps in after["services"]

    def test_entries_that_are_hard_to_tell_apart(self, dsm: SimulatedDsm, ca: Issuer) -> None:
        twin = dsm.add_entry("example.com", issue(["example.com"], issuer=ca, common_name=""), deletable=None)
        entries = listed(dsm)
        assert [entry["desc"] for entry in entries.values()].count("example.com") == 2
        assert entries[twin]["subject"]["common_name"] == ""
        assert "user_deletable" not in dsm.tree.info()[twin]
        assert entries[dsm.synology_id]["desc"] == ""
        assert "user_deletable" not in dsm.tree.info()[dsm.synology_id]

    def test_an_archive_without_a_leaf(self, dsm: SimulatedDsm) -> None:
        leaf_file(dsm.tree.archive / str(dsm.recipe_id)).unlink()
        assert listed(dsm)[str(dsm.recipe_id)]["is_broken"] is True
        copy = dsm.root / "usr/syno/etc/certificate/smbftpd/ftpd/cert.pem"
        before = copy.read_bytes()
        dsm.tree.copy_to_service(str(dsm.recipe_id), services_of(dsm, dsm.recipe_id)["smbftpd/ftpd"])
        assert copy.read_bytes() == before

    def test_a_service_that_nobody_has_is_refused(self, dsm: SimulatedDsm) -> None:
        ftps = services_of(dsm, dsm.recipe_id)["smbftpd/ftpd"]
        unknown = {**ftps, "service": "unknown"}
        assert code(bind(dsm, {"service": unknown, "old_id": dsm.recipe_id, "id": dsm.synology_id})) == 5503
