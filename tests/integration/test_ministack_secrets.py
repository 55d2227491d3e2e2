"""The local AWS keeps Secrets Manager's rules of versions and labels."""

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local_cloud.ministack.server import LocalAws
from tests.integration.aws_refusals import allow, denied, refused, token, unique


@pytest.fixture
def secrets(local_aws: LocalAws) -> Any:
    return local_aws.client("secretsmanager")


@pytest.fixture
def empty(secrets: Any) -> str:
    """A secret that never had a value, as the stack makes it."""
    return str(secrets.create_secret(Name=unique("empty"))["ARN"])


@pytest.fixture
def secret(secrets: Any) -> str:
    """A secret whose AWSCURRENT is `first`."""
    return str(secrets.create_secret(Name=unique("secret"), SecretString="first")["ARN"])


def labels(secrets: Any, secret: str) -> dict[str, str]:
    """Each label and the version that carries it."""
    by_version = secrets.describe_secret(SecretId=secret).get("VersionIdsToStages", {})
    pairs = [(label, version) for version, stages in by_version.items() for label in stages]
    assert len(pairs) == len(dict(pairs)), "a label is on one version at a time"
    return dict(pairs)


def test_secret_without_value_has_no_version(secrets: Any) -> None:
    name = unique("empty")
    assert "VersionId" not in secrets.create_secret(Name=name)
    assert "VersionIdsToStages" not in secrets.describe_secret(SecretId=name)
    assert secrets.list_secret_version_ids(SecretId=name, IncludeDeprecated=True)["Versions"] == []
    refused("ResourceNotFoundException", "AWSCURRENT", secrets.get_secret_value, SecretId=name)


def test_first_put_becomes_current_whatever_label_is_asked(secrets: Any, empty: str) -> None:
    put = secrets.put_secret_value(SecretId=empty, SecretString="a", VersionStages=["AWSPENDING"])
    assert sorted(put["VersionStages"]) == ["AWSCURRENT", "AWSPENDING"]
    assert secrets.get_secret_value(SecretId=empty)["SecretString"] == "a"


def test_second_put_keeps_to_the_label_asked(secrets: Any, secret: str) -> None:
    secrets.put_secret_value(SecretId=secret, SecretString="b", VersionStages=["AWSPENDING"])
    assert secrets.get_secret_value(SecretId=secret)["SecretString"] == "first"
    pending = secrets.get_secret_value(SecretId=secret, VersionStage="AWSPENDING")
    assert pending["SecretString"] == "b"


def test_token_becomes_the_version(secrets: Any) -> None:
    name, first = unique("secret"), token()
    made = secrets.create_secret(Name=name, SecretString="a", ClientRequestToken=first)
    assert made["VersionId"] == first
    again = secrets.create_secret(Name=name, SecretString="a", ClientRequestToken=first)
    assert (again["ARN"], again["VersionId"]) == (made["ARN"], first)
    refused(
        "ResourceExistsException",
        "already exists",
        secrets.create_secret,
        Name=name,
        SecretString="b",
        ClientRequestToken=first,
    )


def test_token_with_another_value_is_refused(secrets: Any, secret: str) -> None:
    used = token()
    secrets.put_secret_value(SecretId=secret, SecretString="mine", ClientRequestToken=used)
    refused(
        "ResourceExistsException",
        "ClientRequestToken",
        secrets.put_secret_value,
        SecretId=secret,
        SecretString="theirs",
        ClientRequestToken=used,
    )
    assert secrets.get_secret_value(SecretId=secret)["SecretString"] == "mine"


def test_token_with_the_same_value_moves_no_label(secrets: Any, secret: str) -> None:
    used = token()
    secrets.put_secret_value(SecretId=secret, SecretString="b", ClientRequestToken=used)
    secrets.put_secret_value(SecretId=secret, SecretString="c")
    before = labels(secrets, secret)
    again = secrets.put_secret_value(SecretId=secret, SecretString="b", ClientRequestToken=used)
    assert again["VersionId"] == used
    assert labels(secrets, secret) == before


@pytest.mark.parametrize("label", ["AWSPENDING", "AWSCURRENT"])
def test_token_is_still_taken_when_its_version_lost_all_labels(secrets: Any, secret: str, label: str) -> None:
    put = functools.partial(secrets.put_secret_value, SecretId=secret, VersionStages=[label])
    used = token()
    put(SecretString="b", ClientRequestToken=used)
    for value in ("c", "d"):
        put(SecretString=value)
    refused("ResourceExistsException", "ClientRequestToken", put, SecretString="z", ClientRequestToken=used)
    assert used not in labels(secrets, secret).values()
    assert secrets.get_secret_value(SecretId=secret, VersionId=used)["SecretString"] == "b"


def test_of_writers_with_one_token_exactly_one_wins(secrets: Any, secret: str) -> None:
    put = functools.partial(secrets.put_secret_value, SecretId=secret, ClientRequestToken=token())

    def won(writer: int) -> bool:
        try:
            put(SecretString=str(writer))
        except secrets.exceptions.ResourceExistsException:
            return False
        return True

    with ThreadPoolExecutor(8) as writers:
        outcome = list(writers.map(won, range(8)))
    assert outcome.count(True) == 1
    assert secrets.get_secret_value(SecretId=secret)["SecretString"] == str(outcome.index(True))


def test_label_moves_to_the_version_put_last(secrets: Any, secret: str) -> None:
    for value in ("b", "c"):
        put = secrets.put_secret_value(SecretId=secret, SecretString=value, VersionStages=["AWSPENDING"])
    assert labels(secrets, secret)["AWSPENDING"] == put["VersionId"]
    listed = secrets.list_secret_version_ids(SecretId=secret)["Versions"]
    assert all(version["VersionStages"] for version in listed)
    everything = secrets.list_secret_version_ids(SecretId=secret, IncludeDeprecated=True)["Versions"]
    assert len(everything) == len(listed) + 1


def test_put_with_both_labels_has_both(secrets: Any, secret: str) -> None:
    old = labels(secrets, secret)["AWSCURRENT"]
    secrets.put_secret_value(SecretId=secret, SecretString="b", VersionStages=["AWSPENDING"])
    put = secrets.put_secret_value(
        SecretId=secret, SecretString="c", VersionStages=["AWSCURRENT", "AWSPENDING"]
    )
    new = put["VersionId"]
    assert sorted(put["VersionStages"]) == ["AWSCURRENT", "AWSPENDING"]
    assert labels(secrets, secret) == {"AWSCURRENT": new, "AWSPENDING": new, "AWSPREVIOUS": old}


def test_put_of_current_leaves_pending_alone(secrets: Any, secret: str) -> None:
    pending = secrets.put_secret_value(SecretId=secret, SecretString="b", VersionStages=["AWSPENDING"])
    current = secrets.put_secret_value(SecretId=secret, SecretString="c")
    held = labels(secrets, secret)
    assert (held["AWSPENDING"], held["AWSCURRENT"]) == (pending["VersionId"], current["VersionId"])


def test_update_makes_a_version_by_the_same_rules(secrets: Any, secret: str) -> None:
    old, used = labels(secrets, secret)["AWSCURRENT"], token()
    update = {"SecretId": secret, "SecretString": "b", "ClientRequestToken": used}
    assert secrets.update_secret(**update, Description="new")["VersionId"] == used
    assert labels(secrets, secret) == {"AWSCURRENT": used, "AWSPREVIOUS": old}
    assert secrets.describe_secret(SecretId=secret)["Description"] == "new"
    refused("ResourceExistsException", "ClientRequestToken", secrets.update_secret, **update)


def test_name_scheduled_for_deletion_is_taken(secrets: Any) -> None:
    name = unique("leaving")
    secrets.create_secret(Name=name, SecretString="a")
    secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    create = secrets.create_secret
    refused("InvalidRequestException", "already scheduled for deletion", create, Name=name)
    refused("InvalidRequestException", "deletion", secrets.put_secret_value, SecretId=name, SecretString="b")
    secrets.restore_secret(SecretId=name)
    refused("ResourceExistsException", "already exists", create, Name=name, SecretString="b")


def test_stage_and_version_must_agree(secrets: Any, secret: str) -> None:
    pending = secrets.put_secret_value(SecretId=secret, SecretString="b", VersionStages=["AWSPENDING"])
    both = {"SecretId": secret, "VersionId": pending["VersionId"]}
    assert secrets.get_secret_value(**both, VersionStage="AWSPENDING")["SecretString"] == "b"
    refused(
        "InvalidRequestException",
        "not associated",
        secrets.get_secret_value,
        **both,
        VersionStage="AWSCURRENT",
    )


def test_reader_of_current_reads_nothing_else(local_aws: LocalAws, secrets: Any, secret: str) -> None:
    current = labels(secrets, secret)["AWSCURRENT"]
    pending = secrets.put_secret_value(SecretId=secret, SecretString="b", VersionStages=["AWSPENDING"])
    policy = allow(
        "secretsmanager:GetSecretValue",
        secret,
        StringEquals={"secretsmanager:VersionStage": "AWSCURRENT"},
    )
    reader = local_aws.client("secretsmanager", *local_aws.user(unique("reader"), policy))
    read = reader.get_secret_value
    assert read(SecretId=secret, VersionStage="AWSCURRENT")["SecretString"] == "first"
    denied(read, SecretId=secret, VersionStage="AWSPENDING")
    denied(read, SecretId=secret, VersionStage="AWSPREVIOUS")
    denied(read, SecretId=secret, VersionId=current)
    denied(read, SecretId=secret)
    refused(
        "InvalidRequestException",
        "not associated",
        read,
        SecretId=secret,
        VersionStage="AWSCURRENT",
        VersionId=pending["VersionId"],
    )
    denied(reader.describe_secret, SecretId=secret)


def test_reader_of_one_version_reads_no_other(local_aws: LocalAws, secrets: Any, secret: str) -> None:
    one = labels(secrets, secret)["AWSCURRENT"]
    other = secrets.put_secret_value(SecretId=secret, SecretString="b")["VersionId"]
    policy = allow("secretsmanager:GetSecretValue", secret, StringEquals={"secretsmanager:VersionId": one})
    reader = local_aws.client("secretsmanager", *local_aws.user(unique("reader"), policy))
    assert reader.get_secret_value(SecretId=secret, VersionId=one)["SecretString"] == "first"
    denied(reader.get_secret_value, SecretId=secret, VersionId=other)
    denied(reader.get_secret_value, SecretId=secret, VersionStage="AWSPREVIOUS")
