"""Which of DSM's services serve our certificate, and which are left to their owner."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from local_cloud.dsm import packages
from local_cloud.dsm.issuing import Issuer, issue
from local_cloud.dsm.tree import Json
from local_cloud.processes import free_port
from tests.agent_documents import leaf_of
from tests.integration.agent_bench import BLOG, NAMES, NAVIDROME, Nas, Secret, key_of

OURS = ["ReverseProxy/navidrome", "SynologyDrive/SynologyDrive", "smbftpd/ftpd", "system/default"]


@pytest.fixture
def dsm_options() -> dict[str, Any]:
    """Before any recipe: every service is on DSM's own self-signed certificate, but one reverse proxy."""
    return {"recipe": False}


def services(nas: Nas, description: str = "example.com") -> list[str]:
    """Return what the entry serves, with a reverse proxy's first label in place of its UUID."""
    found = nas.dsm.tree.info()[nas.entry(description)]["services"]
    return sorted(
        f"ReverseProxy/{one['display_name'].partition('.')[0]}"
        if one["subscriber"] == "ReverseProxy"
        else key_of(one)
        for one in found
    )


def test_a_first_install_serves_everywhere_but_where_another_good_one_is(
    nas: Nas, secret: Secret, ca: Issuer
) -> None:
    """Field cases 6 and 8."""
    new, blog = issue(NAMES, issuer=ca), nas.blog()
    secret.put_pair(new)
    nas.serve(secret)
    imports = nas.replace_program("synowebapi", 'echo "$@" >>"$0.calls"\nexec "$real" "$@"')

    code, output = nas.run()

    assert code == 0, output
    assert services(nas) == OURS
    assert nas.everywhere() == {leaf_of(new)}
    assert nas.blog() == blog
    assert nas.dsm.tree.default_id == nas.entry()
    calls = imports.with_name("synowebapi.calls").read_text().splitlines()
    assert not [call for call in calls if "method=import" in call and "as_default" in call]
    # Now and after every later run.
    for _ in range(2):
        secret.put_pair(issue(NAMES, issuer=ca))
        assert nas.run()[0] == 0
        assert services(nas) == OURS
        assert nas.blog() == blog
    assert len(nas.dsm.tree.info()) == 4


def test_a_service_that_dsm_lost_is_bound_again_and_the_owners_choice_stays(
    nas: Nas, secret: Secret, ca: Issuer
) -> None:
    secret.put_pair(issue(NAMES, issuer=ca))
    nas.serve(secret)
    assert nas.run()[0] == 0
    info = nas.dsm.tree.info()
    by_key = {key_of(service): service for service in info[nas.entry()]["services"]}
    info[nas.entry()]["services"] = [
        service for key, service in by_key.items() if key not in ("smbftpd/ftpd", "system/default")
    ]
    info[nas.dsm.synology_id]["services"].append(by_key["system/default"])  # in Control Panel
    nas.dsm.tree.write_info(info)

    code, output = nas.run()

    assert code == 0, output
    assert "DSM lost it: FTPS is bound to nothing" in output
    assert nas.owner("smbftpd/ftpd") == nas.entry()
    assert nas.owner("system/default") == nas.dsm.synology_id


def test_an_entry_that_was_deleted_is_created_again_once(nas: Nas, secret: Secret, ca: Issuer) -> None:
    secret.put_pair(issue(NAMES, issuer=ca))
    nas.serve(secret)
    assert nas.run()[0] == 0
    info = nas.dsm.tree.info()
    info[nas.dsm.synology_id]["services"] += info.pop(nas.entry())["services"]
    nas.dsm.tree.default_id = nas.dsm.synology_id
    nas.dsm.tree.write_info(info)
    code, output = nas.run()
    assert code == 0, output
    assert "DSM lost it: its entry is gone" in output
    assert services(nas) == OURS
    assert "nothing to do" in nas.run()[1]


def test_an_entry_that_its_owner_renamed_stays_ours(nas: Nas, secret: Secret, ca: Issuer) -> None:
    secret.put_pair(issue(NAMES, issuer=ca))
    nas.serve(secret)
    assert nas.run()[0] == 0
    info = nas.dsm.tree.info()
    info[nas.entry()]["desc"] = "My certificate"
    nas.dsm.tree.write_info(info)
    new = issue(NAMES, issuer=ca)
    secret.put_pair(new)
    assert nas.run()[0] == 0
    assert nas.copies(nas.entry("My certificate")) == {leaf_of(new)}
    assert len(nas.dsm.tree.info()) == 4


@pytest.mark.parametrize(
    ("assign", "bound", "default"),
    [
        ("none", [], False),
        ("default", ["system/default"], True),
        (["FTPS", NAVIDROME], ["ReverseProxy/navidrome", "smbftpd/ftpd"], False),
        ("all", sorted([*OURS, "ReverseProxy/blog"]), True),
    ],
)
def test_an_explicit_assignment(
    nas: Nas, secret: Secret, ca: Issuer, assign: Any, bound: list[str], default: bool
) -> None:
    secret.put_pair(issue(NAMES, issuer=ca))
    nas.serve(secret, assign=assign)

    code, output = nas.run()

    assert code == 0, output
    assert services(nas) == bound
    assert (nas.dsm.tree.default_id == nas.entry()) is default
    for service in nas.dsm.tree.info()[nas.entry()]["services"]:
        assert f"  {service['display_name']} will be bound to it\n" in output
    assert "nothing to do" in nas.run()[1]


def test_an_assignment_that_changes_is_carried_out(nas: Nas, secret: Secret, ca: Issuer) -> None:
    secret.put_pair(issue(NAMES, issuer=ca))
    nas.serve(secret, assign="none")
    assert nas.run()[0] == 0
    nas.serve(secret)
    code, output = nas.run()
    assert code == 0, output
    assert "assign is 'auto' now" in output
    assert services(nas) == OURS


def test_an_unknown_service_is_named_with_those_that_there_are(nas: Nas, secret: Secret, ca: Issuer) -> None:
    secret.put_pair(issue(NAMES, issuer=ca))
    nas.serve(secret, assign=["SFTP"])
    before = nas.files()
    code, output = nas.run()
    assert code == 2, output
    assert (
        "assign lists 'SFTP', and DSM has 0 such services to be bound; it has DSM Desktop Service (system/"
        in output
    )
    assert nas.files() == before


def test_where_binding_lies_everything_goes_back(nas: Nas, secret: Secret, ca: Issuer) -> None:
    nas.dsm.switch(lie_on_bind=True)
    secret.put_pair(issue(NAMES, issuer=ca))
    nas.serve(secret)
    served, before = nas.served(), nas.services(nas.dsm.synology_id)
    code, output = nas.run()
    assert code == 61, output
    assert "DSM did not move DSM Desktop Service to entry " in output
    assert nas.served() == served
    assert nas.services(nas.dsm.synology_id) == before
    nas.dsm.switch(lie_on_bind=False)
    assert nas.run()[0] == 0
    assert services(nas) == OURS  # in the entry that the first run made
    assert len(nas.dsm.tree.info()) == 4


def test_services_that_dsm_moves_along_with_the_default_go_back(nas: Nas, secret: Secret, ca: Issuer) -> None:
    """One that serves another's name, on the self-signed certificate still, is not ours to take."""
    info = nas.dsm.tree.info()
    (blog,) = [key for key, entry in info.items() if entry["desc"] == BLOG]
    moved: list[Json] = info[blog]["services"]
    info[nas.dsm.synology_id]["services"] += moved
    info[blog]["services"] = []
    nas.dsm.tree.write_info(info)
    nas.dsm.tree.copy_to_service(nas.dsm.synology_id, moved[0])
    nas.dsm.reload()
    secret.put_pair(issue(NAMES, issuer=ca))
    nas.serve(secret)

    code, output = nas.run()

    assert code == 0, output
    assert f"DSM moved {key_of(moved[0])} along with the default" in output
    assert services(nas) == OURS
    assert nas.owner(key_of(moved[0])) == nas.dsm.synology_id


def test_two_certificates_have_their_own_entries_and_one_that_fails_does_not_stop_the_other(
    nas: Nas, secret: Secret, ca: Issuer
) -> None:
    new = issue([BLOG], issuer=ca)
    secret.put_pair(new)
    first = nas.wanted(secret)  # example.com, which the certificate is not good for
    second = {**nas.wanted(secret, BLOG, [BLOG]), "secret": f"{secret.arn}"}
    first["secret"] = f"{secret.arn[:-7]}"  # the same secret, by the name in its ARN
    nas.configure(first, second, credentials=secret.credentials)

    code, output = nas.run()

    assert code == 36, output
    assert (
        "example.com: FAILED: it is not good for example.com, *.example.com, only for blog.other.test"
        in output
    )
    assert f"{BLOG}: installed serial" in output
    assert nas.blog() == leaf_of(new)


class TestPackages:
    """Field cases 5 and 9."""

    @pytest.fixture
    def dsm_options(self) -> dict[str, Any]:
        return {"packages": ["WebStation", "VPNCenter", "DirectoryServer"]}

    def test_what_dsm_does_not_list_is_found_by_the_old_leaf(
        self, nas: Nas, secret: Secret, ca: Issuer
    ) -> None:
        new = issue(NAMES, issuer=ca)
        secret.put_pair(new)
        nas.serve(secret)
        assert packages.serves(nas.dsm.tree, "DirectoryServer", nas.old().leaf)
        (nas.dsm.tree.path("/var/packages/VPNCenter/running")).unlink()

        code, output = nas.run()

        assert code == 0, output
        assert nas.everywhere() == {leaf_of(new)}
        line = output.splitlines()[-2]
        assert "/usr/local/etc/certificate/WebStation/6c1f3a52-" in line
        portal = nas.dsm.tree.copy_folder(packages.PORTAL)
        assert {path.name: path.read_bytes() for path in portal.iterdir()} == new.files()
        keys = nas.dsm.tree.path(packages.OPENVPN_KEYS)
        assert {path.name: path.read_bytes() for path in keys.iterdir()} == {
            "server.crt": new.leaf,
            "server.key": new.key,
            "ca_bundle.crt": new.chain,
            "ca.crt": new.chain,
        }
        # Only what is running is restarted.
        assert packages.serves(nas.dsm.tree, "DirectoryServer", new.leaf)
        assert "DirectoryServer restarted" in line
        assert "VPNCenter restarted" not in line
        # The virtual host, whose display name has line breaks, is a word of one line.
        assert "site:80 /443" in nas.run("status")[1]
        assert nas.services(nas.dsm.quickconnect_id) == ["system/quickconnect"]

    def test_a_copy_whose_key_is_another_is_left_and_named(
        self, nas: Nas, secret: Secret, ca: Issuer
    ) -> None:
        secret.put_pair(issue(NAMES, issuer=ca))
        nas.serve(secret)
        keys = nas.dsm.tree.path(packages.OPENVPN_KEYS)
        (keys / "server.key").chmod(0o600)
        (keys / "server.key").write_bytes(issue(NAMES, issuer=ca).key)
        before = {path: path.read_bytes() for path in keys.iterdir()}
        code, output = nas.run()
        assert code == 0, output
        assert f"NOT renewed: {packages.OPENVPN_KEYS}" in output
        assert {path: path.read_bytes() for path in keys.iterdir()} == before

    def test_they_go_back_with_a_failed_install(self, nas: Nas, secret: Secret, ca: Issuer) -> None:
        secret.put_pair(issue(NAMES, issuer=ca))
        nas.serve(secret)
        nas.dsm.switch(fail_reload=True)
        keys = nas.dsm.tree.path(packages.OPENVPN_KEYS)
        before = {path: path.read_bytes() for path in keys.iterdir()}
        assert nas.run()[0] == 61
        assert {path: path.read_bytes() for path in keys.iterdir()} == before


def test_a_rule_that_gives_no_answer_before_need_not_give_one_after(
    nas: Nas, secret: Secret, ca: Issuer
) -> None:
    """One that is switched off, say: DSM lists a port on which nothing answers."""
    port = nas.dsm.proxy_ports[NAVIDROME]
    off = f'"$real" "$@" | sed "s/: {port}/: {free_port()}/"; exit'
    off = f'case "$*" in *AppPortal.ReverseProxy*) {off};; esac'
    nas.replace_program("synowebapi", f'{off}\nexec "$real" "$@"')
    new = issue(NAMES, issuer=ca)
    secret.put_pair(new)
    nas.serve(secret)

    code, output = nas.run()

    assert code == 0, output
    assert nas.everywhere() == {leaf_of(new)}
    assert "nothing to do" in nas.run()[1]


def test_a_copy_that_there_is_not_keeps_nobody_from_an_install(nas: Nas, secret: Secret, ca: Issuer) -> None:
    """As of a package that was removed, and stands in INFO still."""
    secret.put_pair(issue(NAMES, issuer=ca))
    nas.serve(secret)
    assert nas.run()[0] == 0
    shutil.rmtree(nas.dsm.root / "usr/local/etc/certificate/SynologyDrive")
    assert "nothing to do" in nas.run()[1]
