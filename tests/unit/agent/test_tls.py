"""The rehearsal refuses what a browser would, and the probe says which leaf a port serves."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import socket
import ssl
import sys
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from synology_agent.document import fingerprint
from synology_agent.errors import (
    ConfigError,
    DocumentRefused,
    Expired,
    KeyMismatch,
    NamesMissing,
    RootUntrusted,
)
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
    with pytest.raises(DocumentRefused, match="certificate and private key cannot be loaded"):
        rehearse(files.full_chain, files.private_key, [NAME], ca_file)


def test_an_encrypted_key_is_refused_and_nobody_is_asked(tmp_path: Path, issued: Issued) -> None:
    """At a terminal OpenSSL would ask for the password, and a run by hand would hang."""
    key = load_pem_private_key(issued.private_key.encode(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode()
    files = Files(tmp_path, issued._replace(private_key=locked))
    program = (
        "from pathlib import Path\n"
        "from synology_agent.errors import DocumentRefused\n"
        "from synology_agent.tls import rehearse\n"
        "try:\n"
        f"    rehearse(Path({str(files.full_chain)!r}), Path({str(files.private_key)!r}), ['x'], None)\n"
        "except DocumentRefused as error:\n"
        "    print(error)\n"
    )
    assert "certificate and private key cannot be loaded: " in at_a_terminal(program)


def at_a_terminal(program: str) -> str:
    """Return what the program writes, where it has a terminal at which nobody types."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", program])  # noqa: S606
    said = b""
    try:
        while select.select([terminal], [], [], 30)[0]:
            said += os.read(terminal, 4096)
        os.kill(child, signal.SIGKILL)
        raise AssertionError(f"it waits for an answer to {said!r}")
    except OSError:  # the other end is closed
        return said.decode()
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


def test_a_common_name_alone_is_good_for_nothing(
    tmp_path: Path, intermediate: Authority, ca_file: Path
) -> None:
    """No browser takes it for a host name."""
    files = Files(tmp_path, issue([NAME], intermediate, alternative=False))
    with pytest.raises(NamesMissing, match="Hostname mismatch"):
        rehearse(files.full_chain, files.private_key, [NAME], ca_file)


def test_the_key_of_another_type_is_refused(tmp_path: Path, issued: Issued, ca_file: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    files = Files(tmp_path, issued._replace(private_key=pem))
    with pytest.raises(KeyMismatch, match="certificate and private key do not go together"):
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


def test_only_roots_are_trusted_however_they_are_labelled(
    tmp_path: Path, root: Authority, intermediate: Authority, ca_file: Path
) -> None:
    """OpenSSL reads more labels than one; with an intermediate of the file a chain would look complete."""
    lower = make_authority("Lower", intermediate)
    files = Files(tmp_path, issue([NAME], lower))
    with pytest.raises(RootUntrusted, match="or an intermediate is missing"):
        rehearse(files.full_chain, files.private_key, [NAME], ca_file)
    for label in ("X509 CERTIFICATE", "TRUSTED CERTIFICATE"):
        ca_file.write_text(root.pem + intermediate.pem.replace("CERTIFICATE", label))
        with pytest.raises(RootUntrusted, match="or an intermediate is missing"):
            rehearse(files.full_chain, files.private_key, [NAME], ca_file)
    ca_file.write_text(root.pem + intermediate.pem)
    with pytest.raises(
        ConfigError, match="a certificate that 'Test Root' signed; only roots may stand there"
    ):
        rehearse(files.full_chain, files.private_key, [NAME], ca_file)


def test_an_intermediate_that_the_system_holds_is_no_root(
    tmp_path: Path, issued: Issued, intermediate: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chain that ends at it is partial: a browser that does not hold it would refuse."""
    system = tmp_path / "system.pem"
    system.write_text(intermediate.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(system))
    files = Files(tmp_path, issued)
    with pytest.raises(RootUntrusted):
        rehearse(files.full_chain, files.private_key, [NAME], None)


def test_a_root_of_the_system_is_one(
    tmp_path: Path, issued: Issued, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    files = Files(tmp_path, issued)
    rehearse(files.full_chain, files.private_key, [NAME], None)


def test_a_ca_file_that_is_cut_off_is_the_configs_fault(
    tmp_path: Path, issued: Issued, root: Authority, ca_file: Path
) -> None:
    ca_file.write_text(root.pem + root.pem[:-40])
    files = Files(tmp_path, issued)
    with pytest.raises(
        ConfigError, match=r"ca_file is .*: no certificate: it begins in PEM and does not end"
    ):
        rehearse(files.full_chain, files.private_key, [NAME], ca_file)


def test_a_root_that_has_expired_is_told_from_the_leaf(tmp_path: Path, ca_file: Path) -> None:
    old = make_authority("Old Root", starts=-10 * DAY, ends=-DAY)
    files = Files(tmp_path, issue([NAME], make_authority("Upper", old)))
    ca_file.write_text(old.pem)
    with pytest.raises(
        Expired, match=r"certificate has expired\. Where neither the leaf nor its chain has, a"
    ):
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
    reason = "No such file" if content is None else "there is no certificate in it"
    assert reason in str(refused.value)


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
