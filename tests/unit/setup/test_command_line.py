"""The command line: help, wrong words, and nobody there to be asked."""

from __future__ import annotations

import codecs
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from synology_setup.command_line import main
from synology_setup.errors import SetupError
from synology_setup.screen import Screen
from synology_setup.stack_outputs import read_outputs

COMMANDS = ("install", "check", "status", "rotate-key", "remove", "finish", "renew", "report", "revoke")
NAS = {"user": "nas-1", "url": "https://nas.example.com:5001", "agent_config": {"certificates": []}}


def screen(*, agree: bool = False) -> tuple[Screen, io.StringIO]:
    output = io.StringIO()
    return Screen(Console(file=output, width=200, soft_wrap=True), agree=agree), output


def outputs(folder: Path, **changes: Any) -> Path:
    file = folder / "outputs.json"
    good = {"region": "eu-central-1", "renewer": "r", "certificates": {}, "nas": {"synology": NAS}}
    file.write_text(json.dumps({**good, **changes}))
    return file


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert re.findall(r"\n    ([a-z-]+)\s", text) == list(COMMANDS)
    assert "exit codes: 0 done, 1 failed" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_of_its_own(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = capsys.readouterr().out
    assert "--stack" in text
    assert "--root" not in text


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("nas", "the NAS 'nas' is not of the form ACCOUNT@NAME[:PORT]"),
        ("admin@nas:99999", "the NAS 'admin@nas:99999' has the port 99999: a port is from 1 to 65535"),
    ],
)
def test_a_target_that_is_none(tmp_path: Path, target: str, what: str) -> None:
    shown, output = screen()
    assert main(["status", target, "--outputs", str(outputs(tmp_path))], shown) == 1
    assert what in output.getvalue()


@pytest.mark.parametrize(
    ("changes", "name", "what"),
    [
        ({"nas": {}}, None, "the stack has 0 NASes (none): name one with --nas NAME"),
        ({"nas": {"a": NAS, "b": NAS}}, None, "the stack has 2 NASes (a, b): name one with --nas NAME"),
        ({"nas": {"a": NAS, "b": NAS}}, "c", "the stack has no NAS 'c'; it has a, b"),
    ],
    ids=["none", "several", "another"],
)
def test_the_nas_that_is_meant(tmp_path: Path, changes: dict[str, Any], name: str | None, what: str) -> None:
    found = read_outputs(file=outputs(tmp_path, **changes))
    with pytest.raises(SetupError) as raised:
        found.nas(name)
    assert str(raised.value) == what


def test_outputs_of_an_older_stack(tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    file.write_text('{"region": "a", "renewer": "r", "certificates": {}}')
    with pytest.raises(SetupError, match="has no output 'nas': run `pulumi up` with this checkout first"):
        read_outputs(file=file)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_outputs_as_windows_writes_them(tmp_path: Path, encoding: str) -> None:
    file = outputs(tmp_path)
    mark = codecs.BOM_UTF16_LE if encoding == "utf-16-le" else b""
    file.write_bytes(mark + file.read_text().encode(encoding))
    assert read_outputs(file=file).nas(None).user == "nas-1"


def test_outputs_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    file.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(SetupError, match="is no text"):
        read_outputs(file=file)


def test_a_question_that_is_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def no_answer(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("sys.stdin", Terminal(""))
    monkeypatch.setattr("getpass.getpass", no_answer)
    shown, _ = screen()
    for ask in (shown.ask_secret, shown.confirm, shown.agree):
        with pytest.raises(SetupError, match="the question was not answered"):
            ask("Trust it?")


def test_nobody_is_there_to_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    shown, _ = screen()
    for ask in (shown.ask_secret, shown.confirm, shown.agree):
        with pytest.raises(SetupError, match="there is no terminal to ask at: Trust it"):
            ask("Trust it?")
    agreeing, _ = screen(agree=True)
    assert agreeing.agree("Disable it?") is True
    with pytest.raises(SetupError):
        agreeing.confirm("Trust it?")  # --yes is no word about a host key


@pytest.mark.parametrize(("typed", "answer"), [("y", True), ("YES", True), ("", False), ("n", False)])
def test_only_a_yes_is_one(monkeypatch: pytest.MonkeyPatch, typed: str, answer: bool) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal(f"{typed}\n"))
    shown, _ = screen()
    assert shown.confirm("Trust it?") is answer


def test_what_is_shown_is_never_read_as_markup() -> None:
    shown, output = screen()
    shown.note("[red]a NAS's text[/red]")
    shown.warn("[/]")
    shown.table("[t", [(True, "[a", "[/b]")])
    shown.repeat_warnings()
    text = output.getvalue()
    assert "[red]a NAS's text[/red]" in text
    assert text.count("[/]") == 2
    assert "[/b]" in text
