"""What keeps the agent from an install: a document that is not fit, AWS, the config, another run."""

from __future__ import annotations

import fcntl
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lambda_renewer.document import EMPTY, write_revoked
from local_cloud.dsm.issuing import Issuer, issue, make_issuer
from local_cloud.dsm.tree import Pair
from local_cloud.ministack.server import LocalAws
from local_cloud.processes import free_port
from tests.agent_documents import leaf_of
from tests.integration.agent_bench import NAMES, NAMESPACE, Nas, Secret


def test_a_certificate_that_a_browser_would_refuse_does_not_reach_dsm(
    nas: Nas, secret: Secret, ca: Issuer, root_ca: Issuer
) -> None:
    good = issue(NAMES, issuer=ca)
    nas.serve(secret)
    before, served = nas.files(), nas.served()
    for new, code, words in (
        (
            issue(["other.test"], issuer=ca),
            36,
            "it is not good for example.com, *.example.com, only for other.test",
        ),
        (Pair(good.leaf, good.chain, issue(NAMES, issuer=ca).key), 32, "do not go together"),
        (issue(NAMES, issuer=ca, days=0), 37, "it expired at "),
        (
            issue(NAMES, issuer=make_issuer(issuer=make_issuer("Other Root"))),
            41,
            "No root that this NAS trusts",
        ),
        (Pair(good.leaf, root_ca.certificate, good.key), 35, "the chain holds the root 'Simulated Root'"),
        (Pair(good.leaf, good.chain + root_ca.certificate, good.key), 35, "the chain holds the root"),
        (Pair(good.leaf, make_issuer(issuer=root_ca).certificate, good.key), 33, "the chain lacks "),
    ):
        secret.put_pair(new)
        exit_code, output = nas.run()
        assert exit_code == code, output
        assert words in output
        assert nas.files() == before
        assert nas.served() == served
        assert nas.is_clean()


def test_a_document_that_contradicts_itself_does_not_reach_dsm(nas: Nas, secret: Secret, ca: Issuer) -> None:
    nas.serve(secret)
    before = nas.files()
    secret.put_pair(issue(NAMES, issuer=ca), fingerprint_sha256="0" * 64)
    assert nas.run()[0] == 30
    secret.put(json.dumps({"schema": 2}))
    code, output = nas.run()
    assert code == 31
    assert "has schema 2, and this agent knows 1: update the agent" in output
    assert nas.files() == before


def test_states_without_a_certificate_keep_what_is_served(nas: Nas, secret: Secret, ca: Issuer) -> None:
    nas.serve(secret)
    code, output = nas.run()
    assert code == 10, output
    assert "example.com: FAILED: nothing is issued yet" in output
    secret.put(EMPTY)
    assert nas.run()[0] == 10
    new = issue(NAMES, issuer=ca)
    secret.put_pair(new)
    assert nas.run()[0] == 0
    secret.put(write_revoked(("2a",)))
    code, output = nas.run()
    assert code == 11, output
    assert "the certificate was revoked, and a new one is coming" in output
    assert "Installed last was serial " in output
    assert nas.everywhere() == {leaf_of(new)}
    assert nas.is_clean()


def test_an_older_certificate_is_refused_unless_allowed(nas: Nas, secret: Secret, ca: Issuer) -> None:
    nas.serve(secret)
    old, new = issue(NAMES, issuer=ca), issue(NAMES, issuer=ca)
    secret.put_pair(new)
    assert nas.run()[0] == 0
    before = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
    secret.put_pair(old, issued_at=before)
    code, output = nas.run()
    assert code == 39, output
    assert nas.everywhere() == {leaf_of(new)}
    assert nas.run("run", "--allow-older")[0] == 0
    assert nas.everywhere() == {leaf_of(old)}


# AWS refuses


def test_another_certificates_secret_is_refused_with_advice(
    nas: Nas, secret: Secret, local_aws: LocalAws
) -> None:
    other = Secret(local_aws)
    nas.configure(nas.wanted(other), credentials=secret.credentials)
    code, output = nas.run()
    assert code == 21, output
    assert other.arn in output
    assert "AccessDeniedException" in output
    assert "does `pulumi stack output` show this secret?" in output


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"secret_key": "w" * 40}, "the secret access key in the config is wrong, or the NAS's clock is"),
        ({"access_key": "AKIAIOSFODNN7EXAMPLE"}, "AWS does not know the access key"),
    ],
)
def test_a_wrong_key_is_refused_with_advice_and_a_second_one_is_tried(
    nas: Nas, secret: Secret, ca: Issuer, wrong: dict[str, str], words: str
) -> None:
    secret.put_pair(issue(NAMES, issuer=ca))
    credentials = secret.credentials._replace(**wrong)
    nas.configure(nas.wanted(secret), credentials=credentials)
    code, output = nas.run()
    assert code == 21, output
    assert words in output
    second = {
        "second_access_key_id": secret.credentials.access_key,
        "second_secret_access_key": secret.credentials.secret_key,
    }
    nas.configure(nas.wanted(secret), credentials=credentials, **second)
    code, output = nas.run()
    assert code == 0, output
    assert "trying the second one" in output


def test_a_key_that_was_taken_out_of_use(nas: Nas, secret: Secret, local_aws: LocalAws) -> None:
    iam = local_aws.client("iam")
    key = {"UserName": secret.user, "AccessKeyId": secret.credentials.access_key}
    nas.serve(secret)
    iam.update_access_key(Status="Inactive", **key)
    assert nas.run()[0] == 21
    iam.delete_access_key(**key)
    assert nas.run()[0] == 21


def test_without_aws_nothing_happens(nas: Nas, secret: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synology_agent.aws.PAUSE_SECONDS", 0.01)
    endpoint = f"http://127.0.0.1:{free_port()}"
    nas.configure(nas.wanted(secret), credentials=secret.credentials, endpoint=endpoint)
    before = nas.files()
    code, output = nas.run()
    assert code == 20, output
    assert "AWS could not be asked (DescribeSecret of " in output
    assert endpoint in output
    assert nas.files() == before


def test_metrics_are_sent_once_a_run_and_their_failure_is_none(
    nas: Nas, secret: Secret, ca: Issuer, local_aws: LocalAws
) -> None:
    secret.put_pair(issue(NAMES, issuer=ca))
    fields: dict[str, Any] = {"credentials": secret.credentials}
    nas.configure(nas.wanted(secret), metric_namespace=NAMESPACE, **fields)
    assert nas.run()[0] == 0
    assert nas.proxy.operations == ["DescribeSecret", "GetSecretValue", "PutMetricData"]
    nas.proxy.operations.clear()
    assert nas.run()[0] == 0
    assert nas.proxy.operations == ["DescribeSecret", "PutMetricData"]
    wanted = [{"Name": "certificate", "Value": "example.com"}]
    listed = local_aws.client("cloudwatch").list_metrics(Namespace=NAMESPACE)["Metrics"]
    assert {one["MetricName"] for one in listed if one["Dimensions"] == wanted} == {"LifeLeft", "DaysLeft"}

    nas.configure(nas.wanted(secret), metric_namespace="another's", **fields)
    code, output = nas.run()
    assert code == 0, output
    assert "the metrics were not sent: AWS refused PutMetricData to another's: AccessDenied" in output


# The config


def test_a_config_that_is_open_to_others_is_refused(nas: Nas, secret: Secret) -> None:
    nas.serve(secret)
    nas.config.chmod(0o644)
    code, output = nas.run()
    assert code == 2
    assert f"run `chmod 600 {nas.config}`" in output
    assert nas.proxy.operations == []


def test_an_entry_that_is_not_the_one_is_refused(nas: Nas, secret: Secret, ca: Issuer) -> None:
    for name in ("twin.test", "www.example.com", "nas.example.com"):
        nas.dsm.add_entry("twin", issue([name], issuer=ca))
    for entry, words in (
        ("twin", "entry is 'twin', and DSM has several certificates of that description: "),
        (
            nas.dsm.quickconnect_id,
            f"entry is {nas.dsm.quickconnect_id!r}, which is QuickConnect's own certificate and is never",
        ),
    ):
        nas.serve(secret, entry=entry)
        code, output = nas.run()
        assert code == 2, output
        assert words in output
    assert nas.proxy.operations == []


def test_a_second_run_ends_at_once(nas: Nas, secret: Secret) -> None:
    nas.serve(secret)
    (nas.home / "state").mkdir()
    with (nas.home / "state" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, output = nas.run()
        assert nas.run("rollback")[0] == 3
    assert (code, output) == (
        3,
        "FAILED: another run is under way; this one ends without doing anything\n",
    )
    assert nas.proxy.operations == []
