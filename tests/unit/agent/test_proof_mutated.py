"""Whatever is changed in a document: it is refused with a reason, or what is served really verifies."""

from __future__ import annotations

import base64
import json
import ssl
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synology_agent.certificates import read_pem
from synology_agent.document import Certificate, read_document
from synology_agent.errors import AgentError
from synology_agent.pair import stage
from synology_agent.proof import prove
from synology_agent.state import Installed

from .certificates import document_of, issue, make_authority

NAMES = ["nas.example.com", "music.home.example.com"]
ROOT = make_authority("Test Root")
UPPER = make_authority("Upper", ROOT)
LOWER = make_authority("Lower", UPPER)
GOOD = issue(["nas.example.com", "*.home.example.com"], LOWER)
GOOD = GOOD._replace(chain=LOWER.pem + UPPER.pem)
KEY = load_pem_private_key(GOOD.private_key.encode(), None)
assert isinstance(KEY, EllipticCurvePrivateKey)
SCALAR = KEY.private_numbers().private_value.to_bytes(32, "big")  # what makes it this key
FIELDS = document_of(GOOD)
TEXT = json.dumps(FIELDS)
PEMS = ("leaf", "chain", "private_key")
VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.lists(st.text(max_size=5), max_size=2)
)


@st.composite
def changed_texts(draw: st.DrawFn) -> str:
    at = draw(st.integers(0, len(TEXT) - 1))
    return TEXT[:at] + draw(st.text(max_size=2)) + TEXT[at + draw(st.integers(0, 2)) :]


@st.composite
def changed_fields(draw: st.DrawFn) -> str:
    fields = dict(FIELDS)
    name = draw(st.sampled_from(sorted(FIELDS)))
    if draw(st.booleans()):
        fields[name] = draw(VALUES)
    else:
        del fields[name]
    return json.dumps(fields)


@st.composite
def changed_pem(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(PEMS))
    pem = FIELDS[name]
    at = draw(st.integers(0, len(pem) - 1))
    letter = draw(st.sampled_from("ABCabc019+/=\n-") | st.characters())
    return json.dumps({**FIELDS, name: pem[:at] + letter + pem[at + 1 :]})


@st.composite
def changed_der(draw: st.DrawFn) -> str:
    """A document with a changed byte in one of its certificates, which agrees with itself all the same."""
    pems = [GOOD.leaf, LOWER.pem, UPPER.pem]
    which = draw(st.integers(0, 2))
    der = bytearray(ssl.PEM_cert_to_DER_cert(pems[which]))
    der[draw(st.integers(0, len(der) - 1))] = draw(st.integers(0, 255))
    pems[which] = ssl.DER_cert_to_PEM_cert(bytes(der))
    return json.dumps({**FIELDS, "leaf": pems[0], "chain": pems[1] + pems[2], **described(pems[0])})


def described(pem: str) -> dict[str, Any]:
    """Return what the document says of its leaf, as far as that can be read."""
    try:
        (leaf,) = read_pem(pem)
    except ValueError:
        return {}
    return {
        "fingerprint_sha256": leaf.fingerprint,
        "serial": leaf.serial,
        "not_before": leaf.not_before.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "not_after": leaf.not_after.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed_texts() | changed_fields() | changed_pem() | changed_der() | changed_der())
def test_a_changed_document_is_refused_or_really_good(tmp_path: Path, text: str) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text(ROOT.pem)
    try:
        certificate = read_document(text)
        prove(certificate, stage(certificate, tmp_path / "staging"), NAMES, ca_file, Installed())
    except AgentError as refused:
        assert str(refused).isprintable()
        return
    assert_really_good(certificate)


def assert_really_good(certificate: Certificate) -> None:
    """Verify leaf, chain and key by other means than the agent's: cryptography's."""
    pems = certificate.leaf + certificate.chain
    chain = [*x509.load_pem_x509_certificates(pems.encode()), ROOT.certificate]
    for below, above in zip(chain, chain[1:]):
        below.verify_directly_issued_by(above)
        assert below.not_valid_before_utc <= datetime.now(timezone.utc) < below.not_valid_after_utc
        assert above.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert SCALAR in base64.b64decode("".join(certificate.private_key.splitlines()[1:-1]))
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert KEY.public_key().public_bytes(*form) == chain[0].public_key().public_bytes(*form)
    names = chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["nas.example.com", "*.home.example.com"]


def test_the_unchanged_one_is_good(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text(ROOT.pem)
    certificate = read_document(TEXT)
    prove(certificate, stage(certificate, tmp_path / "staging"), NAMES, ca_file, Installed())
    assert_really_good(certificate)
