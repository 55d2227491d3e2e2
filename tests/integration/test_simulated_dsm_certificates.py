"""Import and binding have each quirk that public tools and their authors measured on real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from local_cloud.dsm import SimulatedDsm
from local_cloud.dsm.issuing import Issuer, issue, make_issuer
from local_cloud.dsm.tree import Pair
from tests.integration.dsm_bench import (
    api,
    bind,
    code,
    copies,
    fingerprint,
    import_pair,
    lay_out,
    listed,
    pair_of,
    services_of,
    stage,
)


@pytest.fixture
def dsm(tmp_path: Path, nginx: Path, ca: Issuer) -> SimulatedDsm:
    return lay_out(tmp_path, nginx, ca)


# Import


def test_import_without_id_is_a_new_entry_that_serves_nothing(dsm: SimulatedDsm, ca: Issuer) -> None:
    answer = import_pair(dsm, *stage(dsm, issue(["example.com"], issuer=ca)), 'desc="new"')
    assert answer["success"] is True
    assert services_of(dsm, answer["data"]["id"]) == {}
    assert dsm.tree.default_id == dsm.recipe_id


@pytest.mark.parametrize("key_type", ["rsa", "ec"])
def test_import_in_place_keeps_bindings_and_writes_each_copy(
    dsm: SimulatedDsm, ca: Issuer, key_type: Any
) -> None:
    before = services_of(dsm, dsm.recipe_id)
    pair = issue(["example.com"], issuer=ca, key_type=key_type)
    answer = import_pair(dsm, *stage(dsm, pair), f'id="{dsm.recipe_id}"', 'desc="example.com"')
    assert answer["data"]["id"] == dsm.recipe_id
    assert services_of(dsm, dsm.recipe_id) == before
    assert copies(dsm, dsm.recipe_id) == {fingerprint(pair.leaf)}
    assert (dsm.tree.archive / str(dsm.recipe_id) / "renew.json").exists()
    assert dsm.tree.info()[str(dsm.recipe_id)]["renew_info"] == {"retry": 0}
    hooks = dsm.tree.path("/var/log/certificate.d.log").read_text()
    assert hooks.endswith("".join(f"{s['subscriber']} {s['service']}\n" for s in before.values()))


def test_a_bare_true_is_an_illegal_key_file_and_a_json_string_moves_services(
    dsm: SimulatedDsm, ca: Issuer
) -> None:
    """as_default=true: 5511 though the key is fine; "true": services move in the same call (field case 8)."""
    staged = stage(dsm, issue(["example.com"], issuer=ca))
    assert code(import_pair(dsm, *staged, 'desc="new"', "as_default=true")) == 5511
    answer = import_pair(dsm, *staged, 'desc="new"', 'as_default="true"')
    assert dsm.tree.default_id == answer["data"]["id"]
    assert "system/default" in services_of(dsm, answer["data"]["id"])
    assert services_of(dsm, dsm.recipe_id) == {}
    assert "system/quickconnect" in services_of(dsm, dsm.quickconnect_id)


def test_an_unquoted_id_that_reads_as_a_number_is_not_found(dsm: SimulatedDsm, ca: Issuer) -> None:
    """An id like 8ec29f37 is otherwise a number in scientific notation."""
    dsm.tree.write_info({**dsm.tree.info(), "8ec29f37": {"desc": "odd", "services": []}})
    staged = stage(dsm, issue(["example.com"], issuer=ca))
    assert code(import_pair(dsm, *staged, "id=8ec29f37", 'desc="odd"')) == 5500
    assert import_pair(dsm, *staged, 'id="8ec29f37"', 'desc="odd"')["success"] is True
    assert code(import_pair(dsm, *staged, 'id="absent"', 'desc="odd"')) == 5500


def test_bad_pairs_are_refused_by_their_codes(dsm: SimulatedDsm, ca: Issuer) -> None:
    good, foreign = issue(["example.com"], issuer=ca), issue(["example.com"], issuer=make_issuer("Other"))
    before = dsm.tree.info()
    bad = {
        5510: Pair(b"no certificate", good.chain, good.key),
        5511: Pair(good.leaf, good.chain, b"no key"),
        5512: Pair(good.leaf, b"no certificate", good.key),
        5513: Pair(good.leaf, foreign.chain, good.key),
        5514: Pair(good.leaf, good.chain, foreign.key),
    }
    for error, pair in bad.items():
        assert code(import_pair(dsm, *stage(dsm, pair), 'desc="new"')) == error
    assert code(import_pair(dsm, *stage(dsm, Pair(good.leaf, b"", good.key)), 'desc="new"')) == 5513
    assert dsm.tree.info() == before


def test_files_in_tmp_are_not_seen_unless_switched(dsm: SimulatedDsm, ca: Issuer) -> None:
    """One source finds files in /tmp fine on 7.3, another says that there is a private /tmp on 7.2.2."""
    staged = stage(dsm, issue(["example.com"], issuer=ca), "/tmp/stage")
    assert code(import_pair(dsm, *staged, 'desc="new"')) == 5511
    dsm.switch(private_tmp=False)
    assert import_pair(dsm, *staged, 'desc="new"')["success"] is True


def test_a_path_with_an_asterisk_is_refused(dsm: SimulatedDsm, ca: Issuer) -> None:
    """Reported on 7.2.2: a wildcard certificate puts one in every path of acme.sh."""
    staged = stage(dsm, issue(["*.example.com"], issuer=ca), "/usr/syno/etc/*.example.com")
    assert code(import_pair(dsm, *staged, 'desc="new"')) == 5511


def test_success_is_no_proof(dsm: SimulatedDsm, ca: Issuer) -> None:
    before = pair_of(dsm, dsm.recipe_id)
    staged = stage(dsm, issue(["example.com"], issuer=ca))
    dsm.switch(lie_on_import=True)
    assert import_pair(dsm, *staged, f'id="{dsm.recipe_id}"', 'desc="example.com"')["success"] is True
    assert pair_of(dsm, dsm.recipe_id) == before
    dsm.switch(lie_on_import=False, refuse_import=5510)
    assert code(import_pair(dsm, *staged, 'desc="new"')) == 5510
    with pytest.raises(TypeError):
        dsm.switch(lie_on_everything=True)


# Binding


def test_binding_moves_a_service_and_its_copy(dsm: SimulatedDsm) -> None:
    service = services_of(dsm, dsm.recipe_id)["smbftpd/ftpd"]
    answer = bind(dsm, {"service": service, "old_id": dsm.recipe_id, "id": dsm.synology_id})
    assert answer["success"] is True
    assert "smbftpd/ftpd" in services_of(dsm, dsm.synology_id)
    assert "smbftpd/ftpd" not in services_of(dsm, dsm.recipe_id)
    copy = dsm.tree.copy_folder(service) / "cert.pem"
    assert copy.read_bytes() == pair_of(dsm, dsm.synology_id).leaf


@pytest.mark.parametrize("mistake", ["same owner", "stale old_id"])
def test_a_needless_or_stale_assignment_clears_the_binding(dsm: SimulatedDsm, mistake: str) -> None:
    service = services_of(dsm, dsm.recipe_id)["smbftpd/ftpd"]
    old, new = (dsm.recipe_id, dsm.recipe_id) if mistake == "same owner" else ("", dsm.synology_id)
    assert bind(dsm, {"service": service, "old_id": old, "id": new})["success"] is True
    assert dsm.tree.owner_of("smbftpd", "ftpd") is None
    assert service not in [one for entry in listed(dsm).values() for one in entry["services"]]
    assert bind(dsm, {"service": service, "old_id": "", "id": new})["success"] is True
    assert dsm.tree.owner_of("smbftpd", "ftpd") == new


def test_quickconnect_and_unsettable_services_stay_silently(dsm: SimulatedDsm) -> None:
    """system/quickconnect is refused silently (success, no change); user_setable false is left alone."""
    quickconnect = services_of(dsm, dsm.quickconnect_id)["system/quickconnect"]
    kmip = services_of(dsm, dsm.synology_id)["kmip/kmip"]
    before = dsm.tree.info()
    answer = bind(
        dsm,
        {"service": quickconnect, "old_id": dsm.quickconnect_id, "id": dsm.recipe_id},
        {"service": kmip, "old_id": dsm.synology_id, "id": dsm.recipe_id},
    )
    assert answer["success"] is True
    assert dsm.tree.info() == before


def test_a_bad_assignment_is_refused(dsm: SimulatedDsm) -> None:
    partial = {"subscriber": "smbftpd", "service": "ftpd"}
    assert code(bind(dsm, {"service": partial, "old_id": dsm.recipe_id, "id": dsm.synology_id})) == 5503
    assert code(bind(dsm)) == 5503
    whole = services_of(dsm, dsm.recipe_id)["smbftpd/ftpd"]
    assert code(bind(dsm, {"service": whole, "old_id": dsm.recipe_id, "id": "absent"})) == 5503


def test_binding_can_lie(dsm: SimulatedDsm) -> None:
    dsm.switch(lie_on_bind=True)
    service = services_of(dsm, dsm.recipe_id)["smbftpd/ftpd"]
    assert bind(dsm, {"service": service, "old_id": dsm.recipe_id, "id": dsm.synology_id})["success"] is True
    assert dsm.tree.owner_of("smbftpd", "ftpd") == dsm.recipe_id


def test_the_default_can_be_set_by_itself(dsm: SimulatedDsm) -> None:
    answer = api(
        dsm,
        "api=SYNO.Core.Certificate.CRT",
        "method=set",
        "version=1",
        f'id="{dsm.synology_id}"',
        'desc=""',
        'as_default="true"',
    )
    assert answer["success"] is True
    assert listed(dsm)[dsm.synology_id]["is_default"] is True
