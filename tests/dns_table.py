"""A small name server on loopback that answers from a table: it stands for resolvers and routers."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence

import dns.resolver
from dnslib import QTYPE, RCODE, RR, DNSRecord  # type: ignore[import-untyped]
from dnslib.server import BaseResolver, DNSLogger, DNSServer  # type: ignore[import-untyped]

from local_cloud.processes import LOOPBACK, free_port

Table = Mapping[tuple[str, str], str]
"""(name, type) -> zone file lines, the word REFERRAL before lines of the authority section, or an rcode.

What is not there does not exist. A referral has no AA flag, everything else has.
"""

REFERRAL = "REFERRAL"


class _TableResolver(BaseResolver):  # type: ignore[misc]
    def __init__(self, table: Table) -> None:
        self._table = table

    def resolve(self, request: DNSRecord, _handler: object) -> DNSRecord:
        reply = request.reply()
        name = str(request.q.qname).rstrip(".").lower()
        said = self._table.get((name, QTYPE[request.q.qtype]), "NXDOMAIN")
        if said.startswith(REFERRAL):
            reply.header.aa = 0
            reply.add_auth(*RR.fromZone(said.removeprefix(REFERRAL)))
        elif said in RCODE.reverse:
            reply.header.rcode = RCODE.reverse[said]
        else:
            reply.add_answer(*RR.fromZone(said))
        return reply


@contextlib.contextmanager
def serving(table: Table, addresses: Sequence[str] = (LOOPBACK,), *, tcp_only: bool = False) -> Iterator[int]:
    """Answer on the addresses, by UDP and TCP, and yield the port."""
    port, servers = free_port(), []
    logging.getLogger("dnslib").setLevel(logging.ERROR)
    quiet = DNSLogger(log="-request,-reply,-truncated,-error,-recv,-send,-data")
    try:
        for address in addresses:
            for tcp in (True,) if tcp_only else (True, False):
                server = DNSServer(_TableResolver(table), address, port, tcp=tcp, logger=quiet)
                servers.append(server)
                server.start_thread()
        yield port
    finally:
        for server in servers:
            server.server.shutdown()
            server.server.server_close()


def resolver_at(port: int, *, seconds: float = 20) -> dns.resolver.Resolver:
    """Return a resolver that asks the port on loopback, with time for a busy machine."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [LOOPBACK], port
    resolver.timeout = resolver.lifetime = seconds
    return resolver
