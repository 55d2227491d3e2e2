"""`status`, `rotate-key`, `remove` and `finish` on an installed NAS."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_cloud.dsm.nginx import DSM_SETTINGS, REVERSE_PROXY_RULES
from local_cloud.processes import free_port
from synology_setup import finish, rotate_key
from synology_setup.access_keys import ON_ITS_WAY, NasKeys
from synology_setup.agent_on_nas import AgentOnNas
from tests.integration.agent_bench import NAVIDROME
from tests.integration.agent_bench import Secret as StoredSecret
from tests.integration.setup_bench import Bench, Person, fingerprint, is_installed, served, tasks

OUR_TASKS = {"synology-https", "synology-https at boot-up"}


class Interrupted(Exception):
    """The operator's machine goes to sleep."""


# --- status -------------------------------------------------------------------------------------------------


def test_status_of_what_is_right(bench: Bench) -> None:
    bench.install()
    said = bench.run("status")
    assert "✗" not in said
    assert "DSM Desktop Service" in said
    assert f"serial {json.loads(bench.secret.current())['serial']}" in said


def test_status_before_the_installation(bench: Bench) -> None:
    said = bench.run("status", code=1)
    assert "synology-agent.pyz is missing: `install` puts it right" in said
    assert said.count("missing: `install` puts it right") == 3
    assert not bench.home.exists()


def test_status_of_a_certificate_that_is_not_served(bench: Bench) -> None:
    bench.install()
    copy = bench.dsm.tree.path("/usr/syno/etc/certificate/smbftpd/ftpd/cert.pem")
    own = bench.dsm.tree.archive / bench.dsm.synology_id / "cert.pem"
    copy.chmod(0o600)
    copy.write_bytes(own.read_bytes())
    assert "another" in next(line for line in bench.run("status", code=1).splitlines() if "FTPS" in line)


def test_status_tells_whom_alarms_reach(bench: Bench) -> None:
    bench.install()
    sns = bench.aws.client("sns")
    topic = sns.create_topic(Name=f"notices-{bench.secret.user}")["TopicArn"]
    outputs = bench.outputs()
    outputs.write_text(json.dumps({**json.loads(outputs.read_text()), "alarm_topic": topic}))
    assert "has no e-mail subscription" in bench.run("status", code=1, outputs=outputs)
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="admin@example.com")
    said = bench.run("status", outputs=outputs)  # confirmed at once, unlike AWS
    assert "subscription is confirmed" in said
    assert "admin@example.com" in said
    assert "subscription" not in bench.run("status", "--without-aws", outputs=outputs)


# --- rotate-key ---------------------------------------------------------------------------------------------


def test_a_key_is_rotated(bench: Bench) -> None:
    bench.install()
    (old,) = bench.access_keys()
    said = bench.run("rotate-key")
    (new,) = bench.access_keys()
    assert new != old
    assert f"{new} is in place of {old}" in said
    assert f"{old} is deleted" in said
    assert bench.config["access_key_id"] == new
    assert not (bench.home / "config.new.json").exists()
    is_installed(bench)


STEPS = {
    "after the key was made": (NasKeys, "make", True),
    "before the trial is written": (AgentOnNas, "change_config", False),
    "after the trial is written": (AgentOnNas, "change_config", True),
    "after it was proven": (AgentOnNas, "run", True),
    "before the old one is deleted": (NasKeys, "delete", False),
    "after it was deleted": (NasKeys, "delete", True),
    "at the very end": (NasKeys, "describe", False),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_rotation_that_was_interrupted_is_finished(
    bench: Bench, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.install()
    (old,) = bench.access_keys()
    owner, name, after = STEPS[step]
    goes_on = getattr(owner, name)

    def interrupted(*arguments: Any, **rest: Any) -> Any:
        described = name == "describe" and arguments[-1] == ON_ITS_WAY
        result = goes_on(*arguments, **rest) if after or described else None
        if described:
            return result
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, interrupted)
        with pytest.raises(Interrupted):
            bench.run("rotate-key")
    assert bench.run_task("synology-https").returncode == 0  # the NAS's key works at any moment
    bench.run("rotate-key")
    assert bench.access_keys() != [old]
    is_installed(bench)


def test_a_new_key_that_aws_refuses_leaves_the_old_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.install()
    before = bench.config
    make = NasKeys.make

    def inactive(keys: NasKeys) -> Any:
        made = make(keys)
        bench.iam.update_access_key(UserName=keys.user, AccessKeyId=made.id, Status="Inactive")
        return made

    monkeypatch.setattr(NasKeys, "make", inactive)
    monkeypatch.setattr(rotate_key, "_PROOF", ("check", "--key"))  # without a minute's patience
    said = bench.run("rotate-key", code=1)
    assert "AWS does not answer to the key from the NAS, so the old one stays" in said
    assert bench.config == before
    is_installed(bench)


def test_a_second_key_is_asked_about(bench: Bench) -> None:
    """Somebody else's, or ours where the line broke before IAM was told what it is."""
    bench.install()
    foreign = bench.iam.create_access_key(UserName=bench.secret.user)["AccessKey"]["AccessKeyId"]
    before = bench.access_keys()
    said = bench.run("rotate-key", code=1, person=Person(refuses=("is not the one on this NAS",)))
    assert f"has another key, {foreign}" in said
    assert bench.access_keys() == before
    bench.run("rotate-key")
    assert not {*before} & {*bench.access_keys()}
    is_installed(bench)


def test_a_key_whose_first_run_failed_is_proven_before_others_go(bench: Bench) -> None:
    bench.install()
    (current,) = bench.access_keys()
    tag = {"Key": current, "Value": ON_ITS_WAY}
    bench.iam.tag_user(UserName=bench.secret.user, Tags=[tag])
    other = bench.iam.create_access_key(UserName=bench.secret.user)["AccessKey"]["AccessKeyId"]
    bench.iam.update_access_key(UserName=bench.secret.user, AccessKeyId=current, Status="Inactive")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rotate_key, "_PROOF", ("check", "--key"))
        assert "AWS does not answer to the key" in bench.run("rotate-key", code=1)
    assert other in bench.access_keys()


@pytest.mark.parametrize("command", ["rotate-key", "remove"])
def test_another_nas_of_the_stack_keeps_its_key(bench: Bench, command: str) -> None:
    bench.install()
    own = bench.access_keys()
    other = StoredSecret(bench.aws)
    outputs = bench.outputs()
    stack = json.loads(outputs.read_text())
    stack["nas"]["other"] = {**stack["nas"]["synology"], "user": other.user}
    outputs.write_text(json.dumps(stack))
    said = bench.run(command, "--nas", "other", outputs=outputs, code=1)
    assert "`--nas` names another NAS" in said
    listed = bench.iam.list_access_keys(UserName=other.user)["AccessKeyMetadata"]
    assert [key["AccessKeyId"] for key in listed] == [other.credentials.access_key]
    assert bench.access_keys() == own
    is_installed(bench)


def test_remove_asks_about_a_key_that_the_nas_does_not_have(bench: Bench) -> None:
    bench.install()
    elsewhere = bench.iam.create_access_key(UserName=bench.secret.user)["AccessKey"]["AccessKeyId"]
    bench.run("remove", person=Person(refuses=("is not the one on this NAS",)))
    assert bench.access_keys() == [elsewhere]


def test_there_is_nothing_to_rotate(bench: Bench) -> None:
    assert "no access key to be rotated: run `install` first" in bench.run("rotate-key", code=1)


# --- remove -------------------------------------------------------------------------------------------------


def test_remove_leaves_dsm_with_its_certificate(bench: Bench) -> None:
    bench.install()
    bench.add_task("backup", "rsync a b")
    before = served(bench)
    assert "nothing was removed" in bench.run("remove", person=Person(refuses=("Remove the agent",)))
    assert bench.home.exists()
    bench.run("remove")
    assert served(bench) == before == {fingerprint(bench)}
    assert not bench.home.exists()
    assert set(tasks(bench)) == {"backup"}
    assert not bench.access_keys()
    assert not bench.descriptions()
    bench.run("remove")  # again
    bench.install()
    is_installed(bench)


# --- finish -------------------------------------------------------------------------------------------------


def settings(bench: Bench) -> dict[str, Any]:
    found: dict[str, Any] = bench.dsm.tree.read_json(DSM_SETTINGS)
    return found


def test_finish_sets_and_takes_back(bench: Bench) -> None:
    bench.install()
    before = settings(bench)
    bench.run("finish")
    after = settings(bench)
    assert after["enable_https_redirect"] is True
    assert (after["enable_custom_domain"], after["fqdn"]) == (True, "synology.example.com")
    assert (after["https_port"], after["enable_hsts"]) == (before["https_port"], before["enable_hsts"])
    assert bench.run("finish").count("is so already") == 2
    bench.run("finish", "--undo")
    assert settings(bench) == before


@pytest.mark.parametrize("dsm_options", [{"proxies": ()}], ids=["no rule yet"])
def test_finish_makes_a_rule_that_serves_ours(bench: Bench, free_https_port: int) -> None:
    bench.install()
    said = bench.run("finish", "--service", "navidrome=4533")
    assert "done; `finish --undo` takes it back" in said
    assert bench.dsm.proxy_ports == {NAVIDROME: free_https_port}
    (service,) = [one for one in bench.dsm.tree.services() if one["subscriber"] == "ReverseProxy"]
    ours = bench.config["certificates"][0]["entry"]
    owner = bench.dsm.tree.owner_of("ReverseProxy", service["service"])
    assert owner is not None
    assert bench.dsm.tree.info()[owner]["desc"] == ours
    assert "is there already" in bench.run("finish", "--service", "navidrome=4533")
    bench.run("finish", "--service", "navidrome=4534", "--undo")  # not what was made
    assert bench.dsm.proxy_ports == {NAVIDROME: free_https_port}
    bench.run("finish", "--service", "navidrome=4533", "--undo")
    assert bench.dsm.proxy_ports == {}


def test_undo_puts_back_what_was_there_and_leaves_what_a_person_made(bench: Bench) -> None:
    bench.install()
    own = {"enable_https_redirect": True, "enable_custom_domain": True, "fqdn": "nas.old.test"}
    path = bench.dsm.tree.path(DSM_SETTINGS)
    bench.dsm.tree.write_json(path, {**settings(bench), **own})
    before, port = settings(bench), bench.dsm.proxy_ports[NAVIDROME]
    rule = bench.dsm.tree.read_json(REVERSE_PROXY_RULES)["entries"][0]["backend"]["port"]
    bench.run("finish", "--service", f"navidrome={rule}")
    assert settings(bench)["fqdn"] == "synology.example.com"
    for _ in range(2):
        bench.run("finish", "--service", f"navidrome={rule}", "--undo")
        assert settings(bench) == before
        assert bench.dsm.proxy_ports[NAVIDROME] == port


def test_finish_asks_for_each_step(bench: Bench) -> None:
    bench.install()
    before = settings(bench)
    person = Person(refuses=("Set it?",))
    bench.run("finish", person=person)
    assert settings(bench) == before
    assert len([question for question in person.asked if "Set it?" in question]) == 2


def test_finish_names_a_rule_that_leads_elsewhere(bench: Bench) -> None:
    bench.install()
    said = bench.run("finish", "--service", "navidrome=4533")
    assert f"{NAVIDROME} leads to port" in said


@pytest.mark.parametrize(
    ("service", "what"),
    [
        ("jellyfin=8096", "the stack publishes no such name for NAS 'synology'"),
        ("navidrome", "--service 'navidrome' is not NAME=PORT, such as navidrome=4533"),
        ("navidrome=70000", "--service 'navidrome=70000' is not NAME=PORT"),
    ],
)
def test_finish_refuses_a_service(bench: Bench, service: str, what: str) -> None:
    assert what in bench.run("finish", "--service", service, code=1)


@pytest.mark.parametrize("dsm_options", [{"version": "6.2"}], ids=["6.2"])
def test_finish_prints_clicks_where_dsm_offers_nothing(bench: Bench) -> None:
    said = bench.run("finish", "--service", "navidrome=4533")
    assert "By hand: Control Panel > Login Portal > DSM" in said
    assert "By hand: Control Panel > Login Portal > Advanced > Reverse Proxy" in said


def test_finish_believes_no_success(bench: Bench) -> None:
    bench.install()
    bench.dsm.switch(faults={"synowebapi:SYNO.Core.Web.DSM:set": "lie"})
    assert "DSM answered success and did not do it. By hand: Control Panel" in bench.run("finish")


@pytest.fixture
def free_https_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """The port that a new rule listens on: 443 is not everybody's."""
    port = free_port()
    monkeypatch.setattr(finish, "_HTTPS_PORT", port)
    return port
