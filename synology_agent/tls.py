"""TLS as a browser's: a rehearsal in memory before the install, a probe of a port after it."""

from __future__ import annotations

import hashlib
import socket
import ssl
from pathlib import Path
from typing import Iterable

from .certificates import read_pem
from .errors import (
    ADVICE,
    ChainIncomplete,
    ConfigError,
    DocumentRefused,
    Expired,
    KeyMismatch,
    KeyWeak,
    NamesMissing,
    NotYetValid,
    RootUntrusted,
)

_PROBE_SECONDS = 10
# Python 3.13 sets both by default: the first would trust an intermediate that the roots happen to hold, the
# second refuses roots that browsers take.
_PARTIAL_CHAIN, _STRICT = 0x80000, 0x20
# X509_V_ERR_… of OpenSSL's x509_vfy.h. With 20 nobody can tell an intermediate that is missing from a root
# that is not trusted: the advice names both.
_REFUSALS = {
    2: RootUntrusted,
    9: NotYetValid,
    10: Expired,
    18: RootUntrusted,
    19: RootUntrusted,
    20: RootUntrusted,
    21: ChainIncomplete,
    62: NamesMissing,
    66: KeyWeak,
    67: KeyWeak,
    68: KeyWeak,
}
# Reasons with which OpenSSL refuses to load a pair.
_LOAD_REFUSALS = {
    "KEY_VALUES_MISMATCH": KeyMismatch,
    "NO_CERTIFICATE_ASSIGNED": KeyMismatch,  # one is RSA and the other is not
    "EE_KEY_TOO_SMALL": KeyWeak,
    "CA_KEY_TOO_SMALL": KeyWeak,
    "CA_MD_TOO_WEAK": KeyWeak,
}
_ADVICE_FOR = {
    RootUntrusted: "No root that this NAS trusts signed it, or an intermediate is missing; for an own "
    "authority, put its root into a PEM file and name that as ca_file in the config",
    Expired: "Where neither the leaf nor its chain has, a root has: update DSM, or the roots in ca_file",
    NotYetValid: "Check this NAS's clock",
}


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Return a client's context that trusts the system's roots and those in `ca_file`.

    Raises:
        ConfigError: `ca_file` cannot be read, or holds something else than self-signed roots.
    """
    return _with_roots_of(ca_file, ssl.create_default_context())


def trusting_as_needed(ca_file: Path | None) -> ssl.SSLContext:
    """Return the same, but of the system's roots those in its folder, where OpenSSL finds one by its name.

    Reading all of the system's one file takes longer than the rest of a request. Who is refused with this
    asks again with all of them.

    Raises:
        ConfigError: as above.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks host names and certificates
    folder = ssl.get_default_verify_paths().capath
    if folder:
        context.load_verify_locations(capath=folder)
    return _with_roots_of(ca_file, context)


def _with_roots_of(ca_file: Path | None, context: ssl.SSLContext) -> ssl.SSLContext:
    context.verify_flags &= ~(_PARTIAL_CHAIN | _STRICT)
    if ca_file is None:
        return context
    try:
        roots = read_pem(ca_file.read_text(encoding="ascii", errors="replace"))
        if not roots:
            raise ValueError("there is no certificate in it")
        strangers = [root.issuer_name for root in roots if not root.self_signed]
        if strangers:
            raise ValueError(
                f"it holds a certificate that {strangers[0]!r} signed; only roots may stand there"
            )
        # Not the file: OpenSSL would find more in it, as in blocks labelled TRUSTED CERTIFICATE.
        context.load_verify_locations(cadata=b"".join(root.der for root in roots))
    except (OSError, ValueError) as error:
        raise ConfigError(f"ca_file is {str(ca_file)!r}, and no roots can be read there: {error}") from None
    return context


def rehearse(full_chain: Path, private_key: Path, names: Iterable[str], ca_file: Path | None) -> None:
    """Complete a TLS handshake in memory for each of `names`, serving `full_chain` with `private_key`.

    Proves that key and leaf match, that the leaf is valid now and good for each name, and that the chain
    leads to a root that this machine trusts.

    Args:
        full_chain: PEM file, leaf first.
        private_key: PEM file.
        names: host names that a browser would ask for; for a wildcard, a name below it.
        ca_file: PEM file of roots that are trusted beside the system's, or None.

    Raises:
        DocumentRefused: a handshake failed, with the reason that a browser would give.
        ConfigError: `ca_file` cannot be used.
    """
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without a password, even an empty one, OpenSSL asks at the terminal for that of an encrypted key.
        server.load_cert_chain(str(full_chain), str(private_key), password="")
    except ssl.SSLError as error:
        refusal = _LOAD_REFUSALS.get(error.reason, DocumentRefused)
        what = "do not go together" if refusal is KeyMismatch else "cannot be loaded"
        raise refusal(f"certificate and private key {what}: {error}. {ADVICE}") from None
    client = trusting(ca_file)
    client.hostname_checks_common_name = False  # browsers have not looked at it for years
    for name in names:
        try:
            _handshake(server, client, name.replace("*", "www", 1))
        except ssl.SSLCertVerificationError as error:
            refusal = _REFUSALS.get(error.verify_code, DocumentRefused)
            raise refusal(
                f"a browser would refuse it for {name}: {error.verify_message}. "
                f"{_ADVICE_FOR.get(refusal, ADVICE)}"
            ) from None
        except (ssl.SSLError, ValueError) as error:  # ValueError: no host name at all
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
    except (OSError, ValueError):  # ValueError: no host name at all
        return None
    return hashlib.sha256(leaf).hexdigest() if leaf else None
