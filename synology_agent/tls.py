"""TLS as a browser's: a rehearsal in memory before the install, a probe of a port after it."""

from __future__ import annotations

import hashlib
import socket
import ssl
from pathlib import Path
from typing import Iterable

from .errors import ConfigError, DocumentRefused

_PROBE_SECONDS = 10


def rehearse(full_chain: Path, private_key: Path, names: Iterable[str], ca_file: Path | None) -> None:
    """Complete a TLS handshake in memory for each of `names`, serving `full_chain` with `private_key`.

    Proves that key and leaf match, that the leaf is valid now and good for each name, and that the chain
    leads to a root that this machine trusts.

    Args:
        full_chain: PEM file, leaf first.
        private_key: PEM file.
        names: host names that a browser would ask for.
        ca_file: PEM file of roots that are trusted beside the system's, or None.

    Raises:
        DocumentRefused: a handshake failed, with the reason that a browser would give.
        ConfigError: `ca_file` cannot be read.
    """
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without a password, even an empty one, OpenSSL asks at the terminal for that of an encrypted key.
        server.load_cert_chain(str(full_chain), str(private_key), password="")
    except ssl.SSLError as error:
        raise DocumentRefused(f"certificate and private key do not go together: {error}") from None
    client = ssl.create_default_context()
    if ca_file is not None:
        try:
            client.load_verify_locations(str(ca_file))
        except OSError as error:
            raise ConfigError(
                f"ca_file is {str(ca_file)!r}, and no roots can be read there: {error}"
            ) from None
    for name in names:
        try:
            _handshake(server, client, name)
        except (ssl.SSLError, ssl.CertificateError, ValueError) as error:  # ValueError: no host name at all
            raise DocumentRefused(f"a browser would refuse it for {name}: {error}") from None


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while sides:
        for side in list(sides):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            sides.remove(side)


def served_fingerprint(port: int, name: str) -> str | None:
    """Return the SHA-256 of the leaf served on 127.0.0.1:`port` for `name`, or None without a TLS answer."""
    # Nothing is trusted here and nothing is sent: the question is which leaf stands there, good or bad.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection(
            ("127.0.0.1", port), timeout=_PROBE_SECONDS
        ) as connection, context.wrap_socket(connection, server_hostname=name) as tls:
            leaf = tls.getpeercert(binary_form=True)
    except OSError:
        return None
    return hashlib.sha256(leaf).hexdigest() if leaf else None
