"""What the agent's tests share: a CA and a certificate document."""

from __future__ import annotations

from typing import Any

import pytest

from .certificates import Authority, Issued, document_of, issue, make_authority


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
    return document_of(issued)
