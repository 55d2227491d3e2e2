"""DNS rebinding protection: routers drop answers of the Internet that hold private addresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection


def is_private(address: str) -> bool:
    """Tell whether a router with this protection drops the address (RFC 1918, RFC 4193 and their like)."""
    return not ipaddress.ip_address(address).is_global


def is_dropped(missing: Collection[str], extra: Collection[str]) -> bool:
    """Tell whether an answer lacks private addresses only, with nothing but placeholders in their place."""
    placeholders = all(
        ipaddress.ip_address(address).is_unspecified or ipaddress.ip_address(address).is_loopback
        for address in extra
    )
    return bool(missing) and placeholders and all(map(is_private, missing))


def what_to_set(zone: str, name: str, addresses: Collection[str]) -> str:
    """Say what to enter in common routers, so that names of the zone may have private addresses."""
    return "\n".join(
        (
            f"allow private addresses for {zone} in the router, or in what answers DNS in your network:",
            "- FRITZ!Box: Home Network > Network > Network Settings > DNS Rebind Protection (Heimnetz > "
            f"Netzwerk > Netzwerkeinstellungen > DNS-Rebind-Schutz): enter {zone} and {name}",
            f"- OpenWrt: uci add_list dhcp.@dnsmasq[0].rebind_domain='{zone}'; uci commit dhcp; "
            "service dnsmasq restart",
            "- dnsmasq, Pi-hole, ASUS with Merlin: in dnsmasq's configuration the line "
            f"rebind-domain-ok=/{zone}/",
            "- ASUS: WAN > Internet Connection > Enable DNS Rebind protection: No",
            "- unbound, pfSense, OPNsense: in the resolver's custom options "
            f'server: private-domain: "{zone}"',
            f"- any other: a local DNS entry {name} -> {', '.join(sorted(addresses))}, or a public resolver "
            "(1.1.1.1) as DNS server of this machine",
        )
    )
