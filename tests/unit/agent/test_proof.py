"""Each certificate that would be worse than none is refused, for its own reason."""

from __future__ import annotations

import json
import ssl
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from synology_agent import errors
from synology_agent.certificates import read_pem
from synology_agent.document import read_document
from synology_agent.errors import ConfigError, DocumentRefused
from synology_agent.pair import stage
from synology_agent.proof import prove
from synology_agent.state import Installed

from .certificates import DAY, HOUR, Authority, Issued, document_of, issue, make_authority

NOTHING = Installed()
NAMES = ["nas.example.com", "music.home.example.com"]
ROOT = make_authority("Test Root")
UPPER = make_authority("Upper", ROOT)
LOWER = make_authority("Lower", UPPER)
GOOD = issue(["nas.example.com", "*.home.example.com"], LOWER)
GOOD = GOOD._replace(chain=LOWER.pem + UPPER.pem)


SHA256_RSA = bytes.fromhex("06092a864886f70d01010b")


def by(authority: Authority) -> Issued:
    """A leaf and no other intermediate."""
    return issue(NAMES, authority)


def with_hash(issued: Issued, last: int, field: str) -> Issued:
    """Name another hash in the signature; that it does not hold then does not matter, it is weak first."""
    pem = getattr(issued, field)
    der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    assert der.count(SHA256_RSA) == 2
    der = der.replace(SHA256_RSA, SHA256_RSA[:-1] + bytes([last]))
    return issued._replace(**{field: ssl.DER_cert_to_PEM_cert(der)})


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


RSA_UPPER = make_authority("RSA Upper", make_authority("RSA Root", key=rsa_key()), key=rsa_key())
RSA_LEAF = issue(NAMES, UPPER, key=rsa_key())


def attempt(
    folder: Path,
    issued: Issued = GOOD,
    installed: Installed = NOTHING,
    *,
    root: Authority | None = ROOT,
    names: list[str] = NAMES,
    allow_older: bool = False,
    **fields: Any,
) -> None:
    """Prove a document as a run would."""
    ca_file = None
    if root is not None:
        ca_file = folder / "ca.pem"
        ca_file.write_text(root.pem)
    certificate = read_document(json.dumps({**document_of(issued), **fields}))
    prove(certificate, stage(certificate, folder / "staging"), names, ca_file, installed, allow_older)


def test_a_good_one_passes(tmp_path: Path) -> None:
    attempt(tmp_path)
    attempt(tmp_path, names=["*.home.example.com"])
    attempt(tmp_path, RSA_LEAF)


@pytest.mark.parametrize(
    ("kind", "make", "words"),
    [
        (
            errors.KeyMismatch,
            lambda: GOOD._replace(private_key=issue(NAMES, LOWER).private_key),
            "go together",
        ),
        (errors.ChainIncomplete, lambda: GOOD._replace(chain=UPPER.pem), "lacks 'Lower'"),
        (errors.ChainDisordered, lambda: GOOD._replace(chain=UPPER.pem + LOWER.pem), "wrong order"),
        (errors.ChainForeign, lambda: GOOD._replace(chain=GOOD.chain + ROOT.pem), "the root 'Test Root'"),
        (
            errors.ChainForeign,
            lambda: GOOD._replace(chain=GOOD.chain + make_authority("Foreign", ROOT).pem),
            "holds 'Foreign', which signed nothing in it",
        ),
        (
            errors.ChainForeign,
            lambda: GOOD._replace(chain=LOWER.pem * 2 + UPPER.pem),
            "holds 'Lower', which signed nothing in it",
        ),
        (
            errors.ChainForeign,
            lambda: GOOD._replace(chain=GOOD.chain + GOOD.leaf),
            "holds 'nas.example.com', a certificate that may sign nothing",
        ),
        (errors.ChainIncomplete, lambda: GOOD._replace(chain=namesake("Lower").pem), "lacks 'Lower'"),
        (errors.ChainIncomplete, lambda: of_itself()._replace(chain=UPPER.pem), "lacks 'nas.example.com'"),
        (
            errors.NamesMissing,
            lambda: issue(["nas.example.com"], UPPER),
            "not good for music.home.example.com",
        ),
        (errors.Expired, lambda: issue(NAMES, UPPER, -10 * DAY, -HOUR), "it expired at"),
        (
            errors.Expired,
            lambda: by(make_authority("Old", ROOT, -10 * DAY, -DAY)),
            "the intermediate 'Old' expired at",
        ),
        (errors.NotYetValid, lambda: issue(NAMES, UPPER, HOUR, DAY), "NAS's clock says"),
        (
            errors.NotYetValid,
            lambda: by(make_authority("Young", ROOT, HOUR)),
            "the intermediate 'Young' is not valid before",
        ),
        (errors.KeyWeak, lambda: issue(NAMES, UPPER, key=rsa_key(1024)), "is too weak: rsa of 1024 bits"),
        (
            errors.KeyWeak,
            lambda: by(make_authority("Weak", ROOT, key=rsa_key(1024))),
            "the key of 'Weak' is too weak: rsa of 1024 bits",
        ),
        (
            errors.KeyWeak,
            lambda: issue(NAMES, UPPER, key=ec.generate_private_key(ec.SECP256K1())),
            "is too weak: ec of a kind that is not known",
        ),
        (
            errors.KeyWeak,
            lambda: issue(NAMES, UPPER, key=ed25519.Ed25519PrivateKey.generate()),
            "is too weak: 1.3.101.112 of a kind that is not known",
        ),
        (
            errors.KeyWeak,
            lambda: with_hash(by(RSA_UPPER), 5, "leaf"),
            "'RSA Upper' signed 'nas.example.com' with sha1",
        ),
        (errors.KeyWeak, lambda: with_hash(by(RSA_UPPER), 4, "chain"), "signed 'RSA Upper' with md5"),
        (errors.KeyWeak, lambda: with_hash(by(RSA_UPPER), 2, "leaf"), "with 1.2.840.113549.1.1.2"),  # MD2
        (errors.KeyMismatch, lambda: by(UPPER)._replace(private_key=RSA_LEAF.private_key), "go together"),
        (errors.RootUntrusted, lambda: GOOD._replace(chain=LOWER.pem), "an intermediate is missing"),
    ],
)
def test_what_is_refused(
    tmp_path: Path, kind: type[DocumentRefused], make: Callable[[], Issued], words: str
) -> None:
    with pytest.raises(DocumentRefused) as refused:
        attempt(tmp_path, make())
    assert type(refused.value) is kind
    assert words in str(refused.value)


def namesake(name: str) -> Authority:
    """An authority of the same name with another key."""
    return make_authority(name, UPPER)


def of_itself() -> Issued:
    own = make_authority("nas.example.com")
    return issue(NAMES, own, key=own.key)


def test_a_cross_signed_chain_is_as_good_as_its_root(tmp_path: Path) -> None:
    """As with ISRG Root X2 by ISRG Root X1: the same name and key, signed by another root."""
    other = make_authority("Other Root")
    crossed = GOOD._replace(chain=LOWER.pem + make_authority("Upper", other, key=UPPER.key).pem)
    attempt(tmp_path, crossed, root=other)
    with pytest.raises(errors.RootUntrusted):
        attempt(tmp_path, crossed, root=ROOT)


def test_a_forged_signature_is_refused(tmp_path: Path) -> None:
    """The names and key identifiers agree: only the handshake sees it."""
    der = bytearray(x509.load_pem_x509_certificate(LOWER.pem.encode()).public_bytes(Encoding.DER))
    der[-1] ^= 1
    with pytest.raises(DocumentRefused, match=r"a browser would refuse it for nas\.example\.com: "):
        attempt(tmp_path, GOOD._replace(chain=ssl.DER_cert_to_PEM_cert(bytes(der)) + UPPER.pem))


def test_every_kind_of_refusal_has_its_own_code() -> None:
    kinds = DocumentRefused.__subclasses__()
    codes = [kind.exit_code for kind in kinds]
    assert len(set(codes)) == len(kinds) == 12
    assert all(DocumentRefused.exit_code < code < errors.DsmError.exit_code for code in codes)


def test_an_untrusted_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.RootUntrusted, match="ca_file"):
        attempt(tmp_path, root=None)


def test_an_intermediate_among_the_roots_is_refused_by_name(tmp_path: Path) -> None:
    """With it, a chain that browsers refuse would look complete."""
    with pytest.raises(ConfigError, match="that 'Upper' signed; only roots may stand there"):
        attempt(tmp_path, GOOD._replace(chain=LOWER.pem), root=LOWER)


def test_its_own_serial_among_the_revoked_ones_is_refused(tmp_path: Path) -> None:
    serial = read_pem(GOOD.leaf)[0].serial
    with pytest.raises(errors.RevokedByUs, match=f"serial {serial} was revoked"):
        attempt(tmp_path, revoked_serials=["1", serial])


def newer(**changes: Any) -> Installed:
    """What is installed: issued a day after GOOD."""
    now = datetime.now(timezone.utc)
    fields: dict[str, Any] = {
        "serial": "abc",
        "not_before": now + timedelta(hours=23),
        "not_after": now + timedelta(days=45),
        "issued_at": now,
        "names": ("nas.example.com", "*.home.example.com"),
    }
    return replace(Installed(**fields), **changes)


def test_a_step_back_is_refused_and_can_be_allowed(tmp_path: Path) -> None:
    with pytest.raises(errors.OlderThanServed, match="and the installed abc is newer: somebody put"):
        attempt(tmp_path, installed=newer())
    attempt(tmp_path, installed=newer(), allow_older=True)


@pytest.mark.parametrize("changes", [{"not_after": None}, {"names": ("nas.example.com",)}])
def test_a_step_back_from_what_is_of_no_use_is_none(tmp_path: Path, changes: dict[str, Any]) -> None:
    attempt(tmp_path, installed=newer(**changes))
    attempt(tmp_path, installed=newer(not_after=datetime.now(timezone.utc) - timedelta(minutes=1)))
    attempt(tmp_path, installed=newer(), revoked_serials=["abc"])


def test_a_shorter_lifetime_is_no_step_back(tmp_path: Path) -> None:
    """From 90 to 45 days: the end comes earlier, and it began later."""
    now = datetime.now(timezone.utc)
    installed = newer(not_before=now - timedelta(days=30), not_after=now + timedelta(days=60))
    attempt(tmp_path, issue(NAMES, UPPER, -HOUR, 45 * DAY), installed)


def test_issued_at_breaks_a_tie(tmp_path: Path) -> None:
    begin = read_pem(GOOD.leaf)[0].not_before
    attempt(tmp_path, installed=newer(not_before=begin, issued_at=begin - timedelta(seconds=1)))
    with pytest.raises(errors.OlderThanServed):
        attempt(tmp_path, installed=newer(not_before=begin, issued_at=begin + timedelta(seconds=1)))


def test_without_issued_at_the_begin_decides(tmp_path: Path) -> None:
    begin = read_pem(GOOD.leaf)[0].not_before
    attempt(tmp_path, installed=newer(not_before=None))
    attempt(tmp_path, installed=newer(not_before=begin, issued_at=None))
    with pytest.raises(errors.OlderThanServed):
        attempt(tmp_path, installed=newer(issued_at=None))


def test_a_chain_that_is_none_is_refused(tmp_path: Path) -> None:
    """The leaf was read with the document; the chain is read here."""
    with pytest.raises(DocumentRefused, match="the certificate document's chain cannot be read: no certifi"):
        attempt(tmp_path, chain="-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")


def test_the_same_certificate_is_no_step_back(tmp_path: Path) -> None:
    attempt(tmp_path, installed=newer(serial=read_pem(GOOD.leaf)[0].serial))
