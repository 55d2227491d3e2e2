"""The agent's config, changed on the NAS by the script that runs there."""

from __future__ import annotations

import json
import shlex
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from synology_setup.agent_on_nas import AgentOnNas
from synology_setup.errors import SetupError
from synology_setup.nas import Facts, Nas
from tests.unit.setup.local_shell import LocalShell

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@pytest.fixture
def agent(tmp_path: Path) -> AgentOnNas:
    facts = Facts((7, 2), "", "", "", 0.0, "/volume1", str(tmp_path), sys.executable, "3.8.1")
    return AgentOnNas(Nas(LocalShell()), facts)


def written(agent: AgentOnNas) -> dict[str, Any]:
    return dict(json.loads(Path(agent.config).read_text()))


def test_a_first_config(agent: AgentOnNas) -> None:
    assert agent.read_config() == {}
    assert not Path(agent.config).exists()
    assert agent.change_config({"region": "eu-central-1", "secret_access_key": SECRET}) is True
    assert written(agent) == {"region": "eu-central-1", "secret_access_key": SECRET}
    assert stat.S_IMODE(Path(agent.config).stat().st_mode) == 0o600


def test_fields_are_set_and_removed_and_others_stay(agent: AgentOnNas) -> None:
    agent.change_config({"region": "a", "ca_file": "/x", "second_access_key_id": "AKIA2"})
    inode = Path(agent.config).stat().st_ino
    assert agent.change_config({"region": "a"}) is False
    assert Path(agent.config).stat().st_ino == inode
    assert agent.change_config({"region": "b"}, remove=["second_access_key_id"]) is True
    assert written(agent) == {"region": "b", "ca_file": "/x"}


def test_secrets_stay_on_the_nas(agent: AgentOnNas) -> None:
    agent.change_config({"secret_access_key": SECRET, "second_secret_access_key": SECRET, "region": "a"})
    assert agent.read_config() == {"region": "a"}


def test_a_config_that_others_could_read_is_closed(agent: AgentOnNas) -> None:
    Path(agent.config).write_text('{"region": "a"}')
    Path(agent.config).chmod(0o644)
    agent.change_config({"region": "b"})
    assert stat.S_IMODE(Path(agent.config).stat().st_mode) == 0o600


def test_a_damaged_config_is_named(agent: AgentOnNas) -> None:
    Path(agent.config).write_text("{")
    with pytest.raises(
        SetupError, match=r"config.json on the NAS: cannot be read \(.*if it is damaged, remove"
    ):
        agent.change_config({"region": "a"})
    assert Path(agent.config).read_text() == "{"


def test_a_full_disk_leaves_the_config_and_its_key(
    agent: AgentOnNas, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.change_config({"region": "a", "secret_access_key": SECRET})
    before = Path(agent.config).read_bytes()
    monkeypatch.setattr(LocalShell, "BEFORE", "ulimit -f 0; ")  # a write fails, as where nothing is left
    with pytest.raises(SetupError) as raised:
        agent.change_config({"region": "b"})
    assert "not written, what was there is untouched: [Errno" in str(raised.value)
    assert "remove" not in str(raised.value)
    assert Path(agent.config).read_bytes() == before
    assert [path.name for path in Path(agent.home).iterdir()] == ["config.json"]


def test_the_task_runs_the_agent_without_this_machines_settings(agent: AgentOnNas) -> None:
    assert shlex.split(agent.command) == [sys.executable, "-I", "-S", agent.agent, "run"]
