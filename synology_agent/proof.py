"""Whether a certificate is fit to be served: every reason to refuse one, each with its own error."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Sequence

from .certificates import X509, covers, read_pem
from .document import Certificate
from .errors import (
    ADVICE,
    ChainDisordered,
    ChainForeign,
    ChainIncomplete,
    DocumentRefused,
    Expired,
    KeyWeak,
    NamesMissing,
    NotYetValid,
    OlderThanServed,
    RevokedByUs,
)
from .pair import Pair
from .state import Installed
from .tls import rehearse

_LEAST_BITS = {"rsa": 2048, "ec": 256}
_HASHES = {"sha256", "sha384", "sha512"}


def prove(
    certificate: Certificate,
    pair: Pair,
    names: Sequence[str],
    ca_file: Path | None,
    installed: Installed,
    allow_older: bool = False,
) -> None:
    """Refuse a certificate that would be worse than none.

    The certificates themselves are read first: a handshake sees neither a wrong order nor a foreign
    certificate in the chain. The handshake has the last word.

    Args:
        certificate: the document's.
        pair: its files.
        names: host names that the config demands.
        ca_file: roots that are trusted beside the system's, or None.
        installed: what is installed; empty where nothing is.
        allow_older: install what is older than that all the same.

    Raises:
        DocumentRefused: one of its subclasses says why.
        ConfigError: `ca_file` cannot be used.
    """
    now = datetime.now(timezone.utc)
    (leaf,), chain = _read(certificate.leaf, "leaf"), _read(certificate.chain, "chain")
    if certificate.serial in certificate.revoked_serials:
        raise RevokedByUs(
            f"serial {certificate.serial} was revoked, and browsers may refuse it: somebody put an old "
            f"version back in Secrets Manager. {ADVICE}"
        )
    for one in [leaf, *chain]:
        _check_strength(one)
        _check_dates(one, "it" if one is leaf else f"the intermediate {one.subject_name!r}", now)
    check_chain(leaf, chain)
    missing = [name for name in names if not covers(leaf.names, name)]
    if missing:
        raise NamesMissing(
            "it is not good for {}, only for {}: put the name into the stack's settings, or take it out of "
            "the agent's config".format(", ".join(missing), ", ".join(leaf.names) or "no name")
        )
    if not allow_older:
        _check_age(certificate, names, installed, now)
    rehearse(pair.full_chain, pair.private_key, names, ca_file)


def check_chain(leaf: X509, chain: Sequence[X509]) -> None:
    """Refuse a chain that does not lead upwards from the leaf, one by one, to below a root.

    Raises:
        ChainForeign: it holds a root, a certificate that may not sign, or one that signed nothing in it.
        ChainIncomplete: the leaf's issuer is missing.
        ChainDisordered: all are there, in another order.
    """
    for one in chain:
        if one.self_signed:
            raise ChainForeign(
                f"the chain holds the root {one.subject_name!r}, which every browser has. {ADVICE}"
            )
        if not one.is_authority:
            raise ChainForeign(
                f"the chain holds {one.subject_name!r}, a certificate that may sign nothing. {ADVICE}"
            )
    path, rest = [leaf], list(chain)
    while True:
        issuer = next((one for one in rest if path[-1].names_issuer(one)), None)
        if issuer is None:
            break
        rest.remove(issuer)
        path.append(issuer)
    if len(path) == 1:
        raise ChainIncomplete(f"the chain lacks {leaf.issuer_name!r}, which signed the certificate. {ADVICE}")
    if rest:
        raise ChainForeign(
            f"the chain holds {rest[0].subject_name!r}, which signed nothing in it, or one between them is "
            f"missing. {ADVICE}"
        )
    if path[1:] != list(chain):
        raise ChainDisordered(
            f"the chain is in the wrong order: the leaf's issuer has to come first. {ADVICE}"
        )


def _read(pem: str, name: str) -> list[X509]:
    try:
        return read_pem(pem)
    except ValueError as error:
        raise DocumentRefused(
            f"the certificate document's {name} cannot be read: {error}. {ADVICE}"
        ) from None


def _check_strength(one: X509) -> None:
    least = _LEAST_BITS.get(one.key_type)
    if least is None or one.key_bits < least:
        size = f"{one.key_bits} bits" if one.key_bits else "a kind that is not known"
        raise KeyWeak(
            f"the key of {one.subject_name!r} is too weak: {one.key_type} of {size}. RSA with 2048 bits or "
            "EC with P-256 is the least that browsers take: set key_type in the stack's settings"
        )
    if one.signature_hash not in _HASHES:
        raise KeyWeak(
            f"{one.issuer_name!r} signed {one.subject_name!r} with {one.signature_hash}, which browsers "
            "refuse: name another ACME directory in the stack's settings"
        )


def _check_dates(one: X509, what: str, now: datetime) -> None:
    if one.not_after <= now:
        raise Expired(f"{what} expired at {one.not_after:%Y-%m-%d %H:%M} UTC. {ADVICE}")
    if one.not_before > now:
        raise NotYetValid(
            f"{what} is not valid before {one.not_before:%Y-%m-%d %H:%M} UTC, and this NAS's clock says "
            f"{now:%Y-%m-%d %H:%M} UTC: check it"
        )


def _check_age(certificate: Certificate, names: Sequence[str], installed: Installed, now: datetime) -> None:
    """Refuse a step back: by not_before, then by issued_at; a shorter lifetime alone is none."""
    if installed.not_before is None or installed.serial == certificate.serial:
        return
    of_no_use = (
        installed.not_after is None
        or installed.not_after <= now
        or installed.serial in certificate.revoked_serials
        or not all(covers(installed.names, name) for name in names)
    )
    older = certificate.not_before < installed.not_before or (
        certificate.not_before == installed.not_before
        and installed.issued_at is not None
        and certificate.issued_at < installed.issued_at
    )
    if older and not of_no_use:
        raise OlderThanServed(
            f"serial {certificate.serial} began at {certificate.not_before:%Y-%m-%d %H:%M} UTC, and the "
            f"installed {installed.serial} is newer: somebody put an old version back in Secrets Manager. "
            "`run --allow-older` installs it all the same"
        )
