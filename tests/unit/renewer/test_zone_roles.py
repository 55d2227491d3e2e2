"""A hosted zone of another AWS account: real boto3 clients in a session of its role, and an AWS of ours."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import boto3
import pytest

from lambda_renewer import run as renewer_run
from lambda_renewer.aws import Aws
from lambda_renewer.errors import AccessDenied, AwsError
from lambda_renewer.waiting import Deadline
from local_cloud.processes import LOOPBACK
from tests.unit.renewer.samples import request

ROLE, OTHER_ROLE = "arn:aws:iam::210987654321:role/dns", "arn:aws:iam::210987654321:role/other"
ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>
<SessionToken>token-of-{key}</SessionToken><Expiration>2027-01-01T00:00:00Z</Expiration></Credentials>
<AssumedRoleUser><Arn>a</Arn><AssumedRoleId>i</AssumedRoleId></AssumedRoleUser>
</AssumeRoleResult></AssumeRoleResponse>"""
INSYNC = """<GetChangeResponse><ChangeInfo><Id>/change/C1</Id><Status>INSYNC</Status>
<SubmittedAt>2026-11-25T02:00:00Z</SubmittedAt></ChangeInfo></GetChangeResponse>"""
REFUSED = """<ErrorResponse><Error><Code>{code}</Code><Message>User: x is not authorized</Message></Error>
</ErrorResponse>"""


class TwoServices:
    """STS and Route 53.

    Attributes:
        asked: what STS was asked, a form a request.
        signed: key id and session token of each request to Route 53.
        refusals: service -> the code with which it refuses.
        cuts: how many answers of STS end before their end.
    """

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.signed: list[tuple[str, str | None]] = []
        self.refusals: dict[str, str] = {}
        self.cuts = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                service = "route53" if self.path.startswith("/2013-04-01/") else "sts"
                text = outer.sts(body) if service == "sts" else outer.route53(self.headers)
                code = outer.refusals.get(service)
                content = (REFUSED.format(code=code) if code else text).encode()
                self.send_response(403 if code else 200)
                cut = service == "sts" and len(outer.asked) <= outer.cuts
                self.send_header("Content-Length", str(len(content) + (10 if cut else 0)))
                self.end_headers()
                self.close_connection = True
                self.wfile.write(content)

            do_GET = do_POST = answer  # noqa: N815 - the names that http.server asks for

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer((LOOPBACK, 0), Handler)

    def sts(self, body: str) -> str:
        self.asked.append({name: values[0] for name, values in parse_qs(body).items()})
        return ASSUMED.format(key=f"ASIA{len(self.asked)}")

    def route53(self, headers: object) -> str:
        found = dict(headers.items())  # type: ignore[attr-defined]
        key = re.search(r"Credential=(\w+)/", found["Authorization"])
        assert key
        self.signed.append((key[1], found.get("X-Amz-Security-Token")))
        return INSYNC


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoServices]:
    made = TwoServices()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{made.server.server_port}",
        "AWS_ACCESS_KEY_ID": "AKIAOWN",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "NO_PROXY": "*",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials it saw first
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def clients() -> Aws:
    return Aws(0, Deadline(60))


def test_a_zone_of_this_account_is_reached_with_the_lambdas_own_credentials(aws: TwoServices) -> None:
    clients().route53(None).get_change(Id="C1")
    assert aws.signed == [("AKIAOWN", None)]
    assert aws.asked == []


def test_a_zone_of_another_account_is_reached_in_a_session_of_its_role(aws: TwoServices) -> None:
    clients().route53(ROLE).get_change(Id="C1")
    assert aws.signed == [("ASIA1", "token-of-ASIA1")]
    (asked,) = aws.asked
    assert (asked["Action"], asked["RoleArn"], asked["DurationSeconds"]) == ("AssumeRole", ROLE, "900")
    assert asked["RoleSessionName"] == "synology-https-renewer"


def test_one_session_a_role_serves_the_whole_run_and_no_other_run(aws: TwoServices) -> None:
    run, next_run = clients(), clients()
    for one in (run, run, next_run):
        for role in (ROLE, OTHER_ROLE, None):
            one.route53(role).get_change(Id="C1")
    assert [asked["RoleArn"] for asked in aws.asked] == [ROLE, OTHER_ROLE] * 2
    assert [key for key, _ in aws.signed] == ["ASIA1", "ASIA2", "AKIAOWN"] * 2 + ["ASIA3", "ASIA4", "AKIAOWN"]


def test_each_zone_of_a_request_is_reached_as_the_request_says(aws: TwoServices) -> None:
    zones = {"example.com": {"id": "Z1"}, "example.net": {"id": "Z2", "role": ROLE}}
    run = renewer_run.start_run(request(zones=zones), 90)
    for zone in ("Z1", "Z2"):
        run.route53(zone).get_change(Id="C1")
    assert [key for key, _ in aws.signed] == ["AKIAOWN", "ASIA1"]


def test_an_answer_of_sts_that_is_cut_short_is_asked_for_again(
    aws: TwoServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    aws.cuts = 2
    clients().route53(ROLE).get_change(Id="C1")
    assert [key for key, _ in aws.signed] == ["ASIA3"]


def test_a_role_that_does_not_trust_the_renewer_is_named_with_what_to_do(aws: TwoServices) -> None:
    aws.refusals["sts"] = "AccessDenied"
    with pytest.raises(AccessDenied) as denied:
        clients().route53(ROLE)
    assert f"the hosted zone's role {ROLE} could not be assumed: User: x is not authorized. " in str(
        denied.value
    )
    assert "Give it the trust policy of the stack's output zone_roles" in str(denied.value)


def test_another_refusal_of_sts_is_no_denial(aws: TwoServices) -> None:
    aws.refusals["sts"] = "RegionDisabledException"
    with pytest.raises(AwsError, match="could not be assumed") as refused:
        clients().route53(ROLE)
    assert not isinstance(refused.value, AccessDenied)


def test_what_the_role_may_not_do_is_to_be_allowed_where_the_role_is(aws: TwoServices) -> None:
    """`pulumi up` restores nothing there."""
    aws.refusals["route53"] = "AccessDenied"
    with pytest.raises(AccessDenied) as denied:
        clients().route53(ROLE).get_change(Id="C1")
    assert f"the hosted zone's role {ROLE}: User: x is not authorized. " in str(denied.value)
    assert "Give it the policy of the stack's output zone_roles, in the AWS account of that" in str(
        denied.value
    )
    assert "pulumi up" not in str(denied.value)
