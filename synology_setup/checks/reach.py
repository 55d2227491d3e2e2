"""Whether the NAS's ports take connections."""

from __future__ import annotations

import socket

from synology_setup.remote.errors import SSH_SWITCH

from .finding import Finding, bad, good

_SECONDS = 5.0
_ASLEEP = (
    "look whether the NAS is on and awake, whether this machine is in its network (or VPN), and whether "
    "{address} is its address (Control Panel > Network > Network Interface). The stack takes another one "
    "with: pulumi config set nas_address ADDRESS (of several NASes: in nas), then `pulumi up`"
)


def check_ssh(nas: str, address: str, port: int) -> Finding:
    """Try the port of SSH."""
    refused = f"switch it on: {SSH_SWITCH}, port {port}"
    return _check(f"the NAS {nas} takes SSH connections", address, port, refused)


def check_dsm_port(nas: str, address: str, port: int) -> Finding:
    """Try the port of DSM's page."""
    refused = (
        f"DSM listens at another port than {port}: Control Panel > Login Portal > DSM (DSM 6: Network > DSM "
        "Settings), or its firewall refuses: Control Panel > Security > Firewall"
    )
    return _check(f"the NAS {nas} serves DSM's page", address, port, refused)


def _check(what: str, address: str, port: int, refused_advice: str) -> Finding:
    """Try a port; `refused_advice` is for one that is closed."""
    problem = _problem(address, port)
    if problem is None:
        return good(what, f"{address} port {port}")
    said, refused = problem
    advice = refused_advice if refused else _ASLEEP.format(address=address)
    return bad(what, f"{address} port {port}: {said}", advice)


def _problem(address: str, port: int) -> tuple[str, bool] | None:
    """Return what happened and whether something there refused, or None where it connects."""
    try:
        socket.create_connection((address, port), timeout=_SECONDS).close()
    except ConnectionRefusedError:
        return "refused", True
    except TimeoutError:
        return f"no answer in {_SECONDS:.0f} s", False
    except OSError as error:
        return error.strerror or str(error), False
    return None
