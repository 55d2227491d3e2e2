"""The name server of the embedded cloud: answers on loopback, UDP and TCP, from the local Route 53."""

from __future__ import annotations

import logging
import socketserver
import struct
import threading
from typing import TYPE_CHECKING, Any, Self

import dnslib  # type: ignore[import-untyped]
from dnslib import CLASS, QTYPE, RCODE, RR, DNSLabel, DNSRecord

from local_cloud.dns_records import SUPPORTED, Name, parse_name, parse_value
from local_cloud.dns_zones import Node, RecordSet, Zone, find_zone
from local_cloud.processes import LOOPBACK, Startable, free_port

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client

_log = logging.getLogger(__name__)
_LONGEST_CNAME_CHAIN = 16
_PLAIN_UDP_BYTES = 512  # RFC 1035 section 4.2.1
_EDNS_UDP_BYTES = 1232  # the size that DNS Flag Day 2020 recommends
_OPCODE_QUERY = 0


class DnsServer(Startable):
    """An authoritative name server for all public hosted zones of one Route 53.

    Example:
        with DnsServer(boto3.client("route53")) as dns:
            Pebble(program, work, dns_port=dns.port, lifetime_seconds=86_400)
    """

    def __init__(self, route53_client: Route53Client, port: int | None = None) -> None:
        """Choose the port, a free one if none is given; `start` binds it."""
        self.port = port or free_port()
        self._resolver = Resolver(route53_client)
        self._servers: list[socketserver.BaseServer] = []

    def start(self) -> Self:
        """Bind the port and answer in threads of this process.

        Raises:
            OSError: the port is taken.
        """
        try:
            for server in (_UdpServer, _TcpServer):
                self._servers.append(server((LOOPBACK, self.port), self._resolver))
        except BaseException:
            self._close()
            raise
        for bound in self._servers:
            threading.Thread(target=bound.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop answering and free the port."""
        for server in self._servers:
            server.shutdown()
        self._close()

    def _close(self) -> None:
        while self._servers:
            self._servers.pop().server_close()


class Resolver:
    """Answers one DNS message from the zones of Route 53 (RFC 1034 section 4.3.2)."""

    def __init__(self, route53_client: Route53Client) -> None:
        """Keep the client, which is asked again for every query."""
        self._route53 = route53_client

    def answer(self, query: DNSRecord) -> DNSRecord:
        """Return the reply to `query`, SERVFAIL if Route 53 cannot be read."""
        reply = query.reply(ra=0, aa=0)
        if any(record.rtype == QTYPE.OPT for record in query.ar):
            reply.add_ar(dnslib.EDNS0(udp_len=_EDNS_UDP_BYTES))
        if query.header.opcode != _OPCODE_QUERY:
            reply.header.rcode = RCODE.NOTIMP
        elif len(query.questions) != 1:
            reply.header.rcode = RCODE.FORMERR
        elif query.q.qclass != CLASS.IN:
            reply.header.rcode = RCODE.REFUSED
        else:
            try:
                self._resolve(reply, tuple(query.q.qname.label), QTYPE[query.q.qtype])
            except Exception:
                _log.exception("no answer for %s", query.q)
                reply.rr.clear()
                reply.auth.clear()
                reply.header.aa = 0
                reply.header.rcode = RCODE.SERVFAIL
        return reply

    def _resolve(self, reply: DNSRecord, owner: Name, record_type: str) -> None:
        for hop in range(_LONGEST_CNAME_CHAIN):
            name = tuple(label.lower() for label in owner)
            zone = find_zone(self._route53, name)
            if zone is None:
                if hop == 0:
                    reply.header.rcode = RCODE.REFUSED
                return
            if cut := zone.find_delegation(name):
                _add(reply.add_auth, cut[0], "NS", cut[1])
                return
            if hop == 0:
                reply.header.aa = 1
            node = zone.find(name)
            if node and "CNAME" in node and record_type not in ("CNAME", "ANY"):
                _add(reply.add_answer, owner, "CNAME", node["CNAME"])
                owner = parse_name(node["CNAME"].values[0])
                continue
            if not self._add_answers(reply, owner, node or {}, record_type):
                reply.header.rcode = RCODE.NXDOMAIN if node is None else RCODE.NOERROR
                _add_negative(reply, zone)
            return
        raise RecursionError(f"over {_LONGEST_CNAME_CHAIN} CNAME records in a chain")

    def _add_answers(self, reply: DNSRecord, owner: Name, node: Node, record_type: str) -> bool:
        wanted = SUPPORTED if record_type == "ANY" else SUPPORTED & {record_type}
        found = False
        for kind in sorted(wanted & node.keys()):
            records = self._follow_alias(node[kind], kind)
            _add(reply.add_answer, owner, kind, records)
            found = found or bool(records.values)
        return found

    def _follow_alias(self, records: RecordSet, record_type: str) -> RecordSet:
        """Return the target's records for an alias into our zones; one to elsewhere has none."""
        for _ in range(_LONGEST_CNAME_CHAIN):
            if records.alias is None:
                return records
            zone = find_zone(self._route53, records.alias)
            node = (zone.find(records.alias) if zone else None) or {}
            records = node.get(record_type, RecordSet(records.ttl, ()))
        raise RecursionError(f"over {_LONGEST_CNAME_CHAIN} alias records in a chain")


def _add(add: Any, owner: Name, record_type: str, records: RecordSet) -> None:
    for value in records.values:
        rdata = parse_value(record_type, value)
        add(RR(DNSLabel(owner), getattr(QTYPE, record_type), ttl=records.ttl, rdata=rdata))


def _add_negative(reply: DNSRecord, zone: Zone) -> None:
    """Add the SOA record, whose TTL says how long the absence may be remembered (RFC 2308 section 3)."""
    soa = zone.nodes.get(zone.apex, {}).get("SOA")
    if soa is not None:
        minimum = int(soa.values[0].split()[-1])
        _add(reply.add_auth, zone.apex, "SOA", RecordSet(min(soa.ttl, minimum), soa.values))


def _reply(resolver: Resolver, message: bytes) -> tuple[DNSRecord, DNSRecord] | None:
    try:
        query = DNSRecord.parse(message)
    except dnslib.DNSError:
        _log.warning("dropped %d bytes that are no DNS message", len(message))
        return None
    if query.header.qr:
        return None
    return query, resolver.answer(query)


class _UdpHandler(socketserver.DatagramRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _UdpServer)  # noqa: S101
        answered = _reply(self.server.resolver, self.rfile.read())
        if answered is None:
            return
        query, reply = answered
        offered = [record.edns_len for record in query.ar if record.rtype == QTYPE.OPT]
        limit = min(max(_PLAIN_UDP_BYTES, *offered), _EDNS_UDP_BYTES) if offered else _PLAIN_UDP_BYTES
        packed = reply.pack()
        if len(packed) > limit:
            reply.rr.clear()
            reply.auth.clear()
            reply.header.tc = 1
            packed = reply.pack()
        self.wfile.write(packed)


class _TcpHandler(socketserver.StreamRequestHandler):
    timeout = 5

    def handle(self) -> None:
        assert isinstance(self.server, _TcpServer)  # noqa: S101
        try:
            while len(prefix := self.rfile.read(2)) == 2:  # noqa: PLR2004 (RFC 1035 section 4.2.2)
                answered = _reply(self.server.resolver, self.rfile.read(struct.unpack("!H", prefix)[0]))
                if answered is None:
                    return
                packed = answered[1].pack()
                self.wfile.write(struct.pack("!H", len(packed)) + packed)
        except (TimeoutError, ConnectionError):
            return


class _UdpServer(socketserver.ThreadingUDPServer):
    daemon_threads = True
    max_packet_size = 65_535

    def __init__(self, address: tuple[str, int], resolver: Resolver) -> None:
        self.resolver = resolver
        super().__init__(address, _UdpHandler)


class _TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int], resolver: Resolver) -> None:
        self.resolver = resolver
        super().__init__(address, _TcpHandler)
