"""A secret written by compare-and-swap, over a Secrets Manager in memory that keeps AWS's rule of tokens."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lambda_renewer.errors import RenewerError, StoreConflict
from lambda_renewer.store import SecretStore, Version

ARN = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:one-AbCdEf"


class NotFound(Exception):
    pass


class Exists(Exception):
    pass


class FakeSecretsManager:
    exceptions = SimpleNamespace(ResourceNotFoundException=NotFound, ResourceExistsException=Exists)

    def __init__(self) -> None:
        self.versions: dict[str, str] = {}
        self.current: str | None = None
        self.asked: list[dict[str, Any]] = []

    def get_secret_value(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        if self.current is None:
            raise NotFound
        return {"VersionId": self.current, "SecretString": self.versions[self.current]}

    def put_secret_value(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        token = asked["ClientRequestToken"]
        known = self.versions.get(token)
        if known is not None and known != asked["SecretString"]:
            raise Exists
        if known is None:
            self.versions[token] = asked["SecretString"]
            self.current = token
        return {"VersionId": token}


@pytest.fixture
def aws() -> FakeSecretsManager:
    return FakeSecretsManager()


@pytest.fixture
def store(aws: FakeSecretsManager) -> SecretStore:
    return SecretStore(aws, ARN)  # type: ignore[arg-type]


def test_a_secret_without_version(store: SecretStore) -> None:
    assert store.read() == Version(id=None, text=None)


def test_the_stage_is_always_named(store: SecretStore, aws: FakeSecretsManager) -> None:
    store.write("one", based_on=store.read())
    assert aws.asked[0] == {"SecretId": ARN, "VersionStage": "AWSCURRENT"}
    assert aws.asked[1]["VersionStages"] == ["AWSCURRENT"]
    assert aws.asked[1]["SecretId"] == ARN


def test_a_write_is_what_the_next_one_is_based_on(store: SecretStore) -> None:
    first = store.write("one", based_on=store.read())
    assert store.read() == first == Version(id=first.id, text="one")
    second = store.write("two", based_on=first)
    assert second.id != first.id
    assert store.read() == second


def test_of_two_writers_with_one_base_the_second_is_refused(store: SecretStore) -> None:
    base = store.write("one", based_on=store.read())
    winner = store.write("two", based_on=base)
    with pytest.raises(StoreConflict, match=f"another run wrote {ARN} first") as raised:
        store.write("three", based_on=base)
    assert isinstance(raised.value, RenewerError)
    assert store.read() == winner
    assert store.write("three", based_on=winner).text == "three"


def test_two_first_writers(store: SecretStore) -> None:
    nothing = store.read()
    first = store.write("empty", based_on=nothing)
    assert store.write("empty", based_on=nothing) == first  # the same content is no conflict
    with pytest.raises(StoreConflict):
        store.write("other", based_on=nothing)


def test_the_token_depends_on_the_secret_and_on_the_base(aws: FakeSecretsManager) -> None:
    for arn in (ARN, ARN.replace("one", "two")):
        for base in (None, "v1", "v2"):
            SecretStore(aws, arn).write("text", based_on=Version(base, None))  # type: ignore[arg-type]
    tokens = [asked["ClientRequestToken"] for asked in aws.asked]
    assert len(set(tokens)) == 6
    assert all(len(token) == 36 for token in tokens)
