"""Who is asked for names: the public resolvers, and this machine's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.resolver

PUBLIC = ("1.1.1.1", "8.8.8.8")
NOWHERE = "192.0.2.1"
"""An address that is given to nobody (RFC 5737): what answers for it stands in between."""

_SECONDS, _TRY_SECONDS = 4.0, 2.0
_SILENT = ""


@dataclass(frozen=True)
class Resolvers:
    """Who is asked.

    Attributes:
        public: resolvers outside of this network.
        own: this machine's, or None where it has none that can be read.
        nowhere: an address at which there is no name server.
        nowhere_seconds: how long an answer from there is waited for.
    """

    public: dns.resolver.Resolver
    own: dns.resolver.Resolver | None
    nowhere: str = NOWHERE
    nowhere_seconds: float = 2.0

    @classmethod
    def default(cls) -> Self:
        """Return Cloudflare's and Google's public resolvers, and the system's."""
        public = dns.resolver.Resolver(configure=False)
        public.nameservers = list(PUBLIC)
        try:
            own = dns.resolver.Resolver()
        except dns.exception.DNSException:
            own = None
        for resolver in filter(None, (public, own)):
            resolver.lifetime, resolver.timeout = _SECONDS, _TRY_SECONDS
        return cls(public, own)


@dataclass(frozen=True)
class Answer:
    """What a resolver said.

    Attributes:
        records: of the type that was asked for.
        rcode: such as NOERROR, NXDOMAIN or SERVFAIL; empty where nothing answered.
        ttl: how long the records may be remembered, in seconds.
    """

    records: tuple[Any, ...]
    rcode: str
    ttl: int = 0

    @property
    def silent(self) -> bool:
        """Nothing answered."""
        return self.rcode == _SILENT

    @property
    def definite(self) -> bool:
        """The name has these records, or none: what was asked for is known."""
        return self.rcode in {"NOERROR", "NXDOMAIN"}


def ask(resolver: dns.resolver.Resolver, name: str, record_type: str) -> Answer:
    """Ask by UDP, and by TCP where UDP is silent; never raises."""
    answer = _ask(resolver, name, record_type, tcp=False)
    return _ask(resolver, name, record_type, tcp=True) if answer.silent else answer


def _ask(resolver: dns.resolver.Resolver, name: str, record_type: str, *, tcp: bool) -> Answer:
    try:
        found = resolver.resolve(name, record_type, tcp=tcp, raise_on_no_answer=False, search=False)
    except dns.resolver.NXDOMAIN:
        return Answer((), "NXDOMAIN")
    except dns.resolver.NoNameservers as error:
        return Answer((), _refusal(error))
    except dns.exception.DNSException:
        return Answer((), _SILENT)
    if found.rrset is None:
        return Answer((), "NOERROR")
    return Answer(tuple(found.rrset), "NOERROR", found.rrset.ttl)


def _refusal(error: dns.resolver.NoNameservers) -> str:
    """Return the rcode of the last server that answered with one."""
    for entry in reversed(error.kwargs["errors"]):
        response = entry[-1]
        if isinstance(response, dns.message.Message) and response.rcode() != dns.rcode.NOERROR:
            return dns.rcode.to_text(response.rcode())
    return _SILENT


def intercepted_by(resolvers: Resolvers) -> str | None:
    """Return what shows that something between answers in the public resolvers' place, or None.

    That an answer is wrong does not show it; one from where there is no name server does.
    """
    query = dns.message.make_query(".", "NS")
    seconds, port = resolvers.nowhere_seconds, resolvers.public.port
    try:
        reply = dns.query.udp(query, resolvers.nowhere, timeout=seconds, port=port)
    except (dns.exception.DNSException, OSError):
        return None
    return f"{resolvers.nowhere}, where there is no name server, answers {dns.rcode.to_text(reply.rcode())}"
