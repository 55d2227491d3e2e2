"""Which names a certificate is good for: a table, and what a TLS handshake says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from synology_agent.certificates import covers, read_pem
from synology_agent.errors import NamesMissing
from synology_agent.tls import rehearse

from .certificates import issue, make_authority


@pytest.mark.parametrize(
    ("names", "wanted", "good"),
    [
        (["nas.example.com"], "nas.example.com", True),
        (["nas.example.com"], "NAS.Example.com.", True),
        (["nas.example.com"], "as.example.com", False),
        (["*.example.com"], "nas.example.com", True),
        (["*.EXAMPLE.com"], "nas.example.com", True),
        (["*.example.com"], "xn--mller-kva.example.com", True),
        (["*.example.com"], "example.com", False),
        (["*.example.com"], ".example.com", False),
        (["*.example.com"], "a.nas.example.com", False),
        (["*.example.com"], "*.example.com", True),
        (["*.example.com"], "*.nas.example.com", False),
        (["*.*.example.com"], "*.nas.example.com", False),
        (["nas.example.com"], "*.example.com", False),
        (["n*.example.com"], "nas.example.com", False),
        (["nas.*.com"], "nas.example.com", False),
        (["*"], "com", False),
        (["*"], "*", True),
        (["*.com"], "example.com", False),
        ([], "example.com", False),
        ([], "", False),
        (["example.com", "*.example.com"], "www.example.com", True),
    ],
)
def test_what_a_certificate_is_good_for(names: list[str], wanted: str, good: bool) -> None:
    assert covers(names, wanted) is good


ROOT = make_authority("Test Root")
CA = make_authority("Test Intermediate", ROOT)
LABELS = st.sampled_from(["a", "b", "A", "xn--mller-kva", "a-b"])
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
# Wildcards where they may stand, and where they may not.
IN_CERTIFICATE = HOSTS | HOSTS.map("*.{}".format) | HOSTS.map("a*.{}".format) | HOSTS.map("a.*.{}".format)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(IN_CERTIFICATE, min_size=1, max_size=3), HOSTS)
@example(["*.a"], "b.a")
@example(["*.a.b"], "a.a.b")
@example(["*.a.b"], "xn--mller-kva.a.b")
@example(["A.b"], "a.B")
def test_a_handshake_says_the_same(tmp_path: Path, names: list[str], wanted: str) -> None:
    issued = issue(names, CA, common_name="")
    chain, key, ca_file = tmp_path / "chain.pem", tmp_path / "key.pem", tmp_path / "ca.pem"
    chain.write_text(issued.leaf + issued.chain)
    key.write_text(issued.private_key)
    ca_file.write_text(ROOT.pem)
    try:
        rehearse(chain, key, [wanted], ca_file)
        good = True
    except NamesMissing:
        good = False
    assert covers(read_pem(issued.leaf)[0].names, wanted) is good
