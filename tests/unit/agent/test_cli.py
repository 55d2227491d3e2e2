"""The command line: help, version, and the exit codes that Task Scheduler sees."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from synology_agent import __version__, config, errors
from synology_agent.cli import exit_codes, main

CODES = {
    "AgentError": 1,
    "ConfigError": 2,
    "Busy": 3,
    "NotIssuedYet": 10,
    "Withdrawn": 11,
    "AwsError": 20,
    "AwsRefused": 21,
    "ClockWrong": 22,
    "DocumentRefused": 30,
    "SchemaUnknown": 31,
    "KeyMismatch": 32,
    "ChainIncomplete": 33,
    "ChainDisordered": 34,
    "ChainForeign": 35,
    "NamesMissing": 36,
    "Expired": 37,
    "NotYetValid": 38,
    "OlderThanServed": 39,
    "RevokedByUs": 40,
    "RootUntrusted": 41,
    "KeyWeak": 42,
    "DsmError": 60,
    "InstallFailed": 61,
    "RollbackFailed": 70,
}
"""What a scheduler may rely on: no number changes its meaning."""


def help_text(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_text(capsys)
    for command in ("run", "status", "check", "rollback", "version", "--version"):
        assert command in text
    text = help_text(capsys, "run")
    for option in ("--config", "--root", "--verbose", "0600", "--dry-run", "--force", "--allow-older"):
        assert option in text
    assert "--json" in help_text(capsys, "status")
    assert "NAME" in help_text(capsys, "rollback").upper()


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_every_error_has_its_code_and_help_names_it(
    capsys: pytest.CaptureFixture[str], name: str, code: int
) -> None:
    assert getattr(errors, name).exit_code == code
    assert f"\n  {code:2}  " in help_text(capsys)
    row = re.compile(rf"^[ │├└─]*{name} +{code}$", re.M)
    assert row.search(errors.__doc__ or ""), name


def test_there_is_no_other_error() -> None:
    found = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert found == set(CODES)
    assert [code for code, _ in exit_codes()] == [0, *sorted(CODES.values())]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"synology-agent {__version__}\n"
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"synology-agent {__version__}\n"


@pytest.mark.parametrize("verbose", [True, False])
def test_a_fault_of_its_own_says_so_without_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verbose: bool
) -> None:
    def fault(_: Path) -> None:
        raise RuntimeError(" ".join(["a", "secret"]))

    monkeypatch.setattr("synology_agent.cli.read_config", fault)
    assert main(["status", "--config", str(tmp_path), *["--verbose"] * verbose]) == 1
    said = capsys.readouterr().err
    assert said.startswith("FAILED: a fault of the agent itself, RuntimeError; --verbose shows where\n")
    assert ("in fault" in said) is verbose
    assert "a secret" not in said


def test_an_interrupt_says_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("synology_agent.cli.read_config", interrupt)
    assert main(["--config", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "FAILED: interrupted; the next run finishes or undoes what was begun\n"


@pytest.mark.parametrize("arguments", [["install"], ["run", "--json"], ["run", "--config"], ["--roots=/"]])
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


def test_the_docs_have_the_same_codes_and_fields() -> None:
    page = (Path(__file__).parents[3] / "docs" / "agent.md").read_text(encoding="utf-8")
    for code, meaning in exit_codes():
        assert f"\n| {code} | {meaning} |\n" in page
    for field in (*config._FIELDS, *config._CERTIFICATE_FIELDS):
        assert f"`{field}`" in page, field
    for option in ("--dry-run", "--force", "--allow-older", "--patient", "--json", "--verbose", "--config"):
        assert option in page
