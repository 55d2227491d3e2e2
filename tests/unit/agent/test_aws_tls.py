"""AWS is asked over TLS that is always verified, through the environment's proxy where there is one."""

from __future__ import annotations

import datetime
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from synology_agent import aws as module
from synology_agent.errors import AwsError, ClockWrong, ConfigError

from .aws_server import ENVIRONMENT, SECRET_KEY, ConnectProxy, Served, TlsServer, stop_all
from .certificates import DAY, Authority, Issued, issue, make_authority

AWS_NAME = "secretsmanager.eu-central-1.amazonaws.com"
Serve = Callable[..., TlsServer]
Proxy = Callable[..., ConnectProxy]


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Served]]:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    servers: list[Served] = []
    yield servers
    stop_all(servers)


@pytest.fixture
def serve(running: list[Served], tmp_path: Path) -> Serve:
    def start(issued: Issued) -> TlsServer:
        chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
        chain.write_text(issued.leaf + issued.chain)
        key.write_text(issued.private_key)
        server = TlsServer(chain, key)
        running.append(server)
        return server

    return start


@pytest.fixture
def proxy(running: list[Served]) -> Proxy:
    def start(target: int, credentials: str = "") -> ConnectProxy:
        made = ConnectProxy(target, credentials=credentials)
        running.append(made)
        return made

    return start


@pytest.fixture
def ca_file(tmp_path: Path, root: Authority) -> Path:
    path = tmp_path / "ca.pem"
    path.write_text(root.pem)
    return path


def refusal(server: TlsServer, kind: type[AwsError] = AwsError, **fields: Any) -> str:
    server.requests.clear()
    with pytest.raises(AwsError) as refused:
        server.client(**fields).current_document("secret")
    assert type(refused.value) is kind
    assert SECRET_KEY not in str(refused.value)
    assert server.requests == []
    return str(refused.value)


def test_a_root_in_ca_file_is_trusted_for_aws(serve: Serve, intermediate: Authority, ca_file: Path) -> None:
    server = serve(issue(["localhost"], intermediate))
    assert server.client(ca_file=ca_file).current_document("secret") == ("new", "text")
    message = refusal(server)
    assert f"{server.endpoint} shows a certificate that this NAS does not trust (" in message
    assert "name a PEM file with the missing root as ca_file in the config" in message
    assert "clock" not in message


def test_a_root_in_the_systems_one_file_is_trusted_for_aws(
    serve: Serve, intermediate: Authority, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not every DSM has a folder where OpenSSL finds a root by its name."""
    server = serve(issue(["localhost"], intermediate))
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    aws = server.client()
    assert aws.current_document("secret") == ("new", "text")
    assert aws.current_document("secret") == ("new", "text")
    assert aws.calls == 3  # refused once, then with all roots


def test_the_systems_one_file_of_roots_is_not_read_where_none_is_missing(
    serve: Serve, intermediate: Authority, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(issue(["localhost"], intermediate))
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", None)
    monkeypatch.setattr(ssl.SSLContext, "set_default_verify_paths", None)
    assert server.client(ca_file=ca_file).current_document("secret") == ("new", "text")


def test_a_certificate_for_another_name_is_refused_at_once(
    serve: Serve, intermediate: Authority, ca_file: Path
) -> None:
    server = serve(issue(["other.test"], intermediate))
    aws = server.client(ca_file=ca_file)
    with pytest.raises(AwsError, match="localhost"):
        aws.current_version("secret")
    assert aws.calls == 1
    assert server.requests == []


@pytest.mark.parametrize(("starts", "ends"), [(-2 * DAY, -DAY), (DAY, 2 * DAY)])
def test_a_certificate_of_another_time_may_be_the_clocks_fault(
    serve: Serve, intermediate: Authority, ca_file: Path, starts: datetime.timedelta, ends: datetime.timedelta
) -> None:
    server = serve(issue(["localhost"], intermediate, starts=starts, ends=ends))
    message = refusal(server, ca_file=ca_file)
    assert "or the NAS's clock says 20" in message
    assert "and is wrong" in message


def test_a_clock_of_a_time_that_is_over_is_named(
    serve: Serve, intermediate: Authority, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A NAS that lost power wakes in the year 2000 until NTP answers."""
    server = serve(issue(["localhost"], intermediate, starts=DAY, ends=2 * DAY))
    monkeypatch.setattr(module, "_now", lambda: datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc))
    message = refusal(server, ClockWrong, ca_file=ca_file)
    assert "the NAS's clock says 2000-01-01 00:00 UTC" in message
    assert "Control Panel > Regional Options > Time" in message


def test_a_ca_file_without_a_root_is_named(serve: Serve, intermediate: Authority, tmp_path: Path) -> None:
    server = serve(issue(["localhost"], intermediate))
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    with pytest.raises(ConfigError, match="ca_file is "):
        server.client(ca_file=empty)


def test_the_environments_proxy_leads_to_aws(
    serve: Serve, proxy: Proxy, intermediate: Authority, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(issue([AWS_NAME], intermediate))
    between = proxy(server.port, "nas:pa55word")
    monkeypatch.setenv("https_proxy", between.url)
    aws = server.client(endpoints={}, ca_file=ca_file)
    assert aws.current_document("secret") == ("new", "text")
    assert between.asked == [f"{AWS_NAME}:443"]
    ((headers, _),) = server.requests
    assert headers["Host"] == AWS_NAME
    assert not [name for name in headers if name.lower().startswith("proxy")]


def test_a_proxy_that_refuses_is_named_without_its_password(
    serve: Serve, proxy: Proxy, intermediate: Authority, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(issue([AWS_NAME], intermediate))
    between = proxy(server.port, "nas:pa55word")
    monkeypatch.setenv("https_proxy", between.url.replace("pa55word", "0ther"))
    message = refusal(server, endpoints={}, ca_file=ca_file)
    assert f"at https://{AWS_NAME}/ by the proxy 127.0.0.1:{between.port}): " in message
    assert "407" in message
    assert "0ther" not in message
    assert len(between.asked) == module.TRIES


def test_a_proxy_that_looks_into_tls_needs_its_root(
    serve: Serve, proxy: Proxy, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(issue([AWS_NAME], make_authority("A Company's Root")))
    between = proxy(server.port)
    monkeypatch.setenv("https_proxy", between.url)
    message = refusal(server, endpoints={}, ca_file=ca_file)
    assert f"https://{AWS_NAME}/ by the proxy http://127.0.0.1:{between.port} shows a certificate" in message
    assert len(between.asked) == 2  # with the roots of the system's folder, then with all of them


def test_no_proxy_leads_past_the_proxy(
    serve: Serve, proxy: Proxy, intermediate: Authority, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(issue(["localhost"], intermediate))
    between = proxy(server.port)
    monkeypatch.setenv("https_proxy", between.url)
    monkeypatch.setenv("no_proxy", "localhost")
    assert server.client(ca_file=ca_file).current_document("secret") == ("new", "text")
    assert between.asked == []
    assert "proxy" not in refusal(server).partition(" shows ")[0]


def test_a_plain_endpoint_on_loopback_is_asked_past_any_proxy(
    serve: Serve, proxy: Proxy, intermediate: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret goes through no proxy in plain text."""
    server = serve(issue(["localhost"], intermediate))
    between = proxy(server.port)
    monkeypatch.setenv("http_proxy", between.url)
    monkeypatch.setenv("https_proxy", between.url)
    plain = f"http://127.0.0.1:{server.port}/"
    message = refusal(server, endpoints={"secretsmanager": plain})
    assert f"at {plain}): " in message
    assert between.asked == []
