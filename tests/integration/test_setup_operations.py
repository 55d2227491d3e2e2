"""`python -m synology_setup renew|report|revoke` against a stack on the local AWS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infrastructure.bundle import LOCAL, build_bundle
from local_cloud.acme import Pebble
from local_cloud.dns_server import DnsServer
from local_cloud.ministack.server import LocalAws
from local_cloud.processes import LOOPBACK
from local_cloud.stack import deploy

PROJECT = Path(__file__).parents[2]
BUILD = PROJECT / "build"
NAME = "example.com"

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True)
class Stack:
    aws: LocalAws
    outputs: dict[str, Any]

    def current(self) -> dict[str, Any]:
        secret = self.outputs["certificates"][NAME]["request"]["secret"]
        answer = self.aws.client("secretsmanager").get_secret_value(SecretId=secret)
        return dict(json.loads(answer["SecretString"]))


@pytest.fixture(scope="module")
def stack(pebble: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    work = tmp_path_factory.mktemp("acme")
    with LocalAws(BUILD) as aws:
        route53 = aws.client("route53")
        route53.create_hosted_zone(Name=NAME, CallerReference="1")
        with DnsServer(route53) as dns, Pebble(pebble, work, dns.port, 90 * 86_400) as acme:
            config = {
                "directory": acme.directory_url,
                "ca_root": acme.ca_root.read_text(),
                "key_type": "ec256",
            }
            resolver = f"{LOOPBACK}:{dns.port}"
            bundle = build_bundle(LOCAL, BUILD)
            yield Stack(aws, deploy(aws, config, local_bundle=bundle, resolver=resolver))


@pytest.fixture
def run(stack: Stack, tmp_path: Path) -> Command:
    """Run the command with the operator's AWS credentials, and the outputs in a file unless it says not."""
    outputs = tmp_path / "outputs.json"
    outputs.write_text(json.dumps(stack.outputs))
    environment = {
        "PATH": f"{tmp_path}{os.pathsep}{os.defpath}",
        "HOME": str(tmp_path),
        **stack.aws.operator_environment(),
    }

    def command(*arguments: str, file: bool = True) -> subprocess.CompletedProcess[str]:
        source = ["--outputs", str(outputs)] if file else []
        done = subprocess.run(
            [sys.executable, "-m", "synology_setup", *arguments, *source],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "PRIVATE KEY" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return command


def fields(text: str) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in text.splitlines())


def test_report_shows_what_is_current_and_changes_nothing(stack: Stack, run: Command) -> None:
    before = stack.current()
    done = run("report", NAME)
    assert done.returncode == 0, done.stderr
    assert fields(done.stdout)["serial"] == before["serial"]
    assert "two thirds of its lifetime" in fields(done.stdout)["reason"]
    assert stack.current() == before


def test_renew_says_that_it_is_not_due_and_renews_by_force(stack: Stack, run: Command) -> None:
    before = stack.current()
    done = run("renew", NAME)
    assert (done.returncode, fields(done.stdout)["renewed"]) == (0, "False")
    assert stack.current() == before
    done = run("renew", NAME, "--force")
    assert (done.returncode, fields(done.stdout)["renewed"]) == (0, "True"), done.stderr
    assert stack.current()["serial"] == fields(done.stdout)["serial"] != before["serial"]


def test_the_outputs_come_from_pulumi_where_no_file_is_named(
    stack: Stack, run: Command, tmp_path: Path
) -> None:
    missing = run("report", NAME, file=False)
    assert missing.returncode == 1
    assert "pulumi is not on PATH" in missing.stderr
    pulumi = tmp_path / "pulumi"
    expected = "stack output --json --stack home"
    pulumi.write_text(f'#!/bin/sh\n[ "$*" = "{expected}" ] && exec cat "{tmp_path}/outputs.json"\nexit 1\n')
    pulumi.chmod(0o755)
    done = run("report", NAME, "--stack", "home", file=False)
    assert done.returncode == 0, done.stderr
    assert fields(done.stdout)["serial"] == stack.current()["serial"]


def test_revoke_replaces_first_and_can_be_repeated(stack: Stack, run: Command) -> None:
    doomed = stack.current()["serial"]
    asked = run("revoke", NAME)
    assert asked.returncode == 1
    assert "--yes" in asked.stderr
    assert stack.current()["serial"] == doomed
    done = run("revoke", NAME, "--yes", "--reason", "keyCompromise")
    assert done.returncode == 0, done.stderr
    assert stack.current()["serial"] != doomed
    assert doomed in stack.current()["revoked_serials"]
    replacement = stack.current()["serial"]
    again = run("revoke", NAME, "--yes", "--reason", "keyCompromise", "--serial", doomed)
    assert again.returncode == 0, again.stderr
    assert stack.current()["serial"] == replacement


def test_a_failed_run_is_a_failed_command_with_the_renewers_reason(stack: Stack, run: Command) -> None:
    before = stack.current()
    done = run("revoke", NAME, "--yes", "--serial", "abc123")
    assert done.returncode == 1
    assert "serial is 'abc123'" in done.stderr
    assert "run the same command with --serial abc123" in done.stderr
    assert stack.current() == before


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("report", "other.example"), 1, "the stack has no certificate 'other.example'; it has example.com"),
        (("renew",), 2, "required: NAME"),
        (("revoke", NAME, "--reason", "bored"), 2, "keyCompromise"),
        ((), 2, "COMMAND"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(
    run: Command, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = run(*arguments, file=bool(arguments))
    assert done.returncode == code
    assert words in done.stderr


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"region": "x", "renewer": "y", "certificates": []}'])
def test_outputs_of_something_else_are_refused(run: Command, tmp_path: Path, text: str) -> None:
    other = tmp_path / "other.json"
    other.write_text(text)
    done = run("report", NAME, "--outputs", str(other), file=False)
    assert done.returncode == 1
    assert "other.json" in done.stderr
