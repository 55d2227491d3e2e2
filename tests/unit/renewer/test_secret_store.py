"""A secret written by compare-and-swap, over a Secrets Manager in memory that keeps AWS's rule of tokens."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lambda_renewer.errors import RenewerError, StoreConflict
from lambda_renewer.store import Contents, SecretStore, Stage, Version

ARN = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:one-AbCdEf"


class NotFound(Exception):
    pass


class Exists(Exception):
    pass


class FakeSecretsManager:
    """One secret; a label moves with each put, and the first version becomes AWSCURRENT whatever is asked."""

    exceptions = SimpleNamespace(ResourceNotFoundException=NotFound, ResourceExistsException=Exists)

    def __init__(self) -> None:
        self.versions: dict[str, str] = {}
        self.stages: dict[str, str] = {}
        self.asked: list[dict[str, Any]] = []

    def get_secret_value(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        version = self.stages.get(asked["VersionStage"])
        if version is None:
            raise NotFound
        labels = [stage for stage, found in self.stages.items() if found == version]
        return {"VersionId": version, "SecretString": self.versions[version], "VersionStages": labels}

    def put_secret_value(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        token = asked["ClientRequestToken"]
        known = self.versions.get(token)
        if known is not None and known != asked["SecretString"]:
            raise Exists
        if known is None:
            first = not self.versions
            self.versions[token] = asked["SecretString"]
            for stage in [*asked["VersionStages"], *(["AWSCURRENT"] if first else [])]:
                self.stages[stage] = token
        return {"VersionId": token}


BOTH: list[Stage] = ["AWSCURRENT", "AWSPENDING"]
PENDING: list[Stage] = ["AWSPENDING"]


@pytest.fixture
def aws() -> FakeSecretsManager:
    return FakeSecretsManager()


@pytest.fixture
def store(aws: FakeSecretsManager) -> SecretStore:
    return SecretStore(aws, ARN)  # type: ignore[arg-type]


def test_a_secret_without_version(store: SecretStore) -> None:
    assert store.read() == Contents(current=None, pending=None)
    assert store.read().newest is None


def test_the_stage_is_always_named(store: SecretStore, aws: FakeSecretsManager) -> None:
    store.write("one", BOTH, based_on=store.read().newest)
    assert aws.asked[0] == {"SecretId": ARN, "VersionStage": "AWSPENDING"}
    assert aws.asked[1] == {"SecretId": ARN, "VersionStage": "AWSCURRENT"}
    assert aws.asked[2]["VersionStages"] == ["AWSCURRENT", "AWSPENDING"]
    assert aws.asked[2]["SecretId"] == ARN


def test_one_call_reads_a_secret_with_nothing_in_flight(store: SecretStore, aws: FakeSecretsManager) -> None:
    written = store.write("one", BOTH, based_on=None)
    aws.asked.clear()
    assert store.read() == Contents(current=written, pending=None)
    assert store.read().newest == written
    assert len(aws.asked) == 2  # one a read


def test_what_is_in_flight_is_the_newest(store: SecretStore, aws: FakeSecretsManager) -> None:
    current = store.write("one", BOTH, based_on=None)
    pending = store.write("two", PENDING, based_on=current)
    aws.asked.clear()
    contents = store.read()
    assert (contents.current, contents.pending) == (
        Version(current.id, "one", frozenset({"AWSCURRENT"})),
        pending,
    )
    assert contents.newest == pending
    assert len(aws.asked) == 2


def test_a_secret_that_an_older_renewer_wrote(store: SecretStore) -> None:
    """It has no AWSPENDING."""
    current = store.write("one", ["AWSCURRENT"], based_on=None)
    assert store.read() == Contents(current=current, pending=None)
    assert store.read().newest == current


def test_a_write_is_what_the_next_one_is_based_on(store: SecretStore) -> None:
    first = store.write("one", BOTH, based_on=store.read().newest)
    assert store.read().newest == first == Version(first.id, "one", frozenset(BOTH))
    second = store.write("two", BOTH, based_on=first)
    assert second.id != first.id
    assert store.read().current == second


def test_of_two_writers_with_one_base_the_second_is_refused(store: SecretStore) -> None:
    base = store.write("one", BOTH, based_on=None)
    winner = store.write("two", BOTH, based_on=base)
    for stages in (BOTH, PENDING):
        with pytest.raises(StoreConflict, match=f"another run wrote {ARN} first") as raised:
            store.write("three", stages, based_on=base)
        assert isinstance(raised.value, RenewerError)
    assert store.read().newest == winner
    assert store.write("three", BOTH, based_on=winner).text == "three"


def test_two_first_writers(store: SecretStore) -> None:
    first = store.write("empty", BOTH, based_on=None)
    assert store.write("empty", BOTH, based_on=None) == first  # the same content is no conflict
    with pytest.raises(StoreConflict):
        store.write("other", BOTH, based_on=None)


def test_the_token_depends_on_the_secret_and_on_the_base(aws: FakeSecretsManager) -> None:
    for arn in (ARN, ARN.replace("one", "two")):
        for base in (None, "v1", "v2"):
            version = base and Version(base, "text", frozenset())
            SecretStore(aws, arn).write("text", BOTH, based_on=version or None)  # type: ignore[arg-type]
    tokens = [asked["ClientRequestToken"] for asked in aws.asked]
    assert len(set(tokens)) == 6
    assert all(len(token) == 36 for token in tokens)


def test_no_repr_shows_a_text() -> None:
    version = Version("v1", "the secret key", frozenset(BOTH))
    for shown in (repr(version), repr(Contents(version, version)), f"{version}"):
        assert "v1" in shown
        assert "the secret key" not in shown
