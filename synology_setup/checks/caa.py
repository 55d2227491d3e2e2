"""Whether the CAA records of DNS let the authority issue (RFC 8659)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .finding import Finding, bad, good, untold
from .resolvers import Answer, Resolvers, ask
from .zones import plain

_CRITICAL = 128  # RFC 8659 section 4.1
# RFC 8659 section 4, and RFC 9495, which Let's Encrypt's authority knows as well.
_KNOWN = {"issue", "issuewild", "iodef", "issuemail"}


@dataclass(frozen=True)
class CaaRecord:
    """One CAA record; `text` is how a zone file writes it."""

    flags: int
    tag: str
    value: str

    @property
    def text(self) -> str:
        """The record as a zone file and Route 53 write it."""
        return f'{self.flags} {self.tag} "{self.value}"'

    @property
    def issuer(self) -> str:
        """The issuer's domain name: what stands before the parameters (RFC 8659 section 4.2)."""
        return self.value.partition(";")[0].strip().lower()


class LookupFailed(Exception):
    """A look-up told neither that there are records nor that there are none."""


LookUp = Callable[[str], Sequence[CaaRecord]]


def relevant_records(domain: str, look_up: LookUp) -> tuple[str, Sequence[CaaRecord]]:
    """Climb to the first name that has CAA records (RFC 8659 section 3); none are at the empty name.

    Raises:
        LookupFailed: one of the names could not be looked up.
    """
    name = plain(domain).removeprefix("*.")
    while name:
        if records := look_up(name):
            return name, records
        name = name.partition(".")[2]
    return "", ()


def judge_caa(domain: str, owner: str, records: Sequence[CaaRecord], identities: Iterable[str]) -> Finding:
    """Judge the relevant records.

    Args:
        domain: a name of the certificate, perhaps a wildcard.
        owner: the name at which the records stand.
        records: all CAA records there.
        identities: the authority's names in CAA records.
    """
    authority = [identity.lower() for identity in identities]
    what = _what(domain, authority)
    shown = f"{owner} CAA {', '.join(record.text for record in records)}"
    foreign = [record for record in records if record.flags & _CRITICAL and record.tag.lower() not in _KNOWN]
    if foreign:
        texts = ", ".join(record.text for record in foreign)
        return bad(
            what,
            f"{shown}: a critical tag that authorities do not know forbids all",
            f"in the CAA records of {owner} take {texts} away, or give it the flags 0",
        )
    wild = [record for record in records if record.tag.lower() == "issuewild"]
    tag = "issuewild" if domain.startswith("*.") and wild else "issue"
    decisive = wild if tag == "issuewild" else [record for record in records if record.tag.lower() == "issue"]
    if not records:
        return good(what, "no CAA record: every authority may issue")
    if not decisive:
        return good(what, f"{shown}: none is about issuing")
    if any(record.issuer in authority for record in decisive):
        return good(what, shown)
    return bad(
        what,
        f"{shown}: {authority[0]} is not among them",
        f'to the CAA records of {owner} add: 0 {tag} "{authority[0]}"'
        + "".join(f" and take away: {record.text}" for record in decisive if not record.issuer),
    )


def check_caa(domains: Iterable[str], identities: Sequence[str], resolvers: Resolvers) -> Iterable[Finding]:
    """Look at each name of a certificate; `identities` are the authority's names in CAA records."""

    @functools.cache
    def answer(name: str) -> Answer:
        return ask(resolvers.public, name, "CAA")

    def look_up(name: str) -> Sequence[CaaRecord]:
        return _records(name, answer(name))

    for domain in domains:
        try:
            owner, records = relevant_records(domain, look_up)
        except LookupFailed as error:
            yield untold(
                _what(domain, identities),
                str(error),
                "an authority that gets no answer does not issue: see the hosted zone's delegation",
            )
            continue
        yield judge_caa(domain, owner, records, identities)


def _records(name: str, answer: Answer) -> Sequence[CaaRecord]:
    if not answer.definite:
        raise LookupFailed(f"{name} CAA: {answer.rcode or 'no answer'} from the public resolvers")
    return [
        CaaRecord(
            record.flags, record.tag.decode("ascii", "replace"), record.value.decode("utf-8", "replace")
        )
        for record in answer.records
    ]


def _what(domain: str, identities: Sequence[str]) -> str:
    return f"CAA lets {identities[0]} issue for {domain}"
