"""Whether the public resolvers are what answers: some networks redirect port 53 to one of their own."""

from __future__ import annotations

from dataclasses import replace

from .finding import Finding, bad, good
from .resolvers import Resolvers, intercepted_by

_WHAT = "DNS queries reach the public resolvers"


def check_interception(resolvers: Resolvers) -> Finding:
    """Tell whether something between answers in their place, where that can be shown."""
    shown = intercepted_by(resolvers)
    servers = ", ".join(map(str, resolvers.public.nameservers))
    if shown is None:
        return good(_WHAT, f"{servers}: nothing between was seen")
    return bad(
        _WHAT,
        f"something between answers in their place: {shown}",
        "your router, VPN or filter answers (Pi-hole, AdGuard, a rule that redirects port 53). AWS and the "
        f"certificate authority are outside and do not see it. To know what they see, let {servers} pass on "
        "port 53, or run the check in another network",
    )


def doubt(finding: Finding) -> Finding:
    """Return a finding as one that could not be told: it rests on an answer of something between."""
    if finding.ok is None:
        return finding
    measured = f"{finding.measured} (says something between, not a public resolver)"
    return replace(finding, ok=None, measured=measured)
