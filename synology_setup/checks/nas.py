"""One NAS: reachable, on time, and what it serves."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from datetime import datetime
from urllib.parse import urlsplit

from synology_setup.stack_outputs import NasOutputs, StackOutputs

from .clock import judge_clock
from .dsm_page import PageUnread, read_page
from .finding import Finding, untold
from .reach import check_dsm_port, check_ssh
from .served import judge_served, unread

_HTTPS = 443


def host_of(nas: NasOutputs) -> str:
    """Return the host name in the URL of DSM's page."""
    return urlsplit(nas.url).hostname or ""


def names_of(nas: NasOutputs) -> list[str]:
    """Return the host names that lead to the NAS: those of its certificates, and of its page."""
    named = [name for certificate in nas.agent_config["certificates"] for name in certificate["names"]]
    host = host_of(nas)
    names = dict.fromkeys([*([] if is_address(host) else [host]), *named])
    return [name for name in names if name and not name.startswith("*.")]


def certificate_of(nas: NasOutputs, outputs: StackOutputs) -> str:
    """Return the name in the stack of the first certificate that the NAS installs."""
    secrets = [certificate["secret"] for certificate in nas.agent_config["certificates"]]
    named = (name for name, request in outputs.requests.items() if request.get("secret") in secrets)
    return next(named, "NAME")


def is_address(host: str) -> bool:
    """Tell whether it is an IP address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def check_nas(
    nas: NasOutputs,
    address: str | None,
    certificate: str,
    *,
    ssh_port: int,
    roots: str | None,
    now: Callable[[], datetime],
) -> Iterator[Finding]:
    """Look at the NAS at its address; without one nothing can be told.

    Args:
        nas: of the stack.
        address: where it is, or None.
        certificate: the name in the stack of the one that it should serve.
        ssh_port: of the NAS.
        roots: PEM of roots that are trusted beside the system's, or None.
        now: this machine's clock.
    """
    if address is None:
        yield untold(f"the NAS {nas.name} can be reached", f"the address of {host_of(nas)} is not known")
        return
    yield check_ssh(nas.name, address, ssh_port)
    port = urlsplit(nas.url).port or _HTTPS
    reachable = check_dsm_port(nas.name, address, port)
    yield reachable
    if not reachable.ok:
        return
    name = host_of(nas)
    try:
        page = read_page(address, port, name, roots)
    except PageUnread as error:
        yield unread(nas.name, name, port, str(error))
        return
    yield judge_clock(nas.name, page.date, now())
    yield judge_served(nas.name, certificate, name, page, now())
