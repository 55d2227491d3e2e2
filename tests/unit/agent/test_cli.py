"""The command line: help, version, and the exit codes that Task Scheduler sees."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from synology_agent import __version__, errors
from synology_agent.cli import main

CODES = {
    "AgentError": 1,
    "ConfigError": 2,
    "NotIssuedYet": 10,
    "Withdrawn": 11,
    "AwsError": 20,
    "DocumentRefused": 30,
    "DsmError": 40,
    "InstallFailed": 41,
    "RollbackFailed": 50,
}


def help_text(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_text(capsys)
    for option in ("run", "version", "--config", "--root", "--verbose", "0600"):
        assert option in text


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_every_error_has_its_code_and_help_names_it(
    capsys: pytest.CaptureFixture[str], name: str, code: int
) -> None:
    assert getattr(errors, name).exit_code == code
    assert f"\n  {code:2}  " in help_text(capsys)
    assert name in (errors.__doc__ or "")


def test_there_is_no_other_error() -> None:
    found = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert found == set(CODES)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"synology-agent {__version__}\n"


@pytest.mark.parametrize("arguments", [["install"], ["--verbos"], ["run", "--config"], ["--roots=/"]])
def test_a_wrong_command_line_ends_with_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--nothing"])
    assert ended.value.code == 2
    assert "usage: synology-agent" in capsys.readouterr().err


def test_a_missing_config_ends_with_2_and_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--config", str(tmp_path / "config.json")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"FAILED: {tmp_path / 'config.json'} cannot be read: No such file or directory\n"


def test_a_folder_that_cannot_be_used_ends_with_1_and_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate = {"secret": "secret", "entry": "xoEBak", "names": ["nas.example.com"]}
    fields = {"region": "x", "access_key_id": "x", "secret_access_key": "x", "certificates": [certificate]}
    path = tmp_path / "config.json"
    path.touch(0o600)
    path.write_text(json.dumps(fields))
    (tmp_path / "state").write_text("no folder")
    assert main(["--config", str(path), "--root", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("FAILED: the agent's own folder cannot be used: ")


def test_the_config_is_looked_for_beside_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "synology-agent.pyz")])
    assert main([]) == 2
    assert str(tmp_path / "config.json") in capsys.readouterr().err
