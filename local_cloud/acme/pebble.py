"""Pebble, Let's Encrypt's own test server: from 2.4 (Debian 12) to the current one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from local_cloud.acme.certificates import make_server_identity
from local_cloud.acme.server import AcmeServer, fetch
from local_cloud.processes import LOOPBACK, Service, accepts_connections, free_port

DEFAULT_PROFILE = "classic"


class Pebble(AcmeServer):
    """Pebble in strict mode, with real validation, nonce rejection and shuffled authorizations."""

    name: ClassVar[str] = "Pebble"

    def __init__(
        self,
        program: Path,
        work: Path,
        dns_port: int,
        lifetime_seconds: int,
        *,
        nonce_reject_percent: int = 5,
        authz_reuse_percent: int = 0,
        profiles: Mapping[str, int] | None = None,
        retry_after_seconds: int = 1,
        external_account_keys: Mapping[str, str] | None = None,
        alternate_roots: int = 0,
        caa_identity: str = "letsencrypt.org",
    ) -> None:
        """Write the configuration and the throw-away HTTPS certificate into `work`.

        Args:
            program: Pebble's executable.
            work: a folder for its files.
            dns_port: the DNS server on 127.0.0.1 that all validation asks.
            lifetime_seconds: of certificates under the profile "classic", and of all before Pebble 2.7.
            nonce_reject_percent: how often a good nonce is refused; 5 is Pebble's own default.
            authz_reuse_percent: how often a valid authorization is reused (Pebble's own default: 50).
            profiles: more profiles and their lifetimes in seconds; Pebble before 2.7 ignores them.
            retry_after_seconds: of Retry-After on authorizations and orders; Pebble 2.4 ignores it.
            external_account_keys: base64url MAC keys by key id; given, a new account must be bound to one.
            alternate_roots: how many more chains each certificate is offered with.
            caa_identity: the CA's name in CAA records and in the directory.
        """
        self._port, self._management_port = free_port(), free_port()
        self._identity = make_server_identity(work)
        configuration = work / "pebble.json"
        lifetimes = {DEFAULT_PROFILE: lifetime_seconds, **(profiles or {})}
        settings: dict[str, Any] = {
            "listenAddress": f"{LOOPBACK}:{self._port}",
            "managementListenAddress": f"{LOOPBACK}:{self._management_port}",
            "certificate": str(self._identity.certificate),
            "privateKey": str(self._identity.key),
            "httpPort": 5002,
            "tlsPort": 5001,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": external_account_keys is not None,
            "externalAccountMACKeys": dict(external_account_keys or {}),
            "caaIdentities": [caa_identity],
            "retryAfter": {"authz": retry_after_seconds, "order": retry_after_seconds},
            # Pebble ignores settings that it does not know: up to 2.6 it reads only the first of these
            # two, from 2.7 only the second.
            "certificateValidityPeriod": lifetime_seconds,
            "profiles": {
                name: {"description": f"{seconds} seconds", "validityPeriod": seconds}
                for name, seconds in lifetimes.items()
            },
        }
        configuration.write_text(json.dumps({"pebble": settings}, indent=2))
        self._service = Service(
            "Pebble",
            [program, "-strict", "-config", configuration, "-dnsserver", f"{LOOPBACK}:{dns_port}"],
            log=work / "pebble.log",
            env={
                **os.environ,
                "PEBBLE_VA_NOSLEEP": "1",
                "PEBBLE_VA_ALWAYS_VALID": "0",
                "PEBBLE_WFE_NONCEREJECT": str(nonce_reject_percent),
                "PEBBLE_AUTHZREUSE": str(authz_reuse_percent),
                "PEBBLE_ALTERNATE_ROOTS": str(alternate_roots),
            },
        )

    def start(self) -> Self:
        """Start Pebble; each start makes a new root, as Pebble keeps everything in memory."""
        ports = (self._port, self._management_port)
        self._service.start(ready=lambda: all(accepts_connections(port) for port in ports))
        return self

    @property
    def service(self) -> Service:
        """The child process."""
        return self._service

    @property
    def directory_url(self) -> str:
        """The ACME directory's address."""
        return f"https://{LOOPBACK}:{self._port}/dir"

    @property
    def management_url(self) -> str:
        """The management interface, without a slash at its end: see Pebble's README for what it offers."""
        return f"https://{LOOPBACK}:{self._management_port}"

    @property
    def ca_root(self) -> Path:
        """The PEM file of the root that verifies directory and management interface."""
        return self._identity.ca_root

    def issuing_root(self, alternate: int = 0) -> str:
        """Return the PEM of the root above the certificates; `alternate` counts the other chains from 1."""
        return fetch(f"{self.management_url}/roots/{alternate}", self.ca_root)

    def issuing_intermediates(self, alternate: int = 0) -> str:
        """Return the PEM of the intermediate of that chain."""
        return fetch(f"{self.management_url}/intermediates/{alternate}", self.ca_root)
