"""The directory and renewal information, from an HTTPS server of our own that answers badly on request."""

from __future__ import annotations

import json
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lambda_renewer import clock, errors
from lambda_renewer.directory import RenewalWindow, fetch_directory, fetch_renewal_window
from lambda_renewer.errors import AcmeError
from local_cloud.acme.certificates import make_server_identity
from local_cloud.processes import LOOPBACK, free_port
from tests.unit.renewer.samples import certificate

NOW = datetime(2026, 11, 25, 2, 0, 0, tzinfo=UTC)
WINDOW = {"start": "2027-01-20T00:00:00Z", "end": "2027-01-22T02:00:00+02:00"}


class Server:
    """Answers every GET with `body`, `status` and `headers`; a `cut` answer ends before its promised length.

    Attributes:
        asked: the paths and headers of the requests.
    """

    def __init__(self, work: Path) -> None:
        self.status, self.headers, self.cut = 200, dict[str, str](), False
        self.body: Any = {}
        self.asked: list[tuple[str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, self.headers["User-Agent"]))
                body = outer.body if isinstance(outer.body, bytes) else json.dumps(outer.body).encode()
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(body) + (10 if outer.cut else 0)))
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        identity = make_server_identity(work)
        self.root = identity.ca_root.read_text()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.certificate, identity.key)
        self.server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://{LOOPBACK}:{self.server.server_port}"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("directory"))
    thread = threading.Thread(target=made.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def server(running: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setenv("NO_PROXY", "*")
    running.status, running.headers, running.cut, running.body = 200, {}, False, {}
    running.asked.clear()
    return running


def ask(server: Server) -> RenewalWindow | None:
    directory = {"renewalInfo": f"{server.url}/info/"}
    return fetch_renewal_window(directory, certificate(), server.root, NOW)


def test_a_directory(server: Server) -> None:
    server.body = {"newOrder": "https://ca/order", "meta": {"profiles": {"classic": "c"}}}
    assert fetch_directory(f"{server.url}/dir", server.root) == server.body
    assert server.asked == [("/dir", "synology-https")]


@pytest.mark.parametrize("body", [{}, {"newOrder": 7}, {"newOrder": "https://ca/order", "meta": None}])
def test_what_is_no_directory(server: Server, body: object) -> None:
    server.body = body
    with pytest.raises(AcmeError, match=f"{server.url}/dir answers no ACME directory: check the"):
        fetch_directory(f"{server.url}/dir", server.root)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>", "cannot be reached at"),
        (b"", "cannot"),
        (b"\xff", "cannot"),
        ([], "answers no JSON object"),
    ],
)
def test_what_is_no_json_object(server: Server, body: object, words: str) -> None:
    server.body = body
    with pytest.raises(AcmeError, match=words):
        fetch_directory(f"{server.url}/dir", server.root)


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_a_refusal_names_the_status(server: Server, status: int) -> None:
    server.status = status
    with pytest.raises(AcmeError, match=f"{server.url}/dir answers HTTP {status}: "):
        fetch_directory(f"{server.url}/dir", server.root)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("headers", "wait"), [({}, None), ({"Retry-After": "3600"}, timedelta(hours=1))])
def test_a_refusal_tells_when_to_ask_again(
    server: Server,
    status: int,
    headers: dict[str, str],
    wait: timedelta | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(errors, "now", lambda: NOW)
    server.status, server.headers = status, headers
    with pytest.raises(AcmeError) as raised:
        fetch_directory(f"{server.url}/dir", server.root)
    assert raised.value.retry_at == (wait and NOW + wait)


def test_an_answer_that_is_cut_off(server: Server) -> None:
    server.cut, server.body = True, {"newOrder": "https://ca/order"}
    with pytest.raises(AcmeError, match=r"cannot be reached at .*IncompleteRead.* tries again by itself"):
        fetch_directory(f"{server.url}/dir", server.root)


def test_a_server_that_is_down() -> None:
    url = f"https://{LOOPBACK}:{free_port()}/dir"
    with pytest.raises(AcmeError, match=f"cannot be reached at {url}: .*refused"):
        fetch_directory(url, None)


def test_a_server_that_another_root_vouches_for(server: Server) -> None:
    with pytest.raises(AcmeError, match="certificate verify failed"):
        fetch_directory(f"{server.url}/dir", None)


def test_a_root_that_is_none(server: Server) -> None:
    with pytest.raises(AcmeError, match="cannot be reached at"):
        fetch_directory(f"{server.url}/dir", "no PEM")


@pytest.mark.parametrize("url", ["http://ca.example/dir", "file:///etc/passwd", "ftp://ca/dir", ""])
def test_only_https_is_asked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", None)
    with pytest.raises(AcmeError, match=f"^{url} is not an https:// URL"):
        fetch_directory(url, None)
    with pytest.raises(AcmeError, match="is not an https:// URL"):
        fetch_renewal_window({"renewalInfo": url}, certificate(), None, NOW)


def test_an_address_that_is_none() -> None:
    with pytest.raises(AcmeError, match="cannot be reached"):
        fetch_directory("https://a b/dir", None)


def test_a_window(server: Server) -> None:
    server.body = {"suggestedWindow": WINDOW, "explanationURL": "https://ca.example/why"}
    server.headers = {"Retry-After": "21600"}
    assert ask(server) == RenewalWindow(
        start=datetime(2027, 1, 20, tzinfo=UTC),
        end=datetime(2027, 1, 22, tzinfo=UTC),
        explanation="https://ca.example/why",
        ask_after=NOW + timedelta(hours=6),
    )
    assert server.asked == [("/info/AAAA.MDk", "synology-https")]


def test_an_explanation_that_is_none(server: Server) -> None:
    server.body = {"suggestedWindow": WINDOW, "explanationURL": 7}
    window = ask(server)
    assert window is not None
    assert window.explanation is None


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        (None, timedelta(hours=6)),
        ("soon", timedelta(hours=6)),
        ("0", timedelta(minutes=1)),
        ("59", timedelta(minutes=1)),
        ("61", timedelta(seconds=61)),
        ("86399", timedelta(seconds=86_399)),
        ("86401", timedelta(days=1)),
        ("9" * 30, timedelta(days=1)),
        ("9" * 400, timedelta(days=1)),
        ("Wed, 25 Nov 2026 05:00:00 GMT", timedelta(hours=3)),
        ("Wed, 25 Nov 2026 01:00:00 GMT", timedelta(minutes=1)),
        ("Wed, 25 Nov 2099 01:00:00 GMT", timedelta(days=1)),
    ],
)
def test_when_to_ask_again(server: Server, retry_after: str | None, wait: timedelta) -> None:
    server.body = {"suggestedWindow": WINDOW}
    server.headers = {"Retry-After": retry_after} if retry_after is not None else {}
    window = ask(server)
    assert window is not None
    assert window.ask_after == NOW + wait


@pytest.mark.parametrize(
    "window",
    [
        *(None, 7, [], {}, {"start": WINDOW["start"]}, {"end": WINDOW["end"]}),
        *({**WINDOW, "start": "soon"}, {**WINDOW, "start": 7}, {**WINDOW, "end": "2027-01-22T00:00:00"}),
        {**WINDOW, "start": "0001-01-01T00:00:00+14:00"},
    ],
)
def test_an_answer_without_window(server: Server, window: object) -> None:
    server.body = {"suggestedWindow": window}
    with pytest.raises(AcmeError, match=f"{server.url}/info/AAAA.MDk answers no suggested window: "):
        ask(server)


def test_a_window_that_ends_before_it_starts(server: Server) -> None:
    server.body = {"suggestedWindow": {"start": WINDOW["end"], "end": WINDOW["start"]}}
    with pytest.raises(AcmeError, match="answers a window that ends before it starts"):
        ask(server)


def test_a_window_of_no_length(server: Server) -> None:
    server.body = {"suggestedWindow": {"start": WINDOW["start"], "end": WINDOW["start"]}}
    window = ask(server)
    assert window is not None
    assert window.start == window.end


@pytest.mark.parametrize("directory", [{}, {"renewalInfo": None}, {"renewalInfo": 7}])
def test_an_authority_without_renewal_information(directory: dict[str, Any]) -> None:
    assert fetch_renewal_window(directory, certificate(), None, NOW) is None
