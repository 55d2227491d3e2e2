"""The ports where DSM's nginx serves the services' certificates, and what host names stand behind them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterable

from .dsm import Dsm, has_certificate_api
from .entries import Service
from .errors import DsmError

_HTTPS = 1  # `protocol` of a reverse proxy's frontend
_HOST_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")


@dataclass(frozen=True)
class Port:
    """A port where nginx serves a service's certificate.

    Attributes:
        service: the service's key.
        number: TCP port on this machine.
        name: host name to ask for (SNI); None where the page answers to any.
    """

    service: str
    number: int
    name: str | None

    def __str__(self) -> str:
        """Name it for a person."""
        return f"{self.number} for {self.name}" if self.name else str(self.number)


def read_ports(dsm: Dsm) -> list[Port]:
    """Return the ports of DSM's page and of the reverse proxy's HTTPS rules.

    Raises:
        DsmError: DSM does not tell, or in an unknown shape.
    """
    try:
        return _from_web_api(dsm) if has_certificate_api(dsm) else _from_files(dsm)
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise DsmError(f"DSM tells its ports in a shape that this agent does not know: {error!r}") from None


def host_names(service: Service, ports: Iterable[Port]) -> list[str]:
    """Return the host names that a reverse proxy, portal or virtual host has of its own; often none."""
    if not service.has_host:
        return []
    named = [port.name for port in ports if port.service == service.key and port.name]
    return named or _HOST_NAME.findall(service.display_name.lower())


def _from_web_api(dsm: Dsm) -> list[Port]:
    settings = dsm.web_api("SYNO.Core.Web.DSM", "get", 2)
    rules = dsm.web_api("SYNO.Core.AppPortal.ReverseProxy", "list", 1)
    return [
        Port("system/default", int(settings["https_port"]), None),
        *(
            Port(
                "ReverseProxy/{}".format(rule["UUID"]),
                int(rule["frontend"]["port"]),
                _askable(rule["frontend"]["fqdn"]),
            )
            for rule in rules["entries"]
            if rule["frontend"].get("protocol") == _HTTPS
        ),
    ]


def _from_files(dsm: Dsm) -> list[Port]:
    """Read DSM 6.2's own files; which they are is likely, not measured."""
    settings = dsm.real("/etc/synoinfo.conf").read_text(encoding="utf-8", errors="replace")
    page = re.search(r'^secure_admin_port="(\d+)"', settings, re.M)
    ports = [Port("system/default", int(page.group(1)), None)] if page else []
    rules = dsm.real("/etc/nginx/app.d/server.ReverseProxy.conf")
    text = rules.read_text(encoding="utf-8", errors="replace") if rules.exists() else ""
    for server in re.split(r"\bserver\s*\{", text)[1:]:
        listen = re.search(r"\blisten\s+(?:\S*:)?(\d+)\s+ssl\b", server)
        name = re.search(r"\bserver_name\s+([^\s;]+)", server)
        service = re.search(r"\bssl_certificate\s+\S*/(ReverseProxy/[^/\s]+)/", server)
        if listen and name and service:
            ports.append(Port(service.group(1), int(listen.group(1)), _askable(name.group(1))))
    return ports


def _askable(host: str | None) -> str | None:
    """Return a host name that SNI may hold: one below a wildcard; None where any will do."""
    return host.replace("*", "www", 1) if host and "." in host else None
