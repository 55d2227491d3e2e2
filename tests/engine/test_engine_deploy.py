"""The engine as the demo uses it: in a process of its own, which a wrong setting or Ctrl-C ends."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from local_cloud.engine.cli import find_cli
from local_cloud.ministack.server import LocalAws
from local_cloud.stack import DeployError, Engine, deploy
from tests.demo_process import PROJECT, interrupt


def test_a_wrong_setting_is_told_and_nothing_is_made(cli: Path, aws: LocalAws, tmp_path: Path) -> None:
    created: list[str] = []
    with pytest.raises(DeployError) as refused:
        deploy(
            aws,
            {"key_type": "rsa1024"},
            local_bundle=tmp_path,
            resolver="127.0.0.1:9",
            engine=Engine(cli, tmp_path / "engine"),
            progress=created.append,
        )
    assert 'synology-https:key_type is "rsa1024": one of rsa2048' in str(refused.value)
    assert "Traceback" not in str(refused.value)
    assert not [one for one in created if " aws:" in one]


def test_foreign_settings_of_aws_and_pulumi_are_left_aside(
    cli: Path, aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///no/such/folder")
    test_a_wrong_setting_is_told_and_nothing_is_made(cli, aws, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_process_of_the_engine(
    cli: Path, tmp_path: Path, number: signal.Signals
) -> None:
    assert find_cli(PROJECT / "build") == cli
    interrupt(number, tmp_path / "demo.log")
    assert "real engine, provider ours" in (tmp_path / "demo.log").read_text()
