"""`install` on a NAS before any recipe, on one with it, and where it cannot be done."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_cloud.dsm.issuing import Issuer, issue
from local_cloud.dsm.releases import RELEASES
from local_cloud.processes import free_port
from local_cloud.ssh_server import SudoMode
from synology_agent.tls import served_fingerprint
from synology_setup import take_over
from synology_setup.nas import Nas
from synology_setup.schedule import Task, disable
from tests.integration.agent_bench import BLOG, NAMES
from tests.integration.setup_bench import (
    AT_BOOT,
    BY_CLOCK,
    OLD_TASK,
    PASSWORD,
    Bench,
    Person,
    fingerprint,
    is_installed,
    served,
    tasks,
)

# --- A NAS that nobody touched ------------------------------------------------------------------------------


def test_a_nas_before_any_recipe(bench: Bench) -> None:
    person = Person()
    said = bench.install(person=person)
    is_installed(bench)
    key_id = bench.config["access_key_id"]
    assert f"access key {key_id} of {bench.secret.user} is on the NAS, and nowhere else" in said
    assert "DSM's e-mail is off: a failed run would be reported to nobody" in said
    assert said.rstrip().endswith("Open https://synology.example.com:5001")
    assert [bench.server.fingerprint() in question for question in person.asked] == [True, False]
    assert person.asked[1].startswith("Password of ")
    assert tasks(bench)[BY_CLOCK]["schedule"]["repeat_hour"] == 6
    assert tasks(bench)[BY_CLOCK]["extra"]["notify_enable"] is False
    assert served_fingerprint(bench.dsm.proxy_ports[BLOG], BLOG) != fingerprint(bench)


def test_again_there_is_nothing_to_do(bench: Bench) -> None:
    bench.dsm.set_mail("admin@example.com")
    assert "a test mail is on its way to admin@example.com" in bench.install()
    task = tasks(bench)[BY_CLOCK]
    assert (task["extra"]["notify_enable"], task["extra"]["notify_mail"]) == (True, "admin@example.com")
    assert task["extra"]["notify_if_error"] is True
    assert tasks(bench)[AT_BOOT]["notify_mail"] == "admin@example.com"
    before = bench.files()
    person = Person()
    said = bench.install(person=person)
    assert "nothing to do: everything was in place" in said
    assert "test mail" not in said
    assert bench.files() == before
    assert [question.startswith("Password of ") for question in person.asked] == [True]
    is_installed(bench)


@pytest.mark.parametrize(
    "dsm_options",
    [{"version": version} for version in RELEASES if version != "7.2"],
    ids=lambda one: one["version"],
)
def test_every_release(bench: Bench, dsm_options: dict[str, Any]) -> None:
    version = dsm_options["version"]
    said = bench.install()
    assert f"DSM {RELEASES[version].product}-{RELEASES[version].build}" in said
    assert served(bench) == {fingerprint(bench)}
    if version != "6.2":
        is_installed(bench)
        return
    assert "DSM 6.2.4-25556 offers no API for tasks. Unless they are there, make them by hand" in said
    assert "DSM does not tell its tasks: disable any that runs lego, acme.sh or certbot" in said
    assert "no job and no AWS key" not in said
    clicks = said[said.index("Control Panel > Task Scheduler > Create") :]
    assert clicks[:400] in bench.install()  # the same minute
    command = f"/synology-agent.pyz run --root {bench.dsm.root}"
    assert said.count(command) >= 2
    assert "nothing to do" in bench.install()


# --- The recipe is still there ------------------------------------------------------------------------------


@pytest.mark.parametrize("dsm_options", [{"recipe": True}], ids=["recipe"])
def test_the_recipe_is_shown_and_taken_over(bench: Bench) -> None:
    bench.leave_recipe()
    entries = set(bench.dsm.tree.info())
    said = bench.install()
    assert "task 'Renew certificate' runs: bash /root/letsencrypt/lego-renew.sh" in said
    assert "AKIAIOSFODNN7EXAMPLE: delete it in IAM" in said
    assert f"entry {bench.dsm.recipe_id} 'example.com' is a certificate for example.com" in said
    assert tasks(bench)[OLD_TASK]["enable"] is False
    assert bench.config["certificates"][0]["entry"] == bench.dsm.recipe_id
    assert set(bench.dsm.tree.info()) == entries
    is_installed(bench)
    again = bench.install()
    assert OLD_TASK not in again  # it is disabled
    assert set(bench.dsm.tree.info()) == entries


@pytest.mark.parametrize("dsm_options", [{"recipe": True}], ids=["recipe"])
def test_without_consent_the_recipe_stays(bench: Bench) -> None:
    bench.leave_recipe()
    said = bench.install(person=Person(refuses=("Disable this task", "Replace it in place")))
    assert f"task '{OLD_TASK}' still installs certificates besides the agent" in said
    assert tasks(bench)[OLD_TASK]["enable"] is True
    assert bench.config["certificates"][0]["entry"] == "synology.example.com (synology-https)"
    recipes = bench.dsm.tree.archive / str(bench.dsm.recipe_id) / "cert.pem"
    assert json.loads(bench.secret.current())["leaf"].encode() != recipes.read_bytes()


def test_a_script_that_hides_the_client_and_a_crontab_line(bench: Bench) -> None:
    scripts = bench.dsm.root / "volume1/scripts"
    scripts.mkdir()
    (scripts / "weekly.sh").write_text("#!/bin/sh\n# not certbot\nacme.sh --cron\n")
    (scripts / "backup.sh").write_text("#!/bin/sh\n# certbot is mentioned only\nrsync a b\n")
    for name in ("weekly", "backup"):
        bench.add_task(name, f"bash {scripts}/{name}.sh")
    bench.add_task("DSM's own", "/usr/syno/sbin/syno-letsencrypt renew-all")
    crontab = bench.dsm.root / "etc/crontab"
    line = f"15 4 * * * root {scripts}/weekly.sh --cron"
    before = crontab.read_text()
    crontab.write_text(f"{before}{line}\n")
    said = bench.install()
    assert f"crontab: {line}" in said
    enabled = {name: task["enable"] for name, task in tasks(bench).items()}
    assert enabled == {"weekly": False, "backup": True, "DSM's own": True, BY_CLOCK: True, AT_BOOT: True}
    assert crontab.read_text() == f"{before}#{line}\n"


def test_secrets_in_a_job_are_not_shown_and_their_key_is_named(bench: Bench) -> None:
    secret = "hunter2/hunter2/hunter2/hunter2/hunter2A"
    job = f"AWS_ACCESS_KEY_ID=AKIAINTHETASKEXAMPLE AWS_SECRET_ACCESS_KEY='{secret}' /root/lego renew"
    bench.add_task("inline", job)
    crontab = bench.dsm.root / "etc/crontab"
    crontab.write_text(
        f"{crontab.read_text()}0 1 * * * root certbot renew --secret {secret} AKIAINCRONTABEXAMPLE\n"
    )
    said = bench.install(person=Person(refuses=("Comment this line",)))
    assert "AWS_SECRET_ACCESS_KEY=… /root/lego renew" in said
    assert secret not in said
    assert "task 'inline' holds the AWS key AKIAINTHETASKEXAMPLE: delete it in IAM" in said
    assert "/etc/crontab holds the AWS key AKIAINCRONTABEXAMPLE" in said


def test_the_key_to_delete_is_printed_again_after_an_interruption(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = bench.dsm.root / "volume1/scripts"
    scripts.mkdir()
    (scripts / "renew.sh").write_text("export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE\nlego renew\n")
    bench.add_task(OLD_TASK, f"bash {scripts}/renew.sh")

    def interrupted(nas: Nas, task: Task) -> None:
        disable(nas, task)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(take_over, "disable", interrupted)
        assert "interrupted: run it again" in bench.install(code=130)
    assert tasks(bench)[OLD_TASK]["enable"] is False
    assert "holds the AWS key AKIAIOSFODNN7EXAMPLE" in bench.install()
    is_installed(bench)


# --- What cannot be done ------------------------------------------------------------------------------------


def test_nothing_is_issued_yet(bench: Bench) -> None:
    bench.secret.put('{"schema": 1, "state": "empty"}')
    said = bench.install()
    assert "no certificate is there yet: the agent installs it at its next run after it was issued" in said
    assert set(tasks(bench)) == {BY_CLOCK, AT_BOOT}


@pytest.mark.parametrize("dsm_options", [{"python": None}], ids=["no python"])
def test_a_nas_without_python(bench: Bench) -> None:
    said = bench.install(code=1)
    assert "the NAS has no Python 3.8 or later" in said
    assert "install the package 'Python 3.9' in Package Center" in said
    nothing_is_installed(bench)


def test_a_wrong_password_ends_at_once(bench: Bench) -> None:
    said = bench.install(person=Person("wrong", PASSWORD), code=1)
    assert "did not accept the password" in said
    assert bench.sudo.wrong_passwords == 1
    nothing_is_installed(bench)


@pytest.mark.parametrize("mode", [SudoMode.NO_PASSWORD, SudoMode.CACHED_ALWAYS])
def test_a_sudo_that_does_not_ask(bench: Bench, mode: SudoMode) -> None:
    bench.sudo.set(mode)
    person = Person()
    bench.install(person=person)
    assert len(person.asked) == 1  # the host key
    is_installed(bench)


def test_roots_with_words_between_them(bench: Bench) -> None:
    file = bench.folder / "own.pem"
    file.write_bytes("# Zertifikat für zu Hause\n".encode() + bench.root_ca.certificate)
    bench.install("--ca-file", str(file))
    is_installed(bench)


def test_no_volume(bench: Bench) -> None:
    (bench.dsm.root / "volume1").rmdir()
    assert "the NAS has no volume to put the agent on" in bench.install(code=1)
    nothing_is_installed(bench)


def test_a_full_disk(bench: Bench) -> None:
    program = bench.folder / "programs" / "cat"
    program.parent.mkdir()
    full = 'test -t 0 || test -n "$1" || { head -c 1000; echo "cat: No space left on device" >&2; exit 1; }'
    program.write_text(f'#!/bin/sh\n{full}\nexec /bin/cat "$@"\n')
    program.chmod(0o755)
    said = bench.install(code=1)
    assert "synology-agent.pyz was not written, what was there is untouched: cat: No space left" in said
    assert not bench.access_keys()
    assert list(bench.home.iterdir()) == []
    program.unlink()
    bench.install()
    is_installed(bench)


def test_ssh_that_is_off(bench: Bench) -> None:
    said = bench.install(port=free_port(), code=1)
    assert "SSH is off or has another port. Switch it on at Control Panel > Terminal & SNMP" in said


def test_no_nas_of_ours(bench: Bench) -> None:
    (bench.dsm.root / "etc.defaults/VERSION").unlink()
    assert "this is no Synology NAS" in bench.install(code=1)


def test_a_user_that_is_gone(bench: Bench) -> None:
    file = bench.outputs()
    file.write_text(file.read_text().replace(bench.secret.user, "nas-gone"))
    said = bench.install(code=1, outputs=file)
    assert "The stack's user is gone: run `pulumi up`" in said
    assert not bench.sudo.calls


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--nas", "other"), "the stack has no NAS 'other'; it has synology"),
        (("--ca-file", "/nowhere.pem"), "--ca-file /nowhere.pem cannot be read: No such file or directory"),
        (("--ca-file", "/etc/hostname"), "--ca-file /etc/hostname holds no certificate in PEM"),
    ],
)
def test_bad_input(bench: Bench, words: tuple[str, ...], what: str) -> None:
    assert what in bench.install(*words, code=1)
    assert not bench.access_keys()


def test_a_run_that_fails_is_told_and_the_next_goes_on(bench: Bench, ca: Issuer) -> None:
    bench.secret.put_pair(issue(["other.test"], issuer=ca))
    said = bench.install(code=1)
    assert "the agent is in place, and its run ended with exit code 36" in said
    bench.secret.put_pair(issue(NAMES, issuer=ca))
    bench.install()
    is_installed(bench)


def nothing_is_installed(bench: Bench) -> None:
    assert not bench.access_keys()
    assert not bench.dsm.tasks()
    assert not bench.home.exists()
