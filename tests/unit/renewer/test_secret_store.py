"""A secret written by compare-and-swap, over a Secrets Manager in memory that keeps AWS's rule of tokens."""

from __future__ import annotations

import pytest

from lambda_renewer.errors import RenewerError, StoreConflict, StoreError
from lambda_renewer.store import Contents, SecretStore, Stage, Version
from tests.unit.renewer.fake_secrets_manager import ARN, FakeSecretsManager

BOTH: list[Stage] = ["AWSCURRENT", "AWSPENDING"]
PENDING: list[Stage] = ["AWSPENDING"]
NOTHING = Contents(current=None, pending=None)


def current_of(contents: Contents) -> Version:
    assert contents.current is not None
    return contents.current


def test_a_secret_without_version(store: SecretStore) -> None:
    assert store.read() == Contents(current=None, pending=None)
    assert store.read().base == "first"


def test_the_stage_is_always_named(store: SecretStore, aws: FakeSecretsManager) -> None:
    store.write("one", BOTH, based_on=store.read())
    assert aws.asked[0] == {"SecretId": ARN, "VersionStage": "AWSPENDING"}
    assert aws.asked[1] == {"SecretId": ARN, "VersionStage": "AWSCURRENT"}
    assert aws.asked[2]["VersionStages"] == ["AWSCURRENT", "AWSPENDING"]
    assert aws.asked[2]["SecretId"] == ARN


def test_one_call_reads_a_secret_with_nothing_in_flight(store: SecretStore, aws: FakeSecretsManager) -> None:
    written = store.write("one", BOTH, based_on=NOTHING)
    aws.asked.clear()
    assert store.read() == written == Contents(current=written.current, pending=None)
    assert store.read().base == current_of(written).id
    assert len(aws.asked) == 2  # one a read


def test_the_base_is_both_stages(store: SecretStore, aws: FakeSecretsManager) -> None:
    first = store.write("one", BOTH, based_on=NOTHING)
    second = store.write("two", PENDING, based_on=first)
    aws.asked.clear()
    contents = store.read()
    assert contents == Contents(
        Version(current_of(first).id, "one", frozenset({"AWSCURRENT"})), second.pending
    )
    assert second.pending is not None
    assert contents.base == second.base == f"{current_of(first).id} {second.pending.id}"
    assert len(aws.asked) == 2


def test_a_secret_that_an_older_renewer_wrote(store: SecretStore) -> None:
    """It has no AWSPENDING."""
    written = store.write("one", ["AWSCURRENT"], based_on=NOTHING)
    assert store.read() == written == Contents(written.current, None)
    assert store.read().base == current_of(written).id


def test_a_write_is_what_the_next_one_is_based_on(store: SecretStore) -> None:
    first = store.write("one", BOTH, based_on=store.read())
    assert store.read() == first
    assert first.current == Version(current_of(first).id, "one", frozenset(BOTH))
    second = store.write("two", BOTH, based_on=first)
    assert current_of(second).id != current_of(first).id
    assert store.read() == second


def test_a_document_may_become_current_beside_the_record(store: SecretStore) -> None:
    record = store.write("record", PENDING, based_on=store.write("one", BOTH, based_on=NOTHING))
    both = store.write("two", ["AWSCURRENT"], based_on=record)
    assert both == store.read()
    assert current_of(both).text == "two"
    assert both.pending == record.pending
    assert store.write("three", BOTH, based_on=both) == store.read()
    assert store.read().pending is None


def test_of_two_writers_with_one_base_the_second_is_refused(store: SecretStore) -> None:
    base = store.write("one", BOTH, based_on=NOTHING)
    winner = store.write("two", BOTH, based_on=base)
    for stages in (BOTH, PENDING):
        with pytest.raises(StoreConflict, match=f"another run wrote {ARN} first") as raised:
            store.write("three", stages, based_on=base)
        assert isinstance(raised.value, RenewerError)
    assert store.read() == winner
    assert current_of(store.write("three", BOTH, based_on=winner)).text == "three"


@pytest.mark.parametrize("stages", [BOTH, ["AWSCURRENT"], PENDING])
def test_who_read_before_any_write_is_refused(store: SecretStore, stages: list[Stage]) -> None:
    """Whichever label another run moved meanwhile."""
    base = store.write("record", PENDING, based_on=store.write("one", BOTH, based_on=NOTHING))
    winner = store.write("two", stages, based_on=base)
    for ours in (BOTH, ["AWSCURRENT"], PENDING):
        with pytest.raises(StoreConflict):
            store.write("three", ours, based_on=base)  # type: ignore[arg-type]
    assert store.read().base == winner.base


def test_labels_that_were_moved_by_hand_are_told(store: SecretStore, aws: FakeSecretsManager) -> None:
    """The token of that state was used up, and no run came first: the advice helps."""
    first = store.write("one", BOTH, based_on=NOTHING)
    store.write("two", BOTH, based_on=first)
    aws.stages = dict.fromkeys(BOTH, current_of(first).id)
    with pytest.raises(
        StoreError, match=f"a version stage of {ARN} was moved by hand .* AWSPENDING"
    ) as raised:
        store.write("three", BOTH, based_on=store.read())
    assert not isinstance(raised.value, StoreConflict)
    aws.put_secret_value(ClientRequestToken="by hand", SecretString="any value", VersionStages=["AWSPENDING"])
    assert current_of(store.write("three", BOTH, based_on=store.read())).text == "three"


def test_two_first_writers(store: SecretStore) -> None:
    first = store.write("empty", BOTH, based_on=NOTHING)
    assert store.write("empty", BOTH, based_on=NOTHING) == first  # the same content is no conflict
    with pytest.raises(StoreConflict):
        store.write("other", BOTH, based_on=NOTHING)


def test_the_token_depends_on_the_secret_and_on_the_base(aws: FakeSecretsManager) -> None:
    one, two = (Version(version, "text", frozenset()) for version in ("v1", "v2"))
    bases = [NOTHING, Contents(one, None), Contents(two, None), Contents(one, two), Contents(two, one)]
    for arn in (ARN, ARN.replace("one", "two")):
        for base in bases:
            SecretStore(aws, arn).write("text", BOTH, based_on=base)  # type: ignore[arg-type]
    tokens = [asked["ClientRequestToken"] for asked in aws.asked]
    assert len(set(tokens)) == 10
    assert all(len(token) == 36 for token in tokens)


def test_no_repr_shows_a_text() -> None:
    version = Version("v1", "the secret key", frozenset(BOTH))
    for shown in (repr(version), repr(Contents(version, version)), f"{version}"):
        assert "v1" in shown
        assert "the secret key" not in shown
