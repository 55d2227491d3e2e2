"""`status`, `check`, `rollback` and `--dry-run`, as a person and set-up use them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_cloud.dsm.issuing import Issuer, issue
from synology_agent import __version__
from tests.agent_documents import leaf_of
from tests.integration.agent_bench import BLOG, NAMES, Nas, Secret

STATUS_FIELDS = {
    *("name", "names", "entry", "problem", "serial", "fingerprint", "issuer", "not_after", "days_left"),
    *("held", "unfinished", "serves", "last_run", "ok"),
}


def status(nas: Nas) -> tuple[int, dict[str, Any]]:
    code, output = nas.run("status", "--json")
    found: dict[str, Any] = json.loads(output)
    return code, found


def test_status_before_during_and_after(nas: Nas, secret: Secret, ca: Issuer) -> None:
    nas.serve(secret)
    code, found = status(nas)
    assert code == 10
    assert set(found) == {"agent", "dsm", "python", "way", "certificates", "other_services"}
    assert (found["agent"], found["dsm"], found["way"]) == (__version__, "7.2", "DSM's web API")
    (one,) = found["certificates"]
    assert set(one) == STATUS_FIELDS
    assert (one["ok"], one["serial"], one["last_run"]) == (False, "", None)
    assert "nothing of ours is installed yet" in nas.run("status")[1]

    new = issue(NAMES, issuer=ca)
    secret.put_pair(new)
    assert nas.run()[0] == 0
    code, found = status(nas)
    (one,) = found["certificates"]
    assert code == 0
    assert one["ok"] is True
    assert one["fingerprint"] == leaf_of(new)
    assert 88 < one["days_left"] <= 90
    assert one["entry"] == {"id": nas.dsm.recipe_id, "description": "example.com", "default": True}
    assert one["last_run"]["exit_code"] == 0
    assert one["last_run"]["line"].startswith("installed serial ")
    serves = {service["service"]: service for service in one["serves"]}
    assert serves["system/default"]["ports"] == [str(nas.dsm.https_port)]
    assert all(service["ok"] for service in serves.values())
    assert BLOG in [service["name"] for service in found["other_services"]]
    text = nas.run("status")[1]
    for words in ("example.com: installed and served", "by Simulated Intermediate", "exit code 0", BLOG):
        assert words in text

    nas.dsm.tree.write_pair(nas.dsm.recipe_id or "", issue(NAMES, issuer=ca))
    (ftps,) = [one for one in nas.dsm.tree.services() if one["subscriber"] == "smbftpd"]
    nas.dsm.tree.copy_to_service(nas.dsm.recipe_id or "", ftps)
    code, found = status(nas)
    assert code == 60
    assert [one["name"] for one in found["certificates"][0]["serves"] if not one["ok"]] == ["FTPS"]
    assert "FTPS  <- another certificate" in nas.run("status")[1]


def test_status_of_an_ambiguous_entry_says_so(nas: Nas, secret: Secret, ca: Issuer) -> None:
    for name in ("www.example.com", "nas.example.com"):
        nas.dsm.add_entry("twin", issue([name], issuer=ca))
    nas.serve(secret, entry="twin")
    code, output = nas.run("status")
    assert code == 10
    assert "several certificates of that description" in output
    assert "entry        none yet" in output


def test_check_tries_everything_and_changes_nothing(nas: Nas, secret: Secret, ca: Issuer) -> None:
    secret.put_pair(issue(NAMES, issuer=ca))
    nas.serve(secret)
    before = nas.files()

    code, output = nas.run("check")

    assert code == 0, output
    assert nas.files() == before
    assert not nas.state("*")
    assert nas.proxy.operations == ["DescribeSecret", "GetSecretValue"]
    for words in (
        "of the system, and 'Simulated Root' by ca_file",
        "release        DSM 7.2",
        f"entry {nas.dsm.recipe_id} ('example.com')",
        "is fit to be served",
        "a run would bind nothing",
        "clock ",
    ):
        assert words in output
    assert "FAIL" not in output


def test_check_goes_on_after_a_failure_and_exits_with_the_worst(nas: Nas, secret: Secret, ca: Issuer) -> None:
    secret.put_pair(issue(["other.test"], issuer=ca))
    nas.serve(secret)
    nas.dsm.tree.path("/etc.defaults/VERSION").write_text("")
    code, output = nas.run("check")
    assert code == 60, output
    assert "FAIL  dsm " in output
    assert "FAIL  example.com    it is not good for example.com" in output
    nas.config.chmod(0o644)
    assert nas.run("check")[0] == 2
    nas.config.chmod(0o600)
    nas.configure(nas.wanted(secret), credentials=secret.credentials, ca_file="/none")
    code, output = nas.run("check")
    assert "FAIL  roots          ca_file is '/none'" in output


def test_check_warns_of_what_is_not_issued_and_of_a_new_release(nas: Nas, secret: Secret) -> None:
    nas.serve(secret)
    version = nas.dsm.tree.path("/etc.defaults/VERSION")
    version.write_text(version.read_text().replace('majorversion="7"', 'majorversion="8"'))
    code, output = nas.run("check")
    assert code == 10, output
    assert "warn  release        DSM 8.2: this agent was made for 6.2 to 7.3" in output
    assert "warn  example.com    nothing is issued yet" in output


def test_a_dry_run_changes_nothing(nas: Nas, secret: Secret, ca: Issuer) -> None:
    secret.put_pair(issue(NAMES, issuer=ca))
    nas.serve(secret, assign="all")
    before = nas.files()
    code, output = nas.run("run", "--dry-run")
    assert code == 0, output
    assert (
        f"into entry {nas.dsm.recipe_id} ('example.com'), and bind {BLOG}, and make it the default" in output
    )
    assert nas.files() == before
    assert nas.is_clean()
    assert not nas.state("*.json")


def test_a_rollback_holds_the_serial_back_until_a_newer_one_or_force(
    nas: Nas, secret: Secret, ca: Issuer
) -> None:
    nas.serve(secret)
    old, bad, better = (issue(NAMES, issuer=ca) for _ in range(3))
    for pair in (old, bad):
        secret.put_pair(pair)
        assert nas.run()[0] == 0

    code, output = nas.run("rollback", "example.com")
    assert code == 0, output
    assert "is held back until a newer one comes, or `run --force`" in output
    assert nas.everywhere() == {leaf_of(old)}
    nas.proxy.operations.clear()
    code, output = nas.run("run")
    assert code == 0, output
    assert "nothing to do" in output
    assert "is held back since a rollback" in output
    assert nas.proxy.operations == ["DescribeSecret"]

    secret.put_pair(bad)  # as a new version
    code, output = nas.run("run")
    assert code == 0, output
    assert "is held back since a rollback, until a newer one" in output
    assert nas.everywhere() == {leaf_of(old)}
    assert nas.run("run", "--force")[0] == 0
    assert nas.everywhere() == {leaf_of(bad)}
    assert nas.run("rollback")[0] == 0
    secret.put_pair(better)
    assert nas.run("run")[0] == 0
    assert nas.everywhere() == {leaf_of(better)}
    assert "held" not in nas.run("run")[1]


def test_a_rollback_needs_something_to_go_back_to(nas: Nas, secret: Secret) -> None:
    nas.serve(secret)
    code, output = nas.run("rollback")
    assert code == 2
    assert "example.com: nothing to put back" in output
    code, output = nas.run("rollback", "other.test")
    assert code == 2
    assert "NAME is 'other.test', and one of these is wanted: example.com" in output


def test_a_rollback_to_what_has_expired_needs_force(nas: Nas, secret: Secret, ca: Issuer) -> None:
    expired = issue(NAMES, issuer=ca, days=0)
    nas.dsm.tree.write_pair(nas.dsm.recipe_id or "", expired)
    nas.serve(secret)
    new = issue(NAMES, issuer=ca)
    secret.put_pair(new)
    assert nas.run()[0] == 0
    code, output = nas.run("rollback")
    assert code == 2
    assert "`rollback --force` puts it back all the same" in output
    assert nas.everywhere() == {leaf_of(new)}
    assert nas.run("rollback", "--force")[0] == 0
    assert nas.copies() == {leaf_of(expired)}


@pytest.mark.parametrize("failing", ["fail_reload"])
def test_a_rollback_that_is_not_served_is_said(nas: Nas, secret: Secret, ca: Issuer, failing: str) -> None:
    nas.serve(secret)
    secret.put_pair(issue(NAMES, issuer=ca))
    assert nas.run()[0] == 0
    nas.dsm.switch(**{failing: True})
    code, output = nas.run("rollback")
    assert code == 70
    assert "Look at Control Panel > Security > Certificate now" in output


def test_a_rollback_goes_back_behind_a_repeated_install(nas: Nas, secret: Secret, ca: Issuer) -> None:
    old, new = issue(NAMES, issuer=ca), issue(NAMES, issuer=ca)
    nas.serve(secret)
    for pair in (old, new):
        secret.put_pair(pair)
        assert nas.run()[0] == 0
    assert nas.run("run", "--force")[0] == 0
    code, output = nas.run("rollback")
    assert code == 0, output
    assert nas.everywhere() == {leaf_of(old)}


class TestWithoutRecipe:
    @pytest.fixture
    def dsm_options(self) -> dict[str, Any]:
        return {"recipe": False}

    def test_a_rollback_leaves_what_its_owner_bound_since(self, nas: Nas, secret: Secret, ca: Issuer) -> None:
        secret.put_pair(issue(NAMES, issuer=ca))
        nas.serve(secret)
        assert nas.run()[0] == 0
        other = nas.dsm.add_entry("other", issue(["ftp.example.com"], issuer=ca))
        info = nas.dsm.tree.info()
        (ftps,) = [one for one in info[nas.entry()]["services"] if one["subscriber"] == "smbftpd"]
        info[nas.entry()]["services"].remove(ftps)
        info[other]["services"].append(ftps)
        nas.dsm.tree.write_info(info)
        code, output = nas.run("rollback")
        assert code == 0, output
        assert nas.owner("smbftpd/ftpd") == other
        assert nas.owner("system/default") == nas.dsm.synology_id
        # A newer certificate takes again what was given back, into the entry that is there.
        secret.put_pair(issue(NAMES, issuer=ca))
        assert nas.run()[0] == 0
        assert nas.owner("system/default") == nas.entry()
