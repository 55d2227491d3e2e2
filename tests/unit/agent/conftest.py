"""What the agent's tests share: a CA and a certificate document."""

from __future__ import annotations

import hashlib
import ssl
from typing import Any

import pytest

from .certificates import Authority, Issued, issue, make_authority


@pytest.fixture(scope="session")
def root() -> Authority:
    return make_authority("Test Root")


@pytest.fixture(scope="session")
def intermediate(root: Authority) -> Authority:
    return make_authority("Test Intermediate", root)


@pytest.fixture(scope="session")
def issued(intermediate: Authority) -> Issued:
    return issue(["nas.example.com", "*.home.example.com"], intermediate)


@pytest.fixture
def document(issued: Issued) -> dict[str, Any]:
    """A certificate document's fields, as far as the agent reads them."""
    der = ssl.PEM_cert_to_DER_cert(issued.leaf)
    return {
        "schema": 1,
        "leaf": issued.leaf,
        "chain": issued.chain,
        "private_key": issued.private_key,
        "serial": "2a",
        "fingerprint_sha256": hashlib.sha256(der).hexdigest(),
        "issuer": "Test Intermediate",
        "not_after": "2027-02-23T02:00:00Z",
    }
