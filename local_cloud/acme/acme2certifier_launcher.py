"""Runs acme2certifier inside its own virtual environment: HTTPS on loopback, our DNS port, our lifetime.

A script for that environment's Python, standard library and acme2certifier only. It refuses to start when
what it patches is gone.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import os
import select
import socketserver
import ssl
import time
import types
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIServer

_LOOPBACK = "127.0.0.1"


def main() -> None:
    """Read the command line, patch, serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--dns-port", type=int, required=True)
    parser.add_argument("--lifetime-seconds", type=int, required=True)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--closed", type=Path, required=True, help="while this file is there, none is served")
    parser.add_argument("--revoked", type=Path, required=True, help="the revocation list that it writes")
    options = parser.parse_args()
    if "FAKETIME_TIMESTAMP_FILE" in os.environ:
        sleep_while_time_is_moved()
        count_lookups_by_the_monotonic_clock()
    ask_dns_on_port(options.dns_port)
    issue_for(options.lifetime_seconds)
    fail_orders_with_their_authorizations()
    renew_what_is_revoked(options.revoked)
    wsgi: Any = importlib.import_module("acme2certifier.share.acme2certifier_wsgi")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(options.certificate, options.key)
    server = HttpsServer((_LOOPBACK, options.port), wsgi.get_handler_cls(), tls, options.closed)
    server.set_app(wsgi.application)
    server.serve_forever()


def ask_dns_on_port(port: int) -> None:
    """Give dnspython's resolvers another default port: acme2certifier can set addresses only."""
    resolver: Any = importlib.import_module("dns.resolver").BaseResolver
    reset = resolver.reset

    def reset_with_port(self: Any) -> None:
        reset(self)
        self.port = port

    resolver.reset = reset_with_port


def issue_for(seconds: int) -> None:
    """Set the lifetime in seconds: acme2certifier's own setting counts whole days."""
    handler: Any = importlib.import_module("acme2certifier.cahandlers.openssl_ca_handler").CAhandler
    if not hasattr(handler, "_certexpiry_date_default"):
        raise SystemExit("this acme2certifier has no CAhandler._certexpiry_date_default to set lifetimes by")

    def certexpiry_date_default(_self: Any) -> datetime.datetime:
        return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)  # noqa: UP017

    handler._certexpiry_date_default = certexpiry_date_default


def fail_orders_with_their_authorizations() -> None:
    """Make an order invalid when one of its authorizations is (RFC 8555 section 7.1.6).

    acme2certifier leaves it pending, so a client that polls the order would wait until its deadline.
    """
    repository: Any = importlib.import_module("acme2certifier.acme_srv.challenge").DatabaseChallengeRepository
    update = repository.update_authorization_status

    def update_authorization_status(self: Any, challenge_name: str, status: str) -> Any:
        updated = update(self, challenge_name, status)
        if status == "invalid":
            found = self.dbstore.challenge_lookup("name", challenge_name, ["authorization__name"])
            orders = self.dbstore.authorization_lookup("name", found["authorization"], ["order__name"])
            for order in orders:
                self.dbstore.order_update_if_status(order["order__name"], "invalid", "pending")
        return updated

    repository.update_authorization_status = update_authorization_status


def renew_what_is_revoked(revocations: Path) -> None:
    """Answer a window in the past for what is on the revocation list (RFC 9773 section 4.2).

    acme2certifier does not look at revocation where it answers renewal information.
    """
    renewal: Any = importlib.import_module("acme2certifier.acme_srv.renewalinfo").Renewalinfo
    x509: Any = importlib.import_module("cryptography.x509")
    generate = renewal._generate_renewalinfo_window

    def generate_window(self: Any, certificate: Any) -> Any:
        answer = generate(self, certificate)
        if not answer or not certificate.get("cert") or not revocations.exists():
            return answer
        leaf = x509.load_pem_x509_certificates(certificate["cert"].encode())[0]
        listed = x509.load_pem_x509_crl(revocations.read_bytes())
        if listed.get_revoked_certificate_by_serial_number(leaf.serial_number) is None:
            return answer
        began = leaf.not_valid_before_utc
        moments = (began, began + datetime.timedelta(seconds=1))
        start, end = (moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in moments)
        return {"suggestedWindow": {"start": start, "end": end}}

    renewal._generate_renewalinfo_window = generate_window


def sleep_while_time_is_moved() -> None:
    """Under libfaketime 0.9.10 time.sleep fails: it takes Python's monotonic deadline for a faked one."""
    time.sleep = lambda seconds, /: select.select([], [], [], float(seconds)) and None


def count_lookups_by_the_monotonic_clock() -> None:
    """Let dnspython measure how long it asks by the clock that is never moved.

    libfaketime, read by several threads at once, answers the real time now and then: a lookup then seemed to
    have taken months, and was given up.
    """
    resolver: Any = importlib.import_module("dns.resolver")
    resolver.time = types.SimpleNamespace(time=time.monotonic, sleep=time.sleep)


class HttpsServer(socketserver.ThreadingMixIn, WSGIServer):
    """wsgiref's server with TLS, the handshake in the connection's own thread."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: Any, tls: ssl.SSLContext, closed: Path) -> None:
        """Bind the address; while the file `closed` is there, connections are cut at once."""
        self._tls, self._closed = tls, closed
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without http.server's reverse DNS look-up."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = _LOOPBACK, self.server_address[1]
        self.setup_environ()
        self.base_environ["HTTPS"] = "on"

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002
        """Tell whether to serve the connection: not while the server plays dead."""
        return not self._closed.exists()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands, then handle the request; a client that hangs up is no event."""
        try:
            with self._tls.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)
        except (ssl.SSLError, ConnectionError):
            return


if __name__ == "__main__":
    main()
