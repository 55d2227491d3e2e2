"""The proxy that spoils requests: what it names, counts, and does to a client, against tiny servers."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config

from local_cloud.acme.certificates import make_server_identity
from local_cloud.fault_proxy import Fault, FaultKind, FaultProxy
from local_cloud.ministack.server import LocalAws
from local_cloud.processes import LOOPBACK


class Authority(BaseHTTPRequestHandler):
    """Answers a directory whose URLs have the host that was asked, as Pebble does."""

    protocol_version = "HTTP/1.1"
    seen: list[str] = []  # noqa: RUF012

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append(self.path)
        bad_nonce = self.path == "/order-plz" and self.seen.count(self.path) == 1
        base = f"https://{self.headers['Host']}"
        content = json.dumps(
            {"type": "urn:ietf:params:acme:error:badNonce"}
            if bad_nonce
            else {"newOrder": f"{base}/order-plz", "newNonce": f"{base}/nonce-plz"}
        ).encode()
        self.send_response(400 if bad_nonce else 200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Replay-Nonce", "abc")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def proxy(local_aws: LocalAws, tmp_path: Path) -> Iterator[FaultProxy]:
    Authority.seen.clear()
    identity = make_server_identity(tmp_path / "authority")
    server = ThreadingHTTPServer((LOOPBACK, 0), Authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    url = f"https://{LOOPBACK}:{server.server_port}/dir"
    with FaultProxy(local_aws.endpoint, url, identity.ca_root, tmp_path / "proxy") as made:
        Authority.seen.clear()
        yield made
    server.shutdown()
    server.server_close()


@contextmanager
def connect(proxy: FaultProxy, seconds: float = 5) -> Iterator[http.client.HTTPSConnection]:
    address = urlsplit(proxy.directory_url)
    context = ssl.create_default_context(cafile=str(proxy.ca_root))
    connection = http.client.HTTPSConnection(
        address.hostname or "", address.port, context=context, timeout=seconds
    )
    with closing(connection):
        yield connection


def ask(proxy: FaultProxy, path: str, method: str = "POST", seconds: float = 5) -> tuple[int, str]:
    with connect(proxy, seconds) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def route53(proxy: FaultProxy) -> object:
    return boto3.client(
        "route53",
        endpoint_url=proxy.aws_endpoint,
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(proxies={}, retries={"mode": "standard", "total_max_attempts": 1}),
    )


def test_the_urls_of_the_authority_lead_back_to_the_proxy(proxy: FaultProxy) -> None:
    status, text = ask(proxy, "/dir", "GET")
    assert status == 200
    assert json.loads(text)["newOrder"] == proxy.directory_url.replace("/dir", "/order-plz")


def test_points_are_named_by_operation_and_ordinal(proxy: FaultProxy) -> None:
    recording = proxy.record()
    for path in ("/dir", "/nonce-plz", "/authZ/1", "/authZ/2", "/my-order/1", "/my-order/1", "/my-order/1"):
        ask(proxy, path)
    ask(proxy, "/finalize-order/1")
    ask(proxy, "/my-order/1")
    assert recording.points == [
        *("directory#1", "newNonce#1", "authorization#1", "authorization#2", "order#1"),
        *("finalize#1", "order#2"),
    ]
    assert [one.operation for one in recording.exchanges].count("order") == 4


def test_a_nonce_retry_is_no_point(proxy: FaultProxy) -> None:
    recording = proxy.record()
    assert ask(proxy, "/order-plz")[0] == 400
    assert ask(proxy, "/order-plz")[0] == 200
    assert recording.points == ["newOrder#1"]
    assert [one.status for one in recording.exchanges] == [400, 200]


def test_each_run_counts_from_one(proxy: FaultProxy) -> None:
    for _ in range(2):
        recording = proxy.record()
        ask(proxy, "/dir", "GET")
        assert recording.points == ["directory#1"]


def test_aws_is_named_and_its_signatures_hold(proxy: FaultProxy) -> None:
    recording = proxy.record()
    client = route53(proxy)
    zone = client.create_hosted_zone(Name="proxy.test", CallerReference=str(time.time()))  # type: ignore[attr-defined]
    client.list_resource_record_sets(HostedZoneId=zone["HostedZone"]["Id"])  # type: ignore[attr-defined]
    assert recording.points[-1] == "ListResourceRecordSets#1"


@pytest.mark.parametrize(
    ("kind", "status", "problem"),
    [(FaultKind.ERROR, 500, "serverInternal"), (FaultKind.THROTTLE, 429, "rateLimited")],
)
def test_a_refusal_does_not_reach_the_server(
    proxy: FaultProxy, kind: FaultKind, status: int, problem: str
) -> None:
    recording = proxy.record(Fault("newOrder#1", kind))
    code, text = ask(proxy, "/order-plz")
    assert (code, json.loads(text)["type"]) == (status, f"urn:ietf:params:acme:error:{problem}")
    assert Authority.seen == []
    assert recording.injected
    assert recording.exchanges[0].status is None
    ask(proxy, "/order-plz")
    assert Authority.seen == ["/order-plz"]  # once only


@pytest.mark.parametrize(
    ("kind", "code"), [(FaultKind.ERROR, "InternalFailure"), (FaultKind.THROTTLE, "Throttling")]
)
def test_aws_refuses_in_its_own_words(proxy: FaultProxy, kind: FaultKind, code: str) -> None:
    proxy.record(Fault("ListResourceRecordSets#1", kind))
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        route53(proxy).list_resource_record_sets(HostedZoneId="Z1")  # type: ignore[attr-defined]
    assert caught.value.response["Error"]["Code"] == code


def test_a_cut_answer_ends_in_the_middle_and_the_server_has_seen_the_request(proxy: FaultProxy) -> None:
    recording = proxy.record(Fault("authorization#1", FaultKind.CUT))
    with pytest.raises(http.client.IncompleteRead):
        ask(proxy, "/authZ/1")
    assert Authority.seen == ["/authZ/1"]
    assert recording.injected


def test_a_cut_answer_without_a_body_ends_in_its_headers(proxy: FaultProxy) -> None:
    with connect(proxy) as connection:
        connection.request("HEAD", "/nonce-plz")
        assert connection.getresponse().headers["Replay-Nonce"] == "abc"
    proxy.record(Fault("newNonce#1", FaultKind.CUT))
    with connect(proxy) as connection:
        connection.request("HEAD", "/nonce-plz")
        assert connection.getresponse().headers["Replay-Nonce"] is None
    assert Authority.seen == ["/nonce-plz"] * 2


def test_a_late_answer_comes_after_the_time_out(proxy: FaultProxy) -> None:
    proxy.record(Fault("authorization#1", FaultKind.LATE, late_seconds=0.4))
    with pytest.raises(OSError, match="timed out"):
        ask(proxy, "/authZ/1", seconds=0.2)
    assert Authority.seen == ["/authZ/1"]


@pytest.mark.parametrize(("kind", "reached"), [(FaultKind.KILL_BEFORE, 0), (FaultKind.KILL_AFTER, 1)])
def test_a_kill_happens_before_or_after_the_server_saw_the_request(
    proxy: FaultProxy, kind: FaultKind, reached: int
) -> None:
    seen_at_kill: list[int] = []
    proxy.record(Fault("authorization#1", kind, kill=lambda: seen_at_kill.append(len(Authority.seen))))
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(proxy, "/authZ/1")
    assert seen_at_kill == [reached]
    assert len(Authority.seen) == reached


def test_the_observer_hears_of_what_reached_the_server(proxy: FaultProxy) -> None:
    heard: list[str] = []
    proxy.record(Fault("authorization#1", FaultKind.ERROR), heard.append)
    ask(proxy, "/authZ/1")
    ask(proxy, "/chalZ/1")
    assert heard == ["challenge"]
