"""Whether the NAS's names lead to it: seen by the public resolvers, and by this machine's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import dns.resolver

from . import rebinding
from .finding import Finding, bad, good, untold
from .interception import doubt
from .resolvers import Resolvers, ask
from .zones import ADDRESS_TYPES, HostedZone, Published, plain

# SERVFAIL tells that nobody answers for the zone; other codes tell of the resolver alone.
_TELLING = {"NOERROR", "NXDOMAIN", "SERVFAIL"}


@dataclass(frozen=True)
class Addresses:
    """What one resolver has for a name.

    Attributes:
        found: the A and AAAA records.
        rcode: such as NOERROR or NXDOMAIN; empty where nothing answered.
        ttl: how long the answer may be remembered, in seconds.
    """

    found: frozenset[str]
    rcode: str
    ttl: int = 0

    @property
    def text(self) -> str:
        """What to show."""
        if self.found:
            return _listed(self.found)
        return f"no address ({self.rcode})" if self.rcode else "no answer"


def resolve(resolver: dns.resolver.Resolver | None, name: str) -> Addresses:
    """Ask for both kinds of address; never raises."""
    if resolver is None:
        return Addresses(frozenset(), "")
    answers = [ask(resolver, name, kind) for kind in ADDRESS_TYPES]
    found = frozenset(str(record) for answer in answers for record in answer.records)
    with_records = [answer for answer in answers if answer.records]
    decisive = (with_records or answers)[0]
    return Addresses(found, decisive.rcode, max(answer.ttl for answer in answers))


def check_addresses(
    name: str, zone: HostedZone | None, published: Published, resolvers: Resolvers, *, intercepted: bool
) -> Iterable[Finding]:
    """Compare what the resolvers answer with the record in Route 53.

    Args:
        name: a host name of the NAS.
        zone: the hosted zone that holds it.
        published: its addresses in Route 53.
        resolvers: who is asked.
        intercepted: what answers for the public resolvers is something between.
    """
    if published.addresses is not None and not published.addresses:
        yield bad(
            f"Route 53 has an address for {name}",
            f"no A or AAAA record in {zone.name if zone else 'its zone'}",
            f"run `pulumi up`, which makes it, or take {name} out of the stack's settings",
        )
        return
    public = resolve(resolvers.public, name)
    seen_outside = judge_public(name, published, public)
    yield doubt(seen_outside) if intercepted else seen_outside
    own = resolve(resolvers.own, name)
    believed = None if intercepted else public
    yield judge_own(name, zone.name if zone else plain(name), published, believed, own)


def judge_public(name: str, published: Published, public: Addresses) -> Finding:
    """Judge what the public resolvers answer."""
    what = f"public resolvers know {name}"
    expected = published.addresses
    if public.rcode not in _TELLING:
        said = f"public resolvers answer {public.rcode}" if public.rcode else "public resolvers do not answer"
        return untold(what, said, "look whether a firewall cuts port 53")
    if expected is None:
        if public.found:
            return untold(what, f"{public.text}; whether it is right is not known: {published.problem}")
        return untold(what, f"{public.text}; {published.problem}")
    if public.found == expected:
        return good(what, public.text)
    measured = f"{public.text}; Route 53 has {_listed(expected)}"
    if not public.found:
        return bad(
            what,
            measured,
            "if the hosted zone's delegation is red, mend that first. If not, the record is new: that there "
            "was none is remembered for up to 15 minutes. Then check again",
        )
    return bad(
        what,
        measured,
        f"a changed record is remembered for up to {public.ttl} s: check again then. If it stays, another "
        "zone answers: see the hosted zone's delegation",
    )


def judge_own(
    name: str, zone: str, published: Published, public: Addresses | None, own: Addresses
) -> Finding:
    """Judge what this machine's resolver answers.

    Args:
        name: the host name.
        zone: the hosted zone's name.
        published: what Route 53 has; without it the public resolvers' answer is what should be.
        public: what the public resolvers answer; None where that cannot be believed.
        own: what this machine's resolver answers.
    """
    what = f"this machine's resolver knows {name}"
    expected = published.addresses
    if expected is None and public is not None:
        expected = public.found or None
    if not own.rcode:
        return untold(what, "this machine's resolver does not answer", "look at this machine's DNS settings")
    if expected is None:
        return untold(what, f"{own.text}; {published.problem}")
    if own.found == expected:
        return good(what, own.text)
    reason, advice = _why_not(name, zone, expected, public, own)
    return bad(what, f"{own.text}; it should be {_listed(expected)}{reason}", advice)


def _why_not(
    name: str, zone: str, expected: frozenset[str], public: Addresses | None, own: Addresses
) -> tuple[str, str]:
    """Return what an answer other than the expected means, and what to do."""
    missing = expected - own.found
    outside = public if public is not None and public.rcode else None
    if outside is not None and not missing <= outside.found:
        return "", f"public resolvers do not know {name} as it is either: mend that first"
    if rebinding.is_dropped(missing, own.found - expected):
        advice = rebinding.what_to_set(zone, name, expected)
        if outside is None:
            return ": perhaps DNS rebinding protection of the router", advice
        return (
            ", as public resolvers answer: the router drops private addresses (DNS rebinding protection)",
            advice,
        )
    return "", (
        f"what it remembers is old (wait {own.ttl or 900} s, then check again), or your network has an entry "
        f"of its own for {name}: set that to {_listed(expected)}, or delete it (router, Pi-hole, hosts file)"
    )


def _listed(addresses: Iterable[str]) -> str:
    return ", ".join(sorted(addresses))
