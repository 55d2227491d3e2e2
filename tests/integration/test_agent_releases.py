"""The agent on every DSM that it is made for, by the way that each offers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_cloud.dsm.issuing import Issuer, issue
from local_cloud.dsm.releases import RELEASES
from local_cloud.dsm.tree import write_file
from tests.agent_documents import leaf_of
from tests.integration.agent_bench import NAMES, Nas, Secret


@pytest.fixture(params=sorted(RELEASES))
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def dsm_options(version: str) -> dict[str, Any]:
    return {"version": version, "recipe": False}


def test_from_the_first_install_to_a_rollback(nas: Nas, secret: Secret, ca: Issuer, version: str) -> None:
    before, blog = nas.served(), nas.blog()
    nas.serve(secret)
    for new in (issue(NAMES, issuer=ca), issue(NAMES, issuer=ca, key_type="rsa")):
        secret.put_pair(new)
        code, output = nas.run()
        assert code == 0, output
        way = "files and hooks" if version == "6.2" else "DSM's web API"
        assert f" copies by {way}, served at " in output
        assert nas.everywhere() == {leaf_of(new)}
        assert nas.services(nas.entry())[1:] == [
            "SynologyDrive/SynologyDrive",
            "smbftpd/ftpd",
            "system/default",
        ]
        assert nas.dsm.tree.default_id == nas.entry()
        assert "nothing to do" in nas.run()[1]
        found = json.loads(nas.run("status", "--json")[1])
        assert found["dsm"] == version
        assert found["certificates"][0]["ok"] is True
    assert len(nas.dsm.tree.info()) == 4
    for _ in range(2):
        code, output = nas.run("rollback")
        assert code == 0, output
    assert nas.served() == before
    assert nas.blog() == blog
    assert nas.dsm.tree.default_id == nas.dsm.synology_id


def test_keys_of_info_that_nobody_knows_stay(nas: Nas, secret: Secret, ca: Issuer) -> None:
    info = nas.dsm.tree.info()
    info[nas.dsm.synology_id]["more"] = {"x": 1}
    for service in info[nas.dsm.synology_id]["services"]:
        service["more"] = [1]
    nas.dsm.tree.write_info(info)
    secret.put_pair(issue(NAMES, issuer=ca))
    nas.serve(secret)
    assert nas.run()[0] == 0
    after = nas.dsm.tree.info()
    assert after[nas.dsm.synology_id]["more"] == {"x": 1}
    assert all(
        one["more"] == [1] for one in after[nas.entry()]["services"] if one["subscriber"] != "ReverseProxy"
    )


def test_a_subject_without_a_common_name(nas: Nas, secret: Secret, ca: Issuer) -> None:
    """As Let's Encrypt's tlsserver and shortlived profiles issue it."""
    new = issue(NAMES, issuer=ca, common_name="", days=6)
    secret.put_pair(new)
    nas.serve(secret)
    code, output = nas.run()
    assert code == 0, output
    assert nas.everywhere() == {leaf_of(new)}


class TestTheDualLayout:
    """DSM 7.3 keeps its own certificate twice, and without a cert.pem."""

    @pytest.fixture
    def version(self) -> str:
        return "7.3"

    def test_a_file_written_there_would_not_be_served(self, nas: Nas, secret: Secret, ca: Issuer) -> None:
        """Where the API refuses there, nothing is done by files."""
        nas.dsm.switch(refuse_import=5511)
        secret.put_pair(issue(NAMES, issuer=ca))
        nas.serve(secret, entry=nas.dsm.synology_id)
        served, before = nas.served(), nas.files()
        code, output = nas.run()
        assert code == 61, output
        assert "is in the dual layout of DSM 7.3, which only DSM's web API can change" in output
        assert nas.files() == before
        assert nas.served() == served

    def test_dsms_own_entry_can_be_replaced_in_place_and_comes_back(
        self, nas: Nas, secret: Secret, ca: Issuer
    ) -> None:
        new = issue(NAMES, issuer=ca)
        secret.put_pair(new)
        nas.serve(secret, entry=nas.dsm.synology_id)
        code, output = nas.run()
        assert code == 0, output
        assert nas.copies(nas.dsm.synology_id) == {leaf_of(new)}
        assert nas.served() == {leaf_of(new)}
        assert nas.run("rollback")[0] == 0
        assert leaf_of(new) not in nas.served()


class TestDsm62:
    """Whether DSM 6.2 has the web API is unsure: both are handled."""

    @pytest.fixture
    def dsm_options(self) -> dict[str, Any]:
        return {"version": "6.2", "recipe": False, "web_api": True}

    def test_the_web_api_is_used_where_it_is(self, nas: Nas, secret: Secret, ca: Issuer) -> None:
        new = issue(NAMES, issuer=ca)
        secret.put_pair(new)
        nas.serve(secret)
        code, output = nas.run()
        assert code == 0, output
        assert "copies by DSM's web API" in output
        assert nas.everywhere() == {leaf_of(new)}


class TestFilesAndLinks:
    """The file way keeps owner, mode, links and whatever else stands in a folder."""

    @pytest.fixture
    def dsm_options(self) -> dict[str, Any]:
        return {"version": "6.2"}

    def test_links_modes_and_other_files_stay(self, nas: Nas, secret: Secret, ca: Issuer) -> None:
        archive = nas.dsm.tree.archive / (nas.dsm.recipe_id or "")
        others = {
            path.name: path.read_bytes()
            for path in archive.iterdir()
            if path.name in ("renew.json", "short-chain.pem")
        }
        (archive / "cert.pem").rename(archive / "real.pem")
        (archive / "cert.pem").symlink_to("real.pem")
        (archive / "privkey.pem").chmod(0o440)
        new = issue(NAMES, issuer=ca)
        secret.put_pair(new)
        nas.serve(secret)
        code, output = nas.run()
        assert code == 0, output
        assert (archive / "cert.pem").is_symlink()
        assert (archive / "real.pem").read_bytes() == new.leaf
        assert (archive / "privkey.pem").stat().st_mode & 0o777 == 0o440
        assert (archive / "root.pem").is_symlink()
        assert {name: (archive / name).read_bytes() for name in others} == others

    def test_the_hooks_are_run(self, nas: Nas, secret: Secret, ca: Issuer) -> None:
        log = nas.dsm.tree.path("/var/log/certificate.d.log")
        log.unlink()
        secret.put_pair(issue(NAMES, issuer=ca))
        nas.serve(secret)
        assert nas.run()[0] == 0
        lines = log.read_text().splitlines()
        assert {"smbftpd ftpd", "SynologyDrive SynologyDrive"} <= set(lines)
        assert "system default" not in lines  # 6.2's own exits for it at once

    def test_a_broken_info_is_said_and_nothing_is_done(self, nas: Nas, secret: Secret, ca: Issuer) -> None:
        secret.put_pair(issue(NAMES, issuer=ca))
        nas.serve(secret)
        for text in ("{", "[]", '{"xoEBak": 7}'):
            write_file(nas.dsm.tree.archive / "INFO", text.encode())
            code, output = nas.run()
            assert code == 60, output
            assert f"{nas.dsm.tree.archive / 'INFO'} " in output
