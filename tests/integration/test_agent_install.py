"""A certificate is installed and proven, or what was served before stays: the agent on a DSM 7.2."""

from __future__ import annotations

import json
import signal
import stat
from pathlib import Path
from typing import Any

import pytest

from local_cloud.dsm.issuing import Issuer, issue
from local_cloud.dsm.switches import Fault
from local_cloud.dsm.tree import Pair
from tests.agent_documents import leaf_of
from tests.integration.agent_bench import NAMES, Nas, Secret


@pytest.mark.parametrize("key_type", ["ec", "rsa"])
def test_a_new_certificate_is_in_every_copy_and_on_every_port(
    nas: Nas, secret: Secret, ca: Issuer, key_type: Any
) -> None:
    nas.dsm.switch(no_reload=True)  # field case 7: DSM leaves nginx on the old leaf
    new = issue(NAMES, issuer=ca, key_type=key_type)
    version = secret.put_pair(new)
    before = nas.files()
    nas.serve(secret)

    code, output = nas.run()

    assert code == 0, output
    assert nas.everywhere() == {leaf_of(new)}
    assert "nginx serves another leaf at port " in output
    assert "after a reload of nginx" in output
    assert output.count("\nexample.com: installed serial ") == 1
    assert nas.proxy.operations == ["DescribeSecret", "GetSecretValue"]
    (record,) = nas.state("installed.json")
    assert json.loads(record.read_text())["version"] == version
    assert nas.is_clean()
    # Nothing of other certificates was touched, and what DSM has beside its own files stayed.
    changed = {path for path, content in nas.files().items() if before.get(path) != content}
    recipe = nas.dsm.tree.info()[nas.dsm.recipe_id or ""]
    folders = {
        f"usr/syno/etc/certificate/_archive/{nas.dsm.recipe_id}",
        *(
            nas.dsm.tree.copy_folder(service).relative_to(nas.dsm.root).as_posix()
            for service in recipe["services"]
        ),
    }
    made = ("usr/syno/etc/www/certificate/", "etc/nginx/")
    assert {path.rpartition("/")[0] for path in changed if not path.startswith(made)} == folders
    # The key is in DSM's own files and nowhere else, and only their owner may read them.
    line = new.key.decode().splitlines()[1]
    holders = [path for path in nas.dsm.root.rglob("*") if path.is_file() and line in text_of(path)]
    assert len(holders) >= len(folders)
    for path in holders:
        place = path.relative_to(nas.dsm.root).as_posix()
        assert place.startswith((*folders, "usr/syno/etc/www/certificate/")), place
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, place


def text_of(path: Path) -> str:
    return path.read_bytes().decode("latin-1")


def test_what_is_installed_already_costs_one_call_and_changes_nothing(
    nas: Nas, secret: Secret, ca: Issuer
) -> None:
    secret.put_pair(issue(NAMES, issuer=ca))
    nas.serve(secret, entry="example.com")  # by its description
    assert nas.run()[0] == 0
    before, record = nas.files(), nas.state("installed.json")[0].read_bytes()
    nas.proxy.operations.clear()

    code, output = nas.run()

    assert code == 0, output
    assert "example.com: nothing to do, good until " in output
    assert nas.proxy.operations == ["DescribeSecret"]
    assert nas.files() == before
    assert nas.state("installed.json")[0].read_bytes() == record


def test_what_dsm_lost_is_installed_again(nas: Nas, secret: Secret, ca: Issuer) -> None:
    new = issue(NAMES, issuer=ca)
    secret.put_pair(new)
    nas.serve(secret)
    old = nas.old()
    assert nas.run()[0] == 0
    nas.dsm.tree.write_pair(nas.dsm.recipe_id or "", old)

    code, output = nas.run()

    assert code == 0, output
    assert f"DSM lost it: {nas.dsm.tree.archive / (nas.dsm.recipe_id or '')}" in output
    assert nas.everywhere() == {leaf_of(new)}


def test_a_renewed_certificate_follows(nas: Nas, secret: Secret, ca: Issuer) -> None:
    nas.serve(secret)
    for new in (issue(NAMES, issuer=ca), issue(NAMES, issuer=ca), issue(NAMES, issuer=ca, key_type="rsa")):
        secret.put_pair(new)
        assert nas.run()[0] == 0
        assert nas.everywhere() == {leaf_of(new)}
    assert len(nas.dsm.tree.info()) == 4  # no entry was added
    assert nas.dsm.tree.default_id == nas.dsm.recipe_id


def test_the_last_three_that_were_replaced_are_kept_for_their_owner_alone(
    nas: Nas, secret: Secret, ca: Issuer
) -> None:
    nas.serve(secret)
    replaced = [nas.old()]
    for _ in range(5):
        replaced.append(issue(NAMES, issuer=ca))
        secret.put_pair(replaced[-1])
        assert nas.run()[0] == 0
    kept = nas.state("backups/*")
    assert [(folder / "privkey.pem").read_bytes() for folder in kept] == [pair.key for pair in replaced[2:5]]
    for folder in kept:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())


def test_an_install_that_cannot_be_remembered_says_that_it_is_served(
    nas: Nas, secret: Secret, ca: Issuer
) -> None:
    new = issue(NAMES, issuer=ca)
    secret.put_pair(new)
    nas.serve(secret)
    assert nas.run()[0] == 0
    (record,) = nas.state("installed.json")
    record.unlink()
    (record / "in the way").mkdir(parents=True)

    code, output = nas.run()

    assert code == 1, output
    assert "is installed and served, which could not be remembered: " in output
    assert nas.everywhere() == {leaf_of(new)}


# DSM does not do as it says


@pytest.mark.parametrize(
    ("switches", "words"),
    [
        ({"lie_on_import": True}, "did not change, though DSM said so. What was served before is back"),
        ({"fail_reload": True}, "Job for nginx.service failed"),
    ],
)
def test_where_dsm_fails_the_old_pair_stays_served(
    nas: Nas, secret: Secret, ca: Issuer, switches: dict[str, Any], words: str
) -> None:
    nas.dsm.switch(**switches)
    new = issue(NAMES, issuer=ca)
    secret.put_pair(new)
    nas.serve(secret)
    old, before = nas.old(), nas.files()

    code, output = nas.run()

    assert code == 61, output
    assert words in output
    assert "Nothing of ours was installed before; what DSM serves stays" in output
    assert nas.old() == old
    assert nas.everywhere() == {leaf_of(old)}
    assert nas.is_clean()
    assert not nas.state("installed.json")
    assert not nas.state("backups/*")
    if "fail_reload" not in switches:
        assert nas.files() == before
    nas.dsm.switch(lie_on_import=False, fail_reload=False)
    assert nas.run()[0] == 0
    assert nas.everywhere() == {leaf_of(new)}


@pytest.mark.parametrize(("lies", "code"), [(1, 0), (2, 61)])
def test_a_reload_that_had_no_effect_is_asked_for_once_more(
    nas: Nas, secret: Secret, ca: Issuer, lies: int, code: int
) -> None:
    """DSM leaves nginx on the old leaf, and says so often that it reloaded it."""
    nas.dsm.switch(no_reload=True, faults={"systemctl:reload": Fault("lie", calls=lies)})
    new = issue(NAMES, issuer=ca)
    secret.put_pair(new)
    nas.serve(secret)
    old = nas.old()

    ended, output = nas.run()

    assert ended == code, output
    assert nas.everywhere() == {leaf_of(old if code else new)}
    assert output.count("nginx serves another leaf at port ") == 2
    assert ("nginx was reloaded, and serves another leaf" in output) is bool(code)


@pytest.mark.parametrize("error", [5511, 5513, 105])
def test_where_the_api_refuses_files_are_the_way(nas: Nas, secret: Secret, ca: Issuer, error: int) -> None:
    nas.dsm.switch(refuse_import=error)
    new = issue(NAMES, issuer=ca)
    secret.put_pair(new)
    nas.serve(secret)

    code, output = nas.run()

    assert code == 0, output
    assert f"by files and hooks, since DSM refused SYNO.Core.Certificate import: error {error}" in output
    assert nas.everywhere() == {leaf_of(new)}


def test_an_old_pair_that_cannot_be_put_back_is_said_and_kept(nas: Nas, secret: Secret, ca: Issuer) -> None:
    """The first import goes through, nginx does not reload, and then DSM does nothing more."""
    nas.dsm.switch(fail_reload=True)
    refuse = (
        'case "$*" in *method=import*) if [ -e "$0.once" ]; then echo "{}"; exit 0; fi; : >"$0.once";; esac'
    )
    nas.replace_program("synowebapi", f'{refuse}\nexec "$real" "$@"')
    new = issue(NAMES, issuer=ca)
    secret.put_pair(new)
    nas.serve(secret)
    old = nas.old()

    code, output = nas.run()

    assert code == 70, output
    assert "Look at Control Panel > Security > Certificate now" in output
    (backup,) = [path for path in nas.state("backups/*") if path.is_dir()]
    assert str(backup) in output
    assert (backup / "privkey.pem").read_bytes() == old.key
    assert (backup / "cert.pem").read_bytes() == old.leaf


# Half a run


KILL = 'kill -KILL "$PPID"; exit 1'


@pytest.mark.parametrize(
    ("program", "script"),
    [
        ("synowebapi", f'case "$*" in *method=import*) {KILL};; esac'),
        ("synowebapi", f'case "$*" in *method=import*) "$real" "$@" >/dev/null 2>&1; {KILL};; esac'),
        ("synow3tool", KILL),
        ("systemctl", f'case "$*" in reload*) {KILL};; esac'),
    ],
    ids=["before the import", "after the import", "at the reload", "in the reload"],
)
def test_a_run_after_a_killed_one_finishes_it(
    nas: Nas, secret: Secret, ca: Issuer, dsm_python: Path, program: str, script: str
) -> None:
    nas.dsm.switch(no_reload=True)
    new = issue(NAMES, issuer=ca)
    secret.put_pair(new)
    nas.serve(secret)
    old = nas.old()
    original = nas.replace_program(program, f'{script}\nexec "$real" "$@"')

    assert nas.run_file(dsm_python)[0] == -signal.SIGKILL

    (backup,) = [path for path in nas.state("backups/*") if path.is_dir()]
    assert (backup / "cert.pem").read_bytes() == old.leaf
    assert (backup / "privkey.pem").read_bytes() == old.key
    assert nas.served() == {leaf_of(old)}

    original.replace(nas.dsm.program(program))
    code, output = nas.run_file(dsm_python)
    assert code == 0, output
    assert nas.everywhere() == {leaf_of(new)}
    assert nas.is_clean()


def test_a_failure_after_a_killed_run_brings_the_original_back(
    nas: Nas, secret: Secret, ca: Issuer, dsm_python: Path
) -> None:
    nas.dsm.switch(no_reload=True)
    secret.put_pair(issue(NAMES, issuer=ca))
    nas.serve(secret)
    old = nas.old()
    original = nas.replace_program("synow3tool", KILL)
    for _ in range(2):  # at the second time what is archived is not the original pair
        assert nas.run_file(dsm_python)[0] == -signal.SIGKILL
    assert nas.copies() != {leaf_of(old)}
    original.replace(nas.dsm.program("synow3tool"))
    nas.dsm.switch(fail_reload=True)

    code, output = nas.run()

    # nginx never left the old leaf, so nothing has to be reloaded for the old pair.
    assert code == 61, output
    assert nas.old() == old
    assert nas.everywhere() == {leaf_of(old)}
    assert nas.is_clean()


def test_what_a_killed_run_left_is_undone_where_the_next_one_gets_nothing(
    nas: Nas, secret: Secret, ca: Issuer, dsm_python: Path
) -> None:
    secret.put_pair(issue(NAMES, issuer=ca))
    nas.serve(secret)
    old = nas.old()
    original = nas.replace_program("synow3tool", KILL)
    nas.dsm.switch(no_reload=True)
    assert nas.run_file(dsm_python)[0] == -signal.SIGKILL
    original.replace(nas.dsm.program("synow3tool"))
    secret.put_pair(issue(["other.test"], issuer=ca))

    code, output = nas.run()

    assert code == 36, output
    assert nas.old() == old
    assert nas.everywhere() == {leaf_of(old)}
    assert nas.is_clean()


def test_an_interrupted_install_of_another_entry_is_undone_first(
    nas: Nas, secret: Secret, ca: Issuer, dsm_python: Path
) -> None:
    """The owner pointed the configured description to another entry meanwhile."""
    new = issue(NAMES, issuer=ca)
    secret.put_pair(new)
    nas.serve(secret, entry="example.com")
    old = nas.old()
    original = nas.replace_program("synow3tool", KILL)
    nas.dsm.switch(no_reload=True)
    assert nas.run_file(dsm_python)[0] == -signal.SIGKILL
    original.replace(nas.dsm.program("synow3tool"))
    info = nas.dsm.tree.info()
    info[nas.dsm.recipe_id or ""]["desc"] = "before"
    nas.dsm.tree.write_info(info)
    other = nas.dsm.add_entry("example.com", issue(["www.example.com"], issuer=ca))

    code, output = nas.run()

    assert code == 0, output
    assert f"the interrupted install into entry {nas.dsm.recipe_id} is undone" in output
    assert nas.copies(other) == {leaf_of(new)}
    assert nas.old() == old


def test_an_old_pair_with_text_around_it_comes_back_byte_by_byte(
    nas: Nas, secret: Secret, ca: Issuer
) -> None:
    """As `openssl pkcs12` writes it, with a friendly name in whatever encoding."""
    old = nas.old()
    odd = Pair(b"Bag Attributes\n    friendlyName: M\xfcller\n" + old.leaf, old.chain, old.key)
    nas.dsm.tree.write_pair(nas.dsm.recipe_id or "", odd)
    nas.dsm.switch(fail_reload=True)
    secret.put_pair(issue(NAMES, issuer=ca))
    nas.serve(secret)
    assert nas.run()[0] == 61
    assert nas.old() == odd
