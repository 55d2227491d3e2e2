"""`install` through a real account with a password, PAM, and the machine's own sudo: for root, as in CI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from local_cloud.ssh_server import Account
from tests.integration.setup_bench import Bench, Person, is_installed

pytestmark = pytest.mark.skipif(Account.lacking() is not None, reason=str(Account.lacking()))


@pytest.fixture
def rule() -> str | None:
    """What sudoers(5) says of the account."""
    return "ALL=(ALL:ALL) ALL"


@pytest.fixture
def account(rule: str | None) -> Iterator[Account]:
    with Account(rule) as made:
        yield made


@pytest.fixture
def sshd_options() -> dict[str, Any]:
    settings = {"UsePAM": "yes", "PasswordAuthentication": "yes"}
    return {"first_in_path": (), "noise": False, "authorized": "", "settings": settings}


def test_one_password_installs(bench: Bench, account: Account) -> None:
    bench.account = account.name
    person = Person(account.password)
    bench.install(person=person)
    assert len([question for question in person.asked if "assword" in question]) == 1
    assert not bench.sudo.calls
    is_installed(bench)
    assert (bench.home / "config.json").stat().st_uid == 0


@pytest.mark.parametrize("rule", ["ALL=(ALL:ALL) NOPASSWD: ALL"])
def test_without_a_password_for_sudo(bench: Bench, account: Account) -> None:
    bench.account = account.name
    bench.install(person=Person(account.password))
    is_installed(bench)


@pytest.mark.parametrize("rule", [None], ids=["no rule"])
def test_an_account_that_is_no_administrator(bench: Bench, account: Account) -> None:
    bench.account = account.name
    said = bench.install(person=Person(account.password), code=1)
    assert "the account is not an administrator" in said
    assert not bench.home.exists()
