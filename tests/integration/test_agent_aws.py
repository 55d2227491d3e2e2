"""The agent's requests, as the local AWS takes them: signatures, policies, keys, faults and clocks."""

from __future__ import annotations

import http.client
import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest

from infrastructure.policies import nas_policy
from local_cloud.acme import Pebble
from local_cloud.dsm.issuing import Issuer, issue
from local_cloud.fault_proxy import Fault, FaultKind, FaultProxy
from local_cloud.ministack.server import REGION, Credentials, LocalAws
from local_cloud.processes import LOOPBACK
from synology_agent import aws as module
from synology_agent.aws import Aws, Metric
from synology_agent.config import SERVICES, AccessKey, Config
from synology_agent.dsm import Dsm
from synology_agent.errors import AwsError, AwsRefused, ClockWrong
from tests.integration.agent_bench import NAMES, NAMESPACE, Nas, Secret


def client(endpoint: str, *keys: Credentials, **options: Any) -> Aws:
    config = Config(
        region=REGION,
        access_keys=tuple(AccessKey(*key) for key in keys),
        endpoints=dict.fromkeys(SERVICES, endpoint),
        ca_file=None,
        metric_namespace=NAMESPACE,
        certificates=(),
    )
    return Aws(config, **{"say": lambda _: None, **options})


def refusal(aws: Aws, secret: Secret, kind: type[AwsError] = AwsRefused) -> str:
    with pytest.raises(AwsError) as refused:
        aws.current_version(secret.arn)
    assert type(refused.value) is kind
    return str(refused.value)


class Gate:
    """AWS's clock before the local AWS, which has none: a request of another time is refused as AWS does.

    Attributes:
        now: what it takes the time for.
        bodies: of the requests that passed.
        endpoint: its URL.
    """

    def __init__(self, target: str) -> None:
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.bodies: list[bytes] = []
        host = urlsplit(target).netloc
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                stamp = self.headers["X-Amz-Date"]
                asked = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
                if abs(asked - gate.now()) > timedelta(minutes=5):
                    message = f"Signature expired: {stamp} is now earlier than {gate.now():%Y%m%dT%H%M%SZ}"
                    problem = {"__type": "InvalidSignatureException", "message": message}
                    self.answer(400, json.dumps(problem).encode())
                    return
                gate.bodies.append(body)
                with closing(http.client.HTTPConnection(host)) as connection:
                    connection.request("POST", self.path, body, dict(self.headers.items()))
                    answer = connection.getresponse()
                    self.answer(answer.status, answer.read())

            def answer(self, status: int, content: bytes) -> None:
                self.send_response(status)  # with the header Date
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def date_time_string(self, timestamp: float | None = None) -> str:
                return super().date_time_string(gate.now().timestamp() if timestamp is None else timestamp)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.endpoint = f"http://{LOOPBACK}:{self._server.server_port}/"
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def gate(local_aws: LocalAws) -> Iterator[Gate]:
    made = Gate(local_aws.endpoint)
    yield made
    made.stop()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses so far; none of them takes time."""
    made: list[float] = []
    monkeypatch.setattr(time, "sleep", made.append)
    return made


# What is asked


def test_only_the_current_version_is_asked_for(gate: Gate, local_aws: LocalAws, secret: Secret) -> None:
    version = secret.put("current")
    local_aws.client("secretsmanager").put_secret_value(
        SecretId=secret.arn, SecretString="pending", VersionStages=["AWSPENDING"]
    )
    aws = client(gate.endpoint, secret.credentials)
    assert aws.current_version(secret.arn) == version
    assert aws.current_document(secret.arn) == (version, "current")
    assert aws.calls == 2
    # The key's policy refuses a request that names no stage.
    assert json.loads(gate.bodies[1]) == {"SecretId": secret.arn, "VersionStage": "AWSCURRENT"}
    assert b"PENDING" not in b"".join(gate.bodies)


def test_a_secret_without_a_version_has_none(local_aws: LocalAws, secret: Secret) -> None:
    aws = client(local_aws.endpoint, secret.credentials)
    assert aws.current_version(secret.arn) == ""
    with pytest.raises(AwsRefused, match="there is no such secret"):
        aws.current_document(secret.arn)


def test_the_values_of_metrics_arrive(local_aws: LocalAws, secret: Secret) -> None:
    name = f"{uuid.uuid4()}.example.com"
    metrics = [Metric("LifeLeft", name, 0.6667), Metric("DaysLeft", name, 60.0)]
    aws = client(local_aws.endpoint, secret.credentials)
    aws.put_metrics(NAMESPACE, metrics)
    assert aws.calls == 1
    for metric in metrics:
        (found,) = local_aws.client("cloudwatch").get_metric_statistics(
            Namespace=NAMESPACE,
            MetricName=metric.name,
            Dimensions=[{"Name": "certificate", "Value": name}],
            StartTime=datetime.now(UTC) - timedelta(hours=1),
            EndTime=datetime.now(UTC) + timedelta(hours=1),
            Period=3600,
            Statistics=["Minimum", "SampleCount"],
        )["Datapoints"]
        assert (found["Minimum"], found["SampleCount"], found["Unit"]) == (metric.value, 1, "None")


def test_the_namespace_of_another_nas_is_closed(
    local_aws: LocalAws, secret: Secret, pauses: list[float]
) -> None:
    aws = client(local_aws.endpoint, secret.credentials)
    with pytest.raises(AwsRefused, match=r"PutMetricData to another/nas: AccessDenied: .*run `pulumi up`"):
        aws.put_metrics("another/nas", [Metric("DaysLeft", "example.com", 60.0)])
    assert len(pauses) == module.REFUSED_TRIES - 1
    listed = local_aws.client("cloudwatch").list_metrics(Namespace="another/nas")
    assert listed["Metrics"] == []


def test_a_run_with_nothing_to_do_asks_aws_once_a_certificate_and_dsm_once(
    nas: Nas, local_aws: LocalAws, ca: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = [Secret(local_aws), Secret(local_aws)]
    names = [NAMES, ["other.test"]]
    for secret, of_it in zip(secrets, names, strict=True):
        secret.put_pair(issue(of_it, issuer=ca))
    policies = [nas_policy(certificate_arns=[secret.arn], metric_namespace=NAMESPACE) for secret in secrets]
    statements = [
        {**statement, "Sid": f"{statement['Sid']}{number}"}
        for number, policy in enumerate(policies)
        for statement in policy["Statement"]
    ]
    both = local_aws.user(f"nas-{uuid.uuid4()}", {"Version": "2012-10-17", "Statement": statements})
    wanted = [nas.wanted(secrets[0]), nas.wanted(secrets[1], entry="other", names=names[1])]
    nas.configure(*wanted, credentials=both, metric_namespace=NAMESPACE)
    code, output = nas.run()
    assert code == 0, output
    assert nas.proxy.operations == ["DescribeSecret", "GetSecretValue"] * 2 + ["PutMetricData"]
    nas.proxy.operations.clear()
    asked, ask = [], Dsm.web_api

    def count(dsm: Dsm, api: str, method: str, version: int, **values: Any) -> dict[str, Any]:
        asked.append(f"{api} {method}")
        return ask(dsm, api, method, version, **values)

    monkeypatch.setattr(Dsm, "web_api", count)
    code, output = nas.run()
    assert code == 0, output
    assert nas.proxy.operations == ["DescribeSecret"] * 2 + ["PutMetricData"]
    assert len(asked) == len(set(asked)) == 3


# Keys


@pytest.mark.parametrize("state", ["wrong secret", "unknown", "Inactive", "deleted"])
def test_a_refused_key_and_a_good_second_one(
    local_aws: LocalAws, secret: Secret, pauses: list[float], state: str
) -> None:
    version, iam = secret.put("text"), local_aws.client("iam")
    first = second_key_of(iam, secret)
    if state == "wrong secret":
        first = first._replace(secret_key="w" * 40)
    elif state == "unknown":
        first = first._replace(access_key="AKIAIOSFODNN7EXAMPLE")
    elif state == "Inactive":
        iam.update_access_key(UserName=secret.user, AccessKeyId=first.access_key, Status=state)
    else:
        iam.delete_access_key(UserName=secret.user, AccessKeyId=first.access_key)

    alone = client(local_aws.endpoint, first)
    message = refusal(alone, secret)
    assert "the access key in the config" in message or "the secret access key in the config" in message
    assert first.secret_key not in message
    assert alone.calls == module.REFUSED_TRIES
    assert sum(pauses) < 3

    said: list[str] = []
    aws = client(local_aws.endpoint, first, secret.credentials, say=said.append)
    assert aws.current_document(secret.arn) == (version, "text")
    assert aws.calls == 2
    assert f"AWS refused the access key {first.access_key}" in said[0]
    assert "was refused before" in refusal(client(local_aws.endpoint, first, first), secret)


def second_key_of(iam: Any, secret: Secret) -> Credentials:
    key = iam.create_access_key(UserName=secret.user)["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


@pytest.mark.parametrize("late", ["key", "policy"])
def test_a_key_that_iam_spreads_slowly(
    local_aws: LocalAws, secret: Secret, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    version, iam = secret.put("text"), local_aws.client("iam")
    name = f"nas-{uuid.uuid4()}"
    policy = nas_policy(certificate_arns=[secret.arn], metric_namespace=NAMESPACE)
    nothing = {**policy, "Statement": policy["Statement"][-1:]}
    made = local_aws.user(name, policy if late == "key" else nothing)
    if late == "key":
        iam.update_access_key(UserName=name, AccessKeyId=made.access_key, Status="Inactive")
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 6 and late == "key":
            iam.update_access_key(UserName=name, AccessKeyId=made.access_key, Status="Active")
        elif len(pauses) == 6:
            iam.put_user_policy(UserName=name, PolicyName="policy", PolicyDocument=json.dumps(policy))

    monkeypatch.setattr(time, "sleep", sleep)
    aws = client(local_aws.endpoint, made, patient=True)
    assert aws.current_document(secret.arn) == (version, "text")
    assert (aws.calls, len(pauses)) == (7, 6)


# Faults


@pytest.fixture
def faults(local_aws: LocalAws, server: Pebble, tmp_path: Path) -> Iterator[FaultProxy]:
    with FaultProxy(local_aws.endpoint, server.directory_url, server.ca_root, tmp_path / "proxy") as proxy:
        yield proxy


@pytest.mark.parametrize("point", ["DescribeSecret#1", "GetSecretValue#1", "PutMetricData#1"])
@pytest.mark.parametrize("kind", [FaultKind.ERROR, FaultKind.THROTTLE, FaultKind.CUT])
def test_a_fault_that_passes_is_not_noticed(
    faults: FaultProxy, secret: Secret, pauses: list[float], point: str, kind: FaultKind
) -> None:
    version = secret.put("text")
    recording = faults.record(Fault(point, kind))
    aws = client(faults.aws_endpoint, secret.credentials)
    assert aws.current_version(secret.arn) == version
    assert aws.current_document(secret.arn) == (version, "text")
    aws.put_metrics(NAMESPACE, [Metric("DaysLeft", "example.com", 60.0)])
    assert recording.injected
    assert len(pauses) == 1
    operation = point.partition("#")[0]
    assert f"{operation}#2" in recording.points
    assert aws.calls == 4


def test_an_answer_that_is_late_is_asked_for_again(
    faults: FaultProxy, secret: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = secret.put("text")
    monkeypatch.setattr(module, "_TIMEOUT_SECONDS", 0.5)
    faults.record(Fault("DescribeSecret#1", FaultKind.LATE, late_seconds=1.0))
    aws = client(faults.aws_endpoint, secret.credentials)
    assert aws.current_version(secret.arn) == version
    assert aws.calls == 2


# The clock


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_skewed_clock_is_corrected_once_for_all_that_follows(
    gate: Gate, secret: Secret, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    version = secret.put("text")
    wrong = timedelta(hours=hours)
    monkeypatch.setattr(module, "_now", lambda: datetime.now(UTC) + wrong)
    said: list[str] = []
    aws = client(gate.endpoint, secret.credentials, say=said.append)
    assert aws.current_version(secret.arn) == version
    assert aws.current_document(secret.arn) == (version, "text")
    aws.put_metrics(NAMESPACE, [Metric("DaysLeft", "example.com", 60.0)])
    assert aws.calls == 4
    assert abs(aws.clock_skew() + wrong) < timedelta(seconds=30)
    (line,) = said
    assert "corrected for this run" in line


def test_a_clock_years_off_is_named(gate: Gate, secret: Secret) -> None:
    gate.now = lambda: datetime.now(UTC) + timedelta(days=3 * 365)
    aws = client(gate.endpoint, secret.credentials, patient=True)
    message = refusal(aws, secret, ClockWrong)
    assert f"the NAS's clock says {datetime.now(UTC):%Y-%m-%d} " in message
    assert f"and AWS's {gate.now():%Y-%m-%d} " in message
    assert aws.calls == 1
