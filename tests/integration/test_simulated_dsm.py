"""The simulated DSM's files, and how it is called, are as public tools and their authors measured them."""

from __future__ import annotations

import json
import ssl
import stat
import time
from pathlib import Path

import pytest

from local_cloud.dsm import SimulatedDsm
from local_cloud.dsm.issuing import Issuer, issue
from tests.integration.dsm_bench import (
    VHOST,
    api,
    code,
    import_pair,
    lay_out,
    listed,
    pair_of,
    run,
    serves,
    services_of,
    stage,
)


@pytest.fixture
def dsm(tmp_path: Path, nginx: Path, ca: Issuer) -> SimulatedDsm:
    return lay_out(tmp_path, nginx, ca)


# The files


def test_the_archive_is_as_on_a_nas(dsm: SimulatedDsm) -> None:
    """One folder per certificate, named by a random 6-character id; keys readable by their owner only."""
    assert dsm.recipe_id
    assert len(dsm.recipe_id) == 6
    assert dsm.tree.default_id == dsm.recipe_id
    folder = dsm.tree.archive / dsm.recipe_id
    assert {"cert.pem", "chain.pem", "fullchain.pem", "privkey.pem", "renew.json"} <= {
        file.name for file in folder.iterdir()
    }
    for key in dsm.root.rglob("privkey.pem"):
        assert stat.S_IMODE(key.stat().st_mode) in {0o400, 0o600}
    services = services_of(dsm, dsm.recipe_id)
    assert {"system/default", "smbftpd/ftpd", "SynologyDrive/SynologyDrive"} <= services.keys()
    assert "user_setable" not in services["smbftpd/ftpd"]
    assert 'productversion="7.2.2"' in (dsm.root / "etc.defaults/VERSION").read_text()


def test_copies_of_packages_are_below_usr_local(dsm: SimulatedDsm) -> None:
    """isPkg false: /usr/syno/etc/certificate/<subscriber>/<service>/, true: /usr/local/etc/certificate/..."""
    assert (dsm.root / "usr/local/etc/certificate/SynologyDrive/SynologyDrive/cert.pem").exists()
    assert (dsm.root / "usr/syno/etc/certificate/system/default/cert.pem").exists()


def test_a_nas_before_the_recipe_has_everything_on_its_self_signed_entry(tmp_path: Path, nginx: Path) -> None:
    """Field case 6."""
    dsm = SimulatedDsm(tmp_path / "nas", nginx=nginx, recipe=False).create()
    assert dsm.recipe_id is None
    assert dsm.tree.default_id == dsm.synology_id
    assert "system/default" in services_of(dsm, dsm.synology_id)
    with dsm:
        assert serves(dsm.https_port, "any", pair_of(dsm, dsm.synology_id))


# synowebapi: how it is called and how it answers


def test_progress_goes_to_stderr_and_holds_a_brace(dsm: SimulatedDsm) -> None:
    """Progress lines go to stderr: merged into stdout, the first `{` is not the answer's."""
    done = run(
        dsm, "synowebapi", "--exec-fastwebapi", "api=SYNO.Core.Certificate.CRT", "method=list", "version=1"
    )
    assert "[Line 295] Exec WebAPI:" in done.stderr
    assert "{" in done.stderr
    assert json.loads(done.stdout)["success"] is True
    assert len(done.stdout.splitlines()) > 10


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        (["api=SYNO.Core.Nothing", "method=list", "version=1"], 102),
        (["api=SYNO.Core.Certificate.CRT", "method=nothing", "version=1"], 103),
        (["api=SYNO.Core.Certificate.Service", "method=get", "version=1"], 103),  # 7.3.2, field case 10
        (["api=SYNO.Core.Certificate.CRT", "method=list", "version=9"], 104),
    ],
)
def test_what_there_is_not(dsm: SimulatedDsm, parameters: list[str], error: int) -> None:
    assert code(api(dsm, *parameters)) == error


def test_one_call_is_quick(dsm: SimulatedDsm) -> None:
    began = time.monotonic()
    listed(dsm)
    assert time.monotonic() - began < 1


def test_the_list_has_the_documented_shape(dsm: SimulatedDsm) -> None:
    entries = listed(dsm)
    ours = entries[str(dsm.recipe_id)]
    assert ours["is_default"] is True
    assert ours["is_broken"] is False
    assert ours["desc"] == "example.com"
    assert ours["subject"]["common_name"] == "example.com"
    assert ours["subject"]["sub_alt_name"] == ["example.com", "*.example.com"]
    assert ours["issuer"]["common_name"] == "Simulated Intermediate"
    assert ours["signature_algorithm"]
    begin, end = (ssl.cert_time_to_seconds(ours[name]) for name in ("valid_from", "valid_till"))
    assert begin < time.time() < end
    assert entries[dsm.quickconnect_id]["user_deletable"] is False
    assert VHOST in ours["services"]


def test_a_leaf_without_a_common_name_has_an_empty_one(dsm: SimulatedDsm, ca: Issuer) -> None:
    """Let's Encrypt's tlsserver and shortlived: users report an empty "Issued to"."""
    pair = issue(["example.com"], issuer=ca, common_name="")
    entry_id = import_pair(dsm, *stage(dsm, pair), 'desc="new"')["data"]["id"]
    assert listed(dsm)[entry_id]["subject"] == {"common_name": "", "sub_alt_name": ["example.com"]}
