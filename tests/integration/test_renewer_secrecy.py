"""No output of the renewal Lambda holds a private key, however a run ends."""

from __future__ import annotations

from typing import Any

import pytest

from lambda_renewer.acme_client import AcmeClient
from lambda_renewer.document import EMPTY
from lambda_renewer.errors import AcmeError
from local_cloud.acme import Pebble
from local_cloud.dns_server import DnsServer
from local_cloud.ministack.server import LocalAws
from tests.renewer_bench import NEXT_RUN, SOON, Renewer, make_renewer


def test_no_output_holds_a_key(renewer: Renewer) -> None:
    runs: list[dict[str, Any]] = [{"key_type": "rsa2048"}, {"key_type": "rsa2048", **SOON}, {}]
    output = [renewer.end(renewer.start(**changes)) for changes in runs]
    failed = renewer.start(domains=[f"other.{renewer.domain}"])  # its record's name is not allowed
    output.append(renewer.end(failed))
    assert failed.returncode != 0
    assert '"message":"done"' in output[0]
    assert '"message":"failed"' in output[-1]
    assert len(renewer.forbidden()) > 5
    assert not [key for key in renewer.forbidden() for text in output if key in text]


def test_a_key_that_is_told_would_be_found(renewer: Renewer) -> None:
    """The check that every run of these tests passes fails on each key that a run could have told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AcmeClient, "finalize", _fail)
        with pytest.raises(AcmeError):
            renewer.run()
    renewer.run(later=NEXT_RUN)
    renewer.run(later=NEXT_RUN, force=True)
    keys = renewer.forbidden()
    assert len(keys) > 5
    for key in keys:
        with pytest.raises(AssertionError):
            renewer.assert_silent(f"{renewer.said[0]} {key}")


def _fail(*_: object) -> None:
    raise AcmeError("not today")


def test_a_certificate_that_cannot_be_stored_is_not_told_either(
    local_aws: LocalAws, server: Pebble, dns: DnsServer
) -> None:
    def allow(policy: dict[str, Any]) -> dict[str, Any]:
        denied = {
            "Sid": "No",
            "Effect": "Deny",
            "Action": "secretsmanager:PutSecretValue",
            "Resource": next(
                arn
                for statement in policy["Statement"]
                if statement["Sid"] == "KeepSecrets"
                for arn in statement["Resource"]
                if "certificate" in arn
            ),
        }
        return {**policy, "Statement": [*policy["Statement"], denied]}

    renewer = make_renewer(local_aws, server, dns.port, allow)
    local_aws.client("secretsmanager").put_secret_value(SecretId=renewer.certificate_arn, SecretString=EMPTY)
    process = renewer.start()
    output = renewer.end(process)
    assert process.returncode != 0
    assert "AccessDenied: AWS refused PutSecretValue" in output
    assert "PRIVATE KEY" not in output
    assert renewer.accounts()[server.directory_url]["key"]["d"] not in output
    assert renewer.stages(renewer.certificate_arn).keys() == {"AWSCURRENT"}
    assert renewer.secret_text(renewer.certificate_arn) == EMPTY
    assert renewer.challenge_records() == []
    assert "the failure was not recorded" in output
