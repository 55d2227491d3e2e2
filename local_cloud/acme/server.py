"""What every ACME server of the embedded cloud offers."""

from __future__ import annotations

import json
import ssl
import urllib.request
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

from local_cloud.processes import Service, Startable


class AcmeServer(Startable):
    """A certificate authority on loopback that validates dns-01 through our DNS server.

    Example:
        with Pebble(program, work, dns_port=dns.port, lifetime_seconds=86_400) as server:
            issue(server.directory_url, verify=server.ca_root)
    """

    name: ClassVar[str]

    @property
    @abstractmethod
    def directory_url(self) -> str:
        """The ACME directory's address."""

    @property
    @abstractmethod
    def ca_root(self) -> Path:
        """The PEM file of the root that verifies the directory's own HTTPS."""

    @property
    @abstractmethod
    def service(self) -> Service:
        """The child process."""

    @abstractmethod
    def start(self) -> Self:
        """Start the server and wait until it listens.

        Raises:
            ServiceError: it does not come up; the log's tail is in the text.
        """

    @abstractmethod
    def issuing_root(self) -> str:
        """Return the PEM of the root above the certificates that the server issues."""

    @abstractmethod
    def issuing_intermediates(self) -> str:
        """Return the PEM of the intermediates between that root and the leaf."""

    def directory(self) -> dict[str, Any]:
        """Return the ACME directory, fetched over HTTPS verified against `ca_root`."""
        answer: dict[str, Any] = json.loads(fetch(self.directory_url, self.ca_root))
        return answer

    @property
    def supports_profiles(self) -> bool:
        """Whether the running server offers certificate profiles."""
        return bool(self.directory().get("meta", {}).get("profiles"))

    @property
    def supports_renewal_info(self) -> bool:
        """Whether the running server offers ACME Renewal Information (RFC 9773)."""
        return "renewalInfo" in self.directory()

    def stop(self) -> None:
        """End the server."""
        self.service.stop()


def fetch(url: str, ca_root: Path) -> str:
    """Return what an HTTPS address on loopback answers; no proxy is used.

    Raises:
        OSError: it cannot be reached, or its certificate does not verify against `ca_root`.
    """
    context = ssl.create_default_context(cafile=str(ca_root))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(url, timeout=10) as answer:
        text: str = answer.read().decode()
    return text
