"""`install` run again on a NAS, a stack or an IAM user that somebody changed meanwhile: it repairs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_cloud.dsm.issuing import Issuer, issue
from synology_setup import install
from synology_setup.access_keys import ON_ITS_WAY
from tests.integration.agent_bench import NAMES
from tests.integration.setup_bench import (
    AT_BOOT,
    BY_CLOCK,
    OLD_TASK,
    Bench,
    Person,
    api,
    fingerprint,
    is_installed,
    served,
    tasks,
)


def test_tasks_are_repaired_and_collapsed(bench: Bench) -> None:
    bench.install()
    minute = tasks(bench)[BY_CLOCK]["schedule"]["minute"]
    script = tasks(bench)[BY_CLOCK]["script"]
    bench.add_task("mine", script)
    api(
        bench,
        "SYNO.Core.TaskScheduler",
        "set_enable",
        2,
        status=[{"id": 1, "real_owner": "root", "enable": False}],
    )
    api(bench, "SYNO.Core.EventScheduler", "set_enable", 1, task_name=AT_BOOT, enable=False)
    assert "is disabled" in bench.run("status", code=1)
    said = bench.install()
    assert "a second task 'mine' is gone" in said
    is_installed(bench)
    assert tasks(bench)[BY_CLOCK]["schedule"]["minute"] == minute
    api(bench, "SYNO.Core.TaskScheduler", "delete", 2, tasks=[{"id": 1, "real_owner": "root"}])
    assert "task by the clock" in (status := bench.run("status", code=1)) and "missing" in status
    bench.install()
    is_installed(bench)


@pytest.mark.parametrize("kind", ["fail", "lie"])
@pytest.mark.parametrize("api", ["SYNO.Core.TaskScheduler.Root", "SYNO.Core.EventScheduler.Root"])
def test_tasks_that_dsm_does_not_make_are_printed_as_clicks(bench: Bench, api: str, kind: str) -> None:
    bench.dsm.switch(faults={f"synowebapi:{api}:create": kind})
    said = bench.install()
    assert "the tasks could not be made: " in said
    assert "Control Panel > Task Scheduler > Create > Scheduled Task" in said
    assert served(bench) == {fingerprint(bench)}
    bench.dsm.switch(faults={})
    bench.install()
    is_installed(bench)


def test_a_task_that_dsm_does_not_disable_is_said(bench: Bench) -> None:
    bench.leave_recipe()
    bench.dsm.switch(faults={"synowebapi:SYNO.Core.TaskScheduler:set_enable": "lie"})
    said = bench.install()
    assert f"did not disable the task '{OLD_TASK}': disable '{OLD_TASK}' in Control Panel" in said
    assert tasks(bench)[OLD_TASK]["enable"] is True


def test_an_address_that_was_wished_for_stays(bench: Bench) -> None:
    bench.dsm.set_mail("admin@example.com")
    bench.install("--mail", "ops@example.com")
    assert "nothing to do" in bench.install()
    assert tasks(bench)[BY_CLOCK]["extra"]["notify_mail"] == "ops@example.com"
    assert tasks(bench)[AT_BOOT]["notify_mail"] == "ops@example.com"
    bench.install("--mail", "me@example.com")
    assert tasks(bench)[BY_CLOCK]["extra"]["notify_mail"] == "me@example.com"


def test_the_test_mail_is_sent_where_the_first_run_did_not_come_so_far(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    bench.dsm.set_mail("admin@example.com")
    with monkeypatch.context() as patch:
        patch.setattr(install, "_schedule", interrupted)
        bench.install(code=130)
    assert "a test mail is on its way to admin@example.com" in bench.install()


def test_another_nas_is_asked_about(bench: Bench) -> None:
    bench.install()
    (own,) = bench.access_keys()
    outputs = bench.outputs()
    stack = json.loads(outputs.read_text())
    stack["nas"]["synology"]["agent_config"]["metric_namespace"] = "synology-https/test/other"
    outputs.write_text(json.dumps(stack))
    person = Person(refuses=("Set it up as",))
    agent = bench.home / "synology-agent.pyz"
    new = agent.read_bytes()
    agent.write_bytes(new + b"older")
    said = bench.install(person=person, outputs=outputs, code=1)
    assert "the NAS stays set up as synology-https/test/nas: name the one that is meant with --nas" in said
    assert bench.access_keys() == [own]
    assert agent.read_bytes() == new + b"older"  # nothing was touched
    agent.write_bytes(new)
    is_installed(bench)


def test_an_agent_that_is_older_is_replaced(bench: Bench) -> None:
    bench.install()
    agent = bench.home / "synology-agent.pyz"
    new = agent.read_bytes()
    agent.write_bytes(new + b"older")
    assert "not this checkout's" in bench.run("status", code=1)
    bench.install()
    assert agent.read_bytes() == new
    is_installed(bench)


def test_a_key_that_was_deleted_is_made_anew(bench: Bench) -> None:
    bench.install()
    (old,) = bench.access_keys()
    bench.iam.delete_access_key(UserName=bench.secret.user, AccessKeyId=old)
    bench.install()
    assert old not in bench.access_keys()
    is_installed(bench)


def test_keys_that_did_not_reach_the_nas(bench: Bench) -> None:
    for about in (ON_ITS_WAY, "somebody's"):
        made = bench.iam.create_access_key(UserName=bench.secret.user)["AccessKey"]["AccessKeyId"]
        bench.iam.tag_user(UserName=bench.secret.user, Tags=[{"Key": made, "Value": about}])
    person = Person(refuses=("is not the one on this NAS",))
    bench.install(person=person)
    assert len(bench.access_keys()) == 2
    assert [question for question in person.asked if "(somebody's) is not the one on this NAS" in question]
    bench.install()
    is_installed(bench)


def test_two_keys_of_somebody_else(bench: Bench) -> None:
    for _ in range(2):
        bench.iam.create_access_key(UserName=bench.secret.user)
    before = bench.access_keys()
    said = bench.install(person=Person(refuses=("Delete AKIA",)), code=1)
    assert "has 2 access keys already, so none can be made: delete one in IAM" in said
    assert bench.access_keys() == before
    bench.install()
    is_installed(bench)


def test_another_secret_after_destroy_and_up(bench: Bench, ca: Issuer) -> None:
    bench.install()
    entry = bench.config["certificates"][0]["entry"]
    entries = set(bench.dsm.tree.info())
    bench.renew_stack(issue(NAMES, issuer=ca))
    bench.install()
    assert bench.config["certificates"][0]["entry"] == entry
    assert set(bench.dsm.tree.info()) == entries
    is_installed(bench)


def test_what_was_edited_in_the_config_stays(bench: Bench) -> None:
    bench.install()
    path = bench.home / "config.json"
    config = bench.config
    config["certificates"][0]["assign"] = "default"
    path.write_text(json.dumps(config))
    bench.install()
    assert bench.config["certificates"][0]["assign"] == "default"
