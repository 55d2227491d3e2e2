"""The rehearsal refuses what a browser would, and the probe says which leaf a port serves."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from synology_agent.document import fingerprint
from synology_agent.errors import ConfigError, DocumentRefused
from synology_agent.tls import rehearse, served_fingerprint

from .certificates import DAY, HOUR, Authority, Issued, issue, make_authority

NAME = "nas.example.com"


@pytest.fixture
def ca_file(tmp_path: Path, root: Authority) -> Path:
    path = tmp_path / "ca.pem"
    path.write_text(root.pem)
    return path


class Files:
    """A certificate's files, as the agent stages them."""

    def __init__(self, folder: Path, issued: Issued) -> None:
        self.full_chain, self.private_key = folder / "fullchain.pem", folder / "privkey.pem"
        self.full_chain.write_text(issued.leaf + issued.chain)
        self.private_key.write_text(issued.private_key)


@pytest.mark.parametrize("names", [[NAME], ["music.home.example.com"], [NAME, "a.home.example.com"]])
def test_a_good_chain_passes(tmp_path: Path, issued: Issued, ca_file: Path, names: list[str]) -> None:
    files = Files(tmp_path, issued)
    rehearse(files.full_chain, files.private_key, names, ca_file)


@pytest.mark.parametrize(
    ("names", "named", "reason"),
    [
        (["other.example.com"], "other.example.com", "Hostname mismatch"),
        ([NAME, "example.com"], "example.com", "Hostname mismatch"),
        (["a.b.home.example.com"], "a.b.home.example.com", "Hostname mismatch"),
        (["nas..example.com"], "nas..example.com", ""),
        (["n" * 64 + ".example.com"], "n" * 64 + ".example.com", ""),
    ],
)
def test_a_name_that_is_not_covered_is_named(
    tmp_path: Path, issued: Issued, ca_file: Path, names: list[str], named: str, reason: str
) -> None:
    files = Files(tmp_path, issued)
    with pytest.raises(DocumentRefused) as refused:
        rehearse(files.full_chain, files.private_key, names, ca_file)
    assert f"a browser would refuse it for {named}: " in str(refused.value)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("starts", "ends", "reason"),
    [
        (-10 * DAY, -DAY, "certificate has expired"),
        (-10 * DAY, -0 * DAY, "certificate has expired"),
        (HOUR, DAY, "certificate is not yet valid"),
    ],
)
def test_a_leaf_outside_of_its_time_is_refused(
    tmp_path: Path, intermediate: Authority, ca_file: Path, starts: object, ends: object, reason: str
) -> None:
    files = Files(tmp_path, issue([NAME], intermediate, starts, ends))  # type: ignore[arg-type]
    with pytest.raises(DocumentRefused, match=reason):
        rehearse(files.full_chain, files.private_key, [NAME], ca_file)


def test_another_key_is_refused(
    tmp_path: Path, issued: Issued, intermediate: Authority, ca_file: Path
) -> None:
    other = issue([NAME], intermediate)
    files = Files(tmp_path, issued._replace(private_key=other.private_key))
    with pytest.raises(DocumentRefused, match="certificate and private key do not go together"):
        rehearse(files.full_chain, files.private_key, [NAME], ca_file)


@pytest.mark.parametrize("text", ["", "no PEM"])
@pytest.mark.parametrize("field", ["leaf", "private_key"])
def test_what_is_no_pem_is_refused(
    tmp_path: Path, issued: Issued, ca_file: Path, field: str, text: str
) -> None:
    files = Files(tmp_path, issued._replace(**{"chain": "", field: text}))
    with pytest.raises(DocumentRefused, match="certificate and private key do not go together"):
        rehearse(files.full_chain, files.private_key, [NAME], ca_file)


def test_an_encrypted_key_is_refused_and_nobody_is_asked(
    tmp_path: Path, issued: Issued, ca_file: Path
) -> None:
    key = load_pem_private_key(issued.private_key.encode(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode()
    files = Files(tmp_path, issued._replace(private_key=locked))
    with pytest.raises(DocumentRefused, match="certificate and private key do not go together"):
        rehearse(files.full_chain, files.private_key, [NAME], ca_file)


def test_a_root_that_is_not_trusted_is_refused(tmp_path: Path, issued: Issued) -> None:
    files = Files(tmp_path, issued)
    with pytest.raises(DocumentRefused, match=r"unable to get (local )?issuer certificate"):
        rehearse(files.full_chain, files.private_key, [NAME], None)


def test_another_root_is_refused(tmp_path: Path, issued: Issued, ca_file: Path) -> None:
    ca_file.write_text(make_authority("Other Root").pem)
    files = Files(tmp_path, issued)
    with pytest.raises(DocumentRefused, match=r"unable to get (local )?issuer certificate"):
        rehearse(files.full_chain, files.private_key, [NAME], ca_file)


def test_a_missing_intermediate_is_refused(tmp_path: Path, issued: Issued, ca_file: Path) -> None:
    files = Files(tmp_path, issued._replace(chain=""))
    with pytest.raises(DocumentRefused, match=r"unable to get (local )?issuer certificate"):
        rehearse(files.full_chain, files.private_key, [NAME], ca_file)


@pytest.mark.parametrize("content", [None, "", "no PEM"])
def test_a_ca_file_without_roots_is_the_configs_fault(
    tmp_path: Path, issued: Issued, content: str | None
) -> None:
    path = tmp_path / "roots.pem"
    if content is not None:
        path.write_text(content)
    files = Files(tmp_path, issued)
    with pytest.raises(ConfigError) as refused:
        rehearse(files.full_chain, files.private_key, [NAME], path)
    assert f"ca_file is {str(path)!r}" in str(refused.value)


def test_the_probe_returns_the_served_leaf(tmp_path: Path, issued: Issued) -> None:
    files = Files(tmp_path, issued)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(files.full_chain), str(files.private_key))
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection = server.accept()[0]
            with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as tls:
                tls.recv(1)

        thread = threading.Thread(target=answer)
        thread.start()
        assert served_fingerprint(server.getsockname()[1], "other.test") == fingerprint(issued.leaf)
        thread.join()


def test_the_probe_of_a_closed_port_returns_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert served_fingerprint(port, NAME) is None


def test_the_probe_of_a_port_without_tls_returns_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert served_fingerprint(server.getsockname()[1], NAME) is None
        thread.join()
