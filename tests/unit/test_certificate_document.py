"""The contract of renewer and agent: docs/certificate-document.md, and both sides held to it."""

from __future__ import annotations

import ast
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from infrastructure.policies import nas_policy, renewer_policy
from lambda_renewer import document as renewer
from lambda_renewer.errors import AcmeError, StoreError
from lambda_renewer.keys import certificate_document, make_key
from lambda_renewer.pending import Pending, write_pending
from lambda_renewer.request import parse_request
from local_cloud.acme.certificates import make_authority
from synology_agent import document as agent
from synology_agent.errors import DocumentRefused, NotIssuedYet, SchemaUnknown, Withdrawn

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "certificate-document.md").read_text()
# What no page says of itself: the type in the table -> what JSON makes of it.
TYPES: dict[str, type] = {"number": int, "text": str, "time": str, "list of texts": list}
ISSUED = datetime(2026, 11, 25, 2, 0, 0, tzinfo=UTC)


def written(*, with_chain: bool = True, key_type: str = "ec256") -> str:
    """What the renewer stores for a certificate that an authority issued."""
    root = make_authority("Root")
    issuer = make_authority("Intermediate", root)
    key = make_key(key_type)
    names = ["example.com", "*.example.com"]
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(0x87654321)
        .not_valid_before(ISSUED)
        .not_valid_after(ISSUED.replace(year=2027))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False
        )
        .sign(issuer.key, hashes.SHA256())
    )
    request = parse_request(
        {
            "action": "renew",
            "name": "nas",
            "domains": names,
            "key_type": key_type,
            "profile": "classic",
            "directory": "https://acme.example.net/dir",
            "terms_agreed": True,
            "zones": {"example.com": {"id": "Z1"}},
            "secret": "an ARN",
            "interval_seconds": 43_200,
            "window_seconds": 21_600,
        }
    )
    pem = leaf.public_bytes(serialization.Encoding.PEM).decode()
    pem += issuer.certificate_pem() if with_chain else ""
    return renewer.write_document(
        certificate_document(
            request,
            key,
            pem,
            account="https://acme.example.net/account/1",
            issued_at=ISSUED,
            revoked_serials=("3039",),
        )
    )


WRITTEN = written()


def documented() -> dict[str, str]:
    """Return the page's fields with their types, from its first table."""
    table = PAGE.split("## States")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| [^|]+ \| [^|]+ \|$", table, re.MULTILINE)
    return dict(rows)


def example() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(PAGE.split("```json")[1].split("```")[0])
    return found


def test_what_the_renewer_writes_the_agent_reads() -> None:
    ours, theirs = renewer.read_document(WRITTEN), agent.read_document(WRITTEN)
    assert isinstance(ours, renewer.Certificate)
    for same in ("leaf", "chain", "private_key", "serial", "issuer"):
        assert getattr(theirs, same) == getattr(ours, same)
    assert theirs.fingerprint == ours.fingerprint_sha256
    for same in ("not_before", "not_after", "issued_at", "domains", "revoked_serials"):
        assert getattr(theirs, same) == getattr(ours, same)


@pytest.mark.parametrize("key_type", ["rsa2048", "rsa3072", "ec256", "ec384"])
def test_the_agent_reads_every_type_of_key_that_the_page_names(key_type: str) -> None:
    """It takes PEM exactly as the renewer writes it, and nothing around it."""
    assert f"`{key_type}`" in PAGE
    theirs = agent.read_document(written(key_type=key_type))
    assert theirs.private_key.startswith("-----BEGIN PRIVATE KEY-----\n")  # PKCS #8, not encrypted


@pytest.mark.parametrize("schema", [True, 1.0, "1", None, 0])
def test_the_agent_takes_no_other_value_for_the_schema(schema: object) -> None:
    with pytest.raises(SchemaUnknown, match=re.escape(f"has schema {schema!r}")):
        agent.read_document(json.dumps({**json.loads(WRITTEN), "schema": schema}))


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("fingerprint_sha256", "0" * 64),
        ("serial", "87654322"),
        ("not_before", "2026-11-25T02:00:01Z"),
        ("not_after", "2027-11-25T02:00:01Z"),
        ("leaf", json.loads(WRITTEN)["leaf"] + json.loads(WRITTEN)["chain"]),
        ("leaf", json.loads(WRITTEN)["chain"]),
    ],
)
def test_the_agent_refuses_what_the_page_says_comes_from_the_leaf_and_does_not(
    field: str, other: str
) -> None:
    if field != "leaf":
        assert re.search(rf"^\| `{field}` \|.*\| the leaf \|$", PAGE, re.MULTILINE)
    with pytest.raises(DocumentRefused, match=r"of its leaf is|holds 2 certificates"):
        agent.read_document(json.dumps({**json.loads(WRITTEN), field: other}))


def test_the_page_has_exactly_the_fields_that_are_written() -> None:
    assert set(documented()) == set(json.loads(WRITTEN)) == set(example())


def test_the_page_has_the_types_that_are_written() -> None:
    for document in (json.loads(WRITTEN), example()):
        for name, kind in documented().items():
            assert type(document[name]) is TYPES[kind], name
            if kind == "time":
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document[name])


def test_keys_are_sorted_as_the_page_says() -> None:
    for document in (json.loads(WRITTEN), example()):
        assert list(document) == sorted(document)


def test_the_example_holds_no_key() -> None:
    assert "PRIVATE KEY" not in PAGE


def test_the_schema_is_one_number_for_both_sides_and_the_page() -> None:
    assert renewer.SCHEMA == agent.SCHEMA == example()["schema"] == json.loads(WRITTEN)["schema"]
    assert f"version of this contract, `{renewer.SCHEMA}`" in PAGE


def test_the_state_empty_means_the_same_to_both() -> None:
    assert set(json.loads(renewer.EMPTY)) == {"schema", "state"}
    assert "state" not in json.loads(WRITTEN)
    assert renewer.read_document(renewer.EMPTY) == renewer.NoCertificate()
    with pytest.raises(NotIssuedYet):
        agent.read_document(renewer.EMPTY)


def test_the_state_revoked_is_no_certificate_to_either() -> None:
    revoked = renewer.write_revoked(("3039",))
    assert set(json.loads(revoked)) == {"schema", "state", "revoked_serials"}
    assert renewer.read_document(revoked) == renewer.NoCertificate(("3039",))
    with pytest.raises(Withdrawn):
        agent.read_document(revoked)


def test_the_page_has_the_states_that_are_written() -> None:
    states = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \| [^|]+ \|$", section("States"), re.MULTILINE)
    assert set(states) - {"state"} == {"empty", "revoked"}  # the first is the table's head
    for text in (renewer.EMPTY, renewer.write_revoked(())):
        assert json.loads(text)["state"] in states


def section(name: str) -> str:
    """Return one section of the page."""
    return PAGE.split(f"## {name}\n")[1].split("\n## ")[0]


def test_the_page_has_exactly_the_fields_of_an_issuance_in_flight() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", section("An issuance in flight"), re.MULTILINE)
    written_fields = json.loads(write_pending(Pending(request="a digest")))
    assert set(rows) == set(written_fields)
    assert len(rows) == len(set(rows))
    assert written_fields["state"] == "pending"
    for words in ("`pending`", "AWSPENDING"):
        assert words in section("An issuance in flight")


def test_neither_takes_an_issuance_in_flight_for_a_certificate() -> None:
    text = write_pending(Pending(request="a digest", private_key="a key"))
    with pytest.raises(StoreError):
        renewer.read_document(text)
    with pytest.raises(DocumentRefused):
        agent.read_document(text)


def test_both_refuse_an_unknown_schema_by_name() -> None:
    newer = json.dumps({**json.loads(WRITTEN), "schema": 2})
    with pytest.raises(StoreError, match="schema 2"):
        renewer.read_document(newer)
    with pytest.raises(DocumentRefused, match="schema 2"):
        agent.read_document(newer)


def test_both_ignore_a_field_they_do_not_know() -> None:
    more = json.dumps({**json.loads(WRITTEN), "of_tomorrow": {"a": 1}})
    assert renewer.read_document(more) == renewer.read_document(WRITTEN)
    assert agent.read_document(more) == agent.read_document(WRITTEN)


@pytest.mark.parametrize("field", sorted(set(json.loads(WRITTEN)) - {"schema"}))
def test_the_agent_needs_no_more_than_the_renewer_promises(field: str) -> None:
    """The agent reads or refuses a document without the field; the renewer always refuses it."""
    document = {name: value for name, value in json.loads(WRITTEN).items() if name != field}
    with pytest.raises(StoreError, match=field):
        renewer.read_document(json.dumps(document))
    try:
        agent.read_document(json.dumps(document))
    except DocumentRefused as refused:
        assert field in str(refused)


def test_no_certificate_without_intermediates_is_written_as_the_agent_refuses_it() -> None:
    with pytest.raises(DocumentRefused, match="has no chain"):
        agent.read_document(json.dumps({**json.loads(WRITTEN), "chain": ""}))
    with pytest.raises(AcmeError, match="no intermediate certificate"):
        written(with_chain=False)


def test_who_may_read_and_write_is_what_the_page_says() -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:certificate-AbCdEf"
    nas = nas_policy(certificate_arns=[arn], metric_namespace="nas")
    lambda_role = renewer_policy(
        certificate_arn=arn, account_arn="a", log_group_arn="l", challenges={"z": ["c"]}
    )
    assert secret_actions(nas) == {"secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"}
    assert secret_actions(lambda_role) == {"secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"}


def secret_actions(policy: dict[str, Any]) -> set[str]:
    actions: set[str] = set()
    for statement in policy["Statement"]:
        found = statement["Action"]
        actions |= {found} if isinstance(found, str) else set(found)
    return {action for action in actions if action.startswith("secretsmanager:")}


def imports(path: Path) -> set[str]:
    """Return the top-level packages that a file imports, wherever in the file, also by importlib."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {node.value.split(".")[0]} & {"lambda_renewer", "synology_agent"}
    return found


@pytest.mark.parametrize(
    ("package", "other"), [("lambda_renewer", "synology_agent"), ("synology_agent", "lambda_renewer")]
)
def test_neither_side_imports_the_other(package: str, other: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert len(files) > 5
    assert [path.name for path in files if other in imports(path)] == []
