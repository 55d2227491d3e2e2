"""DSM's page over HTTPS, as it is: the certificate, what this machine thinks of it, and the clock's time."""

from __future__ import annotations

import http.client
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from cryptography import x509

_SECONDS = 5.0


@dataclass(frozen=True)
class DsmPage:
    """What was seen.

    Attributes:
        leaf: the certificate that is served for the name.
        distrust: why a client that knows the roots refuses it; empty where it does not.
        date: what the NAS's clock said, or None where it did not say.
    """

    leaf: x509.Certificate
    distrust: str
    date: datetime | None


class PageUnread(Exception):
    """The port does not speak TLS as it should."""


def read_page(address: str, port: int, name: str, roots: str | None) -> DsmPage:
    """Look at DSM's page as a browser that was sent to `name`, whose address is known.

    Args:
        address: the NAS's.
        port: of DSM's page.
        name: the host name, in the handshake (SNI) and in the request.
        roots: PEM of roots that are trusted beside the system's, or None.

    Raises:
        PageUnread: there is no TLS, or no certificate that can be read.
    """
    lenient = ssl.create_default_context()
    lenient.check_hostname, lenient.verify_mode = False, ssl.CERT_NONE
    try:
        with _connect(lenient, address, port, name) as connection:
            der = connection.getpeercert(binary_form=True)
            date = _date(connection, name)
        leaf = x509.load_der_x509_certificate(der or b"")
        return DsmPage(leaf, _distrust(address, port, name, roots), date)
    except (OSError, ValueError) as error:
        raise PageUnread(getattr(error, "reason", None) or str(error) or type(error).__name__) from None


def _connect(context: ssl.SSLContext, address: str, port: int, name: str) -> ssl.SSLSocket:
    plain = socket.create_connection((address, port), timeout=_SECONDS)
    try:
        return context.wrap_socket(plain, server_hostname=name)
    except BaseException:
        plain.close()
        raise


def _distrust(address: str, port: int, name: str, roots: str | None) -> str:
    strict = ssl.create_default_context()
    if roots:
        strict.load_verify_locations(cadata=roots)
    try:
        _connect(strict, address, port, name).close()
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    return ""


def _date(connection: ssl.SSLSocket, name: str) -> datetime | None:
    """Return the Date of an answer's header (RFC 9110 section 6.6.1)."""
    connection.sendall(f"HEAD / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode("ascii"))
    response = http.client.HTTPResponse(connection, method="HEAD")
    try:
        response.begin()
        date = parsedate_to_datetime(response.headers["Date"])
    except (http.client.HTTPException, OSError, TypeError, ValueError):
        return None
    finally:
        response.close()
    return date if date.tzinfo else date.replace(tzinfo=UTC)
