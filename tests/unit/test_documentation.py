"""The documentation is so: commands exist, settings exist, pages agree with the source."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import pytest
import yaml
from botocore import xform_name

from docs.scripts import messages
from synology_agent import cli
from synology_setup import command_line

PROJECT = Path(__file__).resolve().parents[2]
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
_INLINE = re.compile(r"`((?:make|pulumi|python -m|\.venv/bin/python -m|aws) [^`]+)`")
_PLACEHOLDERS = {"ACCOUNT@NAS": "admin@nas", "ACCOUNT@ADDRESS": "admin@nas", "admin@OLD": "admin@old"}


def commands() -> Iterator[tuple[str, str]]:
    """Yield page and command of every command line in the documentation."""
    for page in PAGES:
        if page == messages.PAGE:  # its commands are those of the source
            continue
        text = page.read_text(encoding="utf-8")
        blocks = [block.replace("\\\n", " ") for block in _BLOCK.findall(text)]
        lines = [line for block in blocks for line in block.splitlines()] + _INLINE.findall(text)
        for line in lines:
            command = line.partition("  #")[0].strip()
            if command and not command.startswith("#"):
                yield page.name, command


COMMANDS = sorted(set(commands()))


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=[f"{page}: {text}" for page, text in COMMANDS])
def test_a_command_in_the_documentation(page: str, command: str) -> None:
    words = [word for word in shlex.split(command.partition(" > ")[0].partition(" | ")[0]) if word != "…"]
    while "=" in words[0]:  # environment
        words.pop(0)
    program = words[0].removeprefix(".venv/bin/")
    checks = {
        "make": is_target,
        "pulumi": is_pulumi,
        "aws": is_aws,
        "python": is_module,
        "python3": is_module,
    }
    if program in checks:
        checks[program](words[1:])
    else:
        assert program in {"rm", "ssh-keygen", "curl"}, f"{page}: what is {program}?"


def is_target(words: list[str]) -> None:
    targets = re.findall(r"^([a-z0-9]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert {word for word in words if "=" not in word} <= set(targets)


def is_pulumi(words: list[str]) -> None:
    if words[:2] == ["config", "set"] and not words[2].startswith(("aws:", "-")) and len(words) > 2:
        assert words[2] in yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())["config"]
    assert words[0] in {"config", "destroy", "login", "preview", "refresh", "stack", "up"}


def is_module(words: list[str]) -> None:
    if words[0].endswith(".pyz"):
        cli._parser().parse_args(words[1:])
        return
    assert words[0] == "-m"
    module, arguments = words[1], [_PLACEHOLDERS.get(word, word) for word in words[2:]]
    if module == "synology_setup" and arguments:
        if arguments != ["check"] and "--version" not in arguments:
            command_line._parser().parse_args(arguments)
    elif module not in {"pip", "venv", "pytest", "synology_setup"}:
        path = PROJECT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()


def is_aws(words: list[str]) -> None:
    """The AWS command line's services, operations and options are botocore's, in kebab case."""
    service, operation, *rest = words
    model = botocore.session.get_session().get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    assert operation in names
    shape = model.operation_model(names[operation]).input_shape
    known = {f"--{xform_name(name, '-')}" for name in (shape.members if shape else ())}
    own = {"--query", "--output", "--cli-read-timeout", "--cli-binary-format"}
    assert {word for word in rest if word.startswith("--")} <= known | own


def test_there_are_commands_of_each_kind() -> None:
    texts = [text for _, text in COMMANDS]
    for beginning in ("make ", "pulumi ", "aws ", "AWS_MAX_ATTEMPTS", ".venv/bin/python -m synology_setup"):
        assert any(text.startswith(beginning) for text in texts), beginning


def test_every_error_message_is_on_its_page() -> None:
    assert messages.PAGE.read_text(encoding="utf-8") == messages.page(), "run python -m docs.scripts.messages"
    text = messages.page()
    for part in ("has no Python 3.8 or later", "sudo on … did not accept the password", "AWS refused"):
        assert part in text.replace("\\", "")


def test_the_version_stands_in_one_place() -> None:
    about = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    assert about["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "synology_agent.__version__"}
    assert "version" not in about["project"]


def test_readme_is_short() -> None:
    assert len((PROJECT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


def test_the_site_has_every_page() -> None:
    navigation = (PROJECT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (PROJECT / "docs").glob("*.md"):
        assert page.name in navigation
