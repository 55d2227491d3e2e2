"""acme2certifier: an ACME server from the Python package index, for machines without Pebble.

It lives in a virtual environment of its own, so that its dependencies never meet ours.
"""

from __future__ import annotations

import configparser
import json
import os
from pathlib import Path
from typing import ClassVar, Self

from local_cloud.acme.certificates import make_authority, make_server_identity
from local_cloud.acme.server import AcmeServer
from local_cloud.environments import provide_environment
from local_cloud.processes import LOOPBACK, Service, accepts_connections, free_port

_LAUNCHER = Path(__file__).with_name("acme2certifier_launcher.py")
_REQUIREMENTS = Path(__file__).parents[1] / "acme2certifier-requirements.txt"
_RENEWAL_PERCENT = 66.0  # of the lifetime, as Let's Encrypt; its own default is 85
_RENEWAL_WINDOW_PERCENT = 2  # of the lifetime, as Let's Encrypt; its own default reaches to the end
_INSTALL_SECONDS = 600


class Acme2Certifier(AcmeServer):
    """acme2certifier with its openssl_ca_handler; root and intermediate are made by us for each instance."""

    name: ClassVar[str] = "acme2certifier"

    def __init__(
        self, work: Path, dns_port: int, lifetime_seconds: int, *, build: Path = Path("build")
    ) -> None:
        """Write the configuration, the HTTPS certificate and the issuing authorities into `work`.

        Args:
            work: a folder for its files.
            dns_port: the DNS server on 127.0.0.1 that all validation asks.
            lifetime_seconds: of the certificates it issues.
            build: where its virtual environment is, or is to be made by `start`.
        """
        self._port = free_port()
        self._build = build
        self._identity = make_server_identity(work)
        self._root = make_authority("acme2certifier stand-in root")
        self._intermediate = make_authority("acme2certifier stand-in intermediate", self._root)
        configuration = _write_configuration(work.resolve(), lifetime_seconds)
        self._intermediate.write(work / "issuer.pem", work / "issuer.key")
        self._service = Service(
            "acme2certifier",
            [
                _environment(build) / "bin" / "python",
                "-I",
                _LAUNCHER,
                *("--port", str(self._port), "--dns-port", str(dns_port)),
                *("--lifetime-seconds", str(lifetime_seconds)),
                *("--certificate", self._identity.certificate, "--key", self._identity.key),
            ],
            log=work / "acme2certifier.log",
            env={**os.environ, "ACME_SRV_CONFIGFILE": str(configuration)},
        )

    def start(self) -> Self:
        """Install what is missing, then start the server.

        Raises:
            ServiceError: the packages cannot be installed, or the server does not come up.
        """
        install(self._build)
        self._service.start(ready=lambda: accepts_connections(self._port))
        return self

    @property
    def service(self) -> Service:
        """The child process."""
        return self._service

    @property
    def directory_url(self) -> str:
        """The ACME directory's address."""
        return f"https://{LOOPBACK}:{self._port}/directory"

    @property
    def ca_root(self) -> Path:
        """The PEM file of the root that verifies the directory."""
        return self._identity.ca_root

    def issuing_root(self) -> str:
        """Return the PEM of the root above the certificates."""
        return self._root.certificate_pem()

    def issuing_intermediates(self) -> str:
        """Return the PEM of the intermediate."""
        return self._intermediate.certificate_pem()


def install(build: Path) -> None:
    """Make acme2certifier's virtual environment below `build`; one that is up to date is left alone.

    Raises:
        ServiceError: pip could not install it; its last words are in the text.
    """
    provide_environment(_environment(build), _REQUIREMENTS)


def _environment(build: Path) -> Path:
    return build.absolute() / "acme2certifier-venv"


def _write_configuration(work: Path, lifetime_seconds: int) -> Path:
    (work / "issued").mkdir(exist_ok=True)
    configuration = configparser.ConfigParser(interpolation=None)
    configuration.read_dict(
        {
            "DEFAULT": {"debug": "False", "dns_server_list": json.dumps([LOOPBACK])},
            "DBhandler": {
                "handler_module": "acme2certifier.dbhandlers.wsgi_handler",
                "dbfile": str(work / "acme2certifier.db"),
            },
            "CAhandler": {
                "handler_module": "acme2certifier.cahandlers.openssl_ca_handler",
                "issuing_ca_key": str(work / "issuer.key"),
                "issuing_ca_cert": str(work / "issuer.pem"),
                "issuing_ca_crl": str(work / "issuer.crl"),
                "cert_save_path": str(work / "issued"),
                "cn_enforce": "True",  # else the subject is empty and the SAN wrongly not critical
            },
            "Account": {"contact_check_disable": "True"},  # optional in RFC 8555 section 7.1.2
            "Renewalinfo": {
                "renewalthreshold_pctg": str(_RENEWAL_PERCENT),
                "renewal_window_duration": str(max(1, lifetime_seconds * _RENEWAL_WINDOW_PERCENT // 100)),
            },
        }
    )
    path = work / "acme_srv.cfg"
    with path.open("w") as file:
        configuration.write(file)
    return path
