"""acme2certifier: an ACME server from the Python package index, for machines without Pebble.

It lives in a virtual environment of its own, so that its dependencies never meet ours.
"""

from __future__ import annotations

import configparser
import datetime
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from local_cloud.acme.certificates import make_authority, make_server_identity
from local_cloud.acme.server import AcmeServer
from local_cloud.environments import provide_environment
from local_cloud.processes import LOOPBACK, Service, accepts_connections, free_port

_LAUNCHER = Path(__file__).with_name("acme2certifier_launcher.py")
_REQUIREMENTS = Path(__file__).parents[1] / "acme2certifier-requirements.txt"
# Of the lifetime, as Let's Encrypt (RenewalInfoSimple in boulder's core/objects.go: the window is as wide as
# 2 % around two thirds, or around the half where the lifetime is under ten days); its own default is 85.
_RENEWAL_PERCENT, _SHORT_RENEWAL_PERCENT = 66.0, 49.0
_SHORT_LIFETIME_SECONDS = 10 * 86_400
_RENEWAL_WINDOW_PERCENT = 2  # of the lifetime, as Let's Encrypt; its own default reaches to the end
_INSTALL_SECONDS = 600


class Acme2Certifier(AcmeServer):
    """acme2certifier with its openssl_ca_handler; root and intermediate are made by us for each instance."""

    name: ClassVar[str] = "acme2certifier"

    def __init__(
        self,
        work: Path,
        dns_port: int,
        lifetime_seconds: int,
        *,
        build: Path = Path("build"),
        renewal_info: bool = True,
        profiles: Mapping[str, str] | None = None,
    ) -> None:
        """Write the configuration, the HTTPS certificate and the issuing authorities into `work`.

        Args:
            work: a folder for its files.
            dns_port: the DNS server on 127.0.0.1 that all validation asks.
            lifetime_seconds: of the certificates it issues.
            build: where its virtual environment is, or is to be made by `start`.
            renewal_info: offer ACME Renewal Information.
            profiles: those that the directory offers, name -> description; all issue the same.
        """
        self._port, self._dns_port = free_port(), dns_port
        self._build = build
        self._work = work.resolve()
        self._renewal_info, self._profiles = renewal_info, dict(profiles or {})
        self._identity = make_server_identity(work)
        self._root = make_authority("acme2certifier stand-in root")
        self._intermediate = make_authority("acme2certifier stand-in intermediate", self._root)
        self._intermediate.write(work / "issuer.pem", work / "issuer.key")
        self._service = self._make_service(lifetime_seconds)

    def _make_service(self, lifetime_seconds: int) -> Service:
        configuration = _write_configuration(
            self._work, lifetime_seconds, renewal_info=self._renewal_info, profiles=self._profiles
        )
        return Service(
            "acme2certifier",
            [
                _environment(self._build) / "bin" / "python",
                "-I",
                _LAUNCHER,
                *("--port", str(self._port), "--dns-port", str(self._dns_port)),
                *("--lifetime-seconds", str(lifetime_seconds)),
                *("--certificate", self._identity.certificate, "--key", self._identity.key),
                *("--closed", self._closed, "--revoked", self._revocations),
            ],
            log=self._work / "acme2certifier.log",
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
    def _closed(self) -> Path:
        return self._work / "closed"

    @property
    def _revocations(self) -> Path:
        return self._work / "issuer.crl"

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

    def issue_for(self, lifetime_seconds: int) -> None:
        """Issue for another lifetime from now on: the server starts anew with what it knows."""
        self._service.stop()
        self._service = self._make_service(lifetime_seconds)
        self.start()

    def close(self) -> None:
        """Be unreachable until `open`: connections are cut before anything was said."""
        self._closed.touch()

    def open(self) -> None:
        """Be reachable again."""
        self._closed.unlink(missing_ok=True)

    def issued(self) -> list[x509.Certificate]:
        """Return every certificate that it ever issued, in the order of their begin."""
        files = (self._work / "issued").glob("*.pem")
        found = [x509.load_pem_x509_certificate(file.read_bytes()) for file in files]
        return sorted(found, key=lambda one: one.not_valid_before_utc)

    def revoke_everything(self) -> None:
        """Revoke all that was issued, as after a fault of the authority's own."""
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._intermediate.certificate.subject)
            .last_update(now)
            .next_update(now + datetime.timedelta(days=1))
        )
        for one in self.issued():
            entry = x509.RevokedCertificateBuilder().serial_number(one.serial_number).revocation_date(now)
            builder = builder.add_revoked_certificate(entry.build())
        signed = builder.sign(self._intermediate.key, hashes.SHA256())
        self._revocations.write_bytes(signed.public_bytes(Encoding.PEM))

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


def _write_configuration(
    work: Path, lifetime_seconds: int, *, renewal_info: bool, profiles: Mapping[str, str]
) -> Path:
    (work / "issued").mkdir(exist_ok=True)
    short = lifetime_seconds < _SHORT_LIFETIME_SECONDS
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
            "Order": {"profiles": json.dumps(profiles)},
            "Renewalinfo": {
                "renewalinfo_disable": str(not renewal_info),
                "renewalthreshold_pctg": str(_SHORT_RENEWAL_PERCENT if short else _RENEWAL_PERCENT),
                "renewal_window_duration": str(max(1, lifetime_seconds * _RENEWAL_WINDOW_PERCENT // 100)),
            },
        }
    )
    path = work / "acme_srv.cfg"
    with path.open("w") as file:
        configuration.write(file)
    return path
