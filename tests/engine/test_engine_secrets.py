"""A value that a program marks secret: encrypted in the state, absent from all that the engine says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pulumi
import pulumi_aws
import pytest
from pulumi.automation import CommandError

from local_cloud.engine.stack import EngineStack
from local_cloud.ministack.server import LocalAws

VALUE = "the-plain-text-of-a-secret"


def program() -> None:
    secret = pulumi_aws.secretsmanager.Secret("kept", description=pulumi.Output.secret(VALUE))
    pulumi.export("description", secret.description)


def engine(cli: Path, folder: Path, aws: LocalAws) -> EngineStack:
    unused = folder / "none.zip"
    return EngineStack(
        cli, folder, aws.endpoint, local_bundle=unused, resolver="127.0.0.1:9", program=program
    )


def test_a_secret_value_is_encrypted_in_the_state_and_not_said(
    cli: Path, aws: LocalAws, tmp_path: Path
) -> None:
    stack = engine(cli, tmp_path, aws)
    stack.preview()
    done = stack.up()
    stack.refresh()
    assert done.outputs["description"] == VALUE  # the owner of the passphrase reads it
    (made,) = aws.client("secretsmanager").list_secrets()["SecretList"]
    assert made["Description"] == VALUE
    states = [path for path in stack.state_files if path.name == "dev.json"]
    assert states
    assert '"ciphertext"' in states[0].read_text()
    assert not [path for path in stack.state_files if VALUE in path.read_text(errors="replace")]
    assert not [line for line in stack.said if VALUE in line]
    stack.destroy()


def unknown_type() -> None:
    pulumi_aws.sqs.Queue("queue")


def misspelt() -> None:
    pulumi.CustomResource("aws:secretsmanager/secret:Secret", "x", {"nmae": "typo"})


def missing() -> None:
    pulumi.CustomResource("aws:iam/role:Role", "x", {"description": "no trust policy"})


@pytest.mark.parametrize(
    ("faulty", "said"),
    [
        (unknown_type, "no resource type aws:sqs/queue:Queue"),
        (misspelt, "nmae: pulumi_aws's aws:secretsmanager/secret:Secret has no such property"),
        (missing, "assumeRolePolicy: a required property is missing"),
    ],
)
def test_the_provider_refuses_what_it_does_not_know(
    cli: Path, aws: LocalAws, tmp_path: Path, faulty: Callable[[], None], said: str
) -> None:
    stack = EngineStack(
        cli,
        tmp_path,
        aws.endpoint,
        local_bundle=tmp_path,
        resolver="127.0.0.1:9",
        program=faulty,
    )
    with pytest.raises(CommandError) as refused:
        stack.preview()
    assert said in str(refused.value)
