"""Whether the Internet knows the hosted zone yet: the trap that costs a first certificate an evening."""

from __future__ import annotations

import os

import dns.exception
import dns.resolver

from .dns01 import Route53OfZone, needed_zones
from .errors import ZoneError
from .request import CertificateRequest

# Holds address:port of a resolver in place of the system's; the embedded cloud sets it.
RESOLVER = "DNS_RESOLVER"

_LOOKUP_SECONDS = 10.0


def public_name_servers(request: CertificateRequest, route53: Route53OfZone) -> dict[str, list[str]]:
    """Return the name servers of the zones that the request needs: zone name -> host names.

    Raises:
        ZoneError: a name is in no zone of the request, or its zone is a private one.
    """
    needed, servers = needed_zones(request), {}
    for zone_name, zone_id in sorted(request.zones.items()):
        if zone_id not in needed:
            continue
        zone = route53(zone_id).get_hosted_zone(Id=zone_id)
        if zone["HostedZone"].get("Config", {}).get("PrivateZone"):
            raise ZoneError(f"the hosted zone {zone_name} ({zone_id}) is private: name the public one")
        servers[zone_name] = sorted(
            server.rstrip(".").lower() for server in zone["DelegationSet"]["NameServers"]
        )
    return servers


def awaited_name_servers(servers: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return those of the zones (zone name -> its name servers) that no parent delegates to Route 53 yet.

    A resolver gets the NS records of a zone only by way of its parent's. Where no resolver answers at all,
    nothing is known, and the authority's own look-up decides.
    """
    return {zone: hosts for zone, hosts in servers.items() if not _delegated(zone, set(hosts))}


def _delegated(zone_name: str, servers: set[str]) -> bool:
    own = os.environ.get(RESOLVER)
    try:
        resolver = dns.resolver.Resolver(configure=own is None)
        if own is not None:
            address, port = own.rsplit(":", 1)
            resolver.nameservers, resolver.port = [address], int(port)
        answer = resolver.resolve(zone_name, "NS", lifetime=_LOOKUP_SECONDS)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return False
    except dns.exception.DNSException:
        return True
    return bool(servers & {str(record.target).rstrip(".").lower() for record in answer})
