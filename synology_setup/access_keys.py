"""The NAS's access key in IAM: made, told apart and deleted with the operator's own credentials.

IAM itself keeps a key's description as a tag of the user, named by the key's id: that is how the console does
it. A key without ours, or one that is still on its way, is known by it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from .errors import SetupError
from .remote import Secret

MOST_KEYS = 2
"""IAM's quota of access keys a user."""

_OURS = "synology-https"
ON_ITS_WAY = f"{_OURS}: on its way to the NAS"


@dataclass(frozen=True)
class ListedKey:
    """An access key as IAM lists it.

    Attributes:
        id: its id, no secret.
        active: AWS accepts it.
        created: when it was made.
        description: what the user's tag says of it, or an empty text.
    """

    id: str
    active: bool
    created: datetime
    description: str

    @property
    def on_its_way(self) -> bool:
        """Tell whether set-up made it and did not come to the end."""
        return self.description == ON_ITS_WAY

    @property
    def is_ours(self) -> bool:
        """Tell whether set-up made it."""
        return self.description.startswith(_OURS)

    def __str__(self) -> str:
        """Name it for a person."""
        about = self.description or "without a description"
        return f"{self.id} of {self.created:%Y-%m-%d %H:%M} ({about}{'' if self.active else ', inactive'})"


@dataclass(frozen=True)
class NewKey:
    """An access key with its secret, which AWS tells once."""

    id: str
    secret: Secret = field(repr=False)


class NasKeys:
    """The access keys of a NAS's IAM user."""

    def __init__(self, user: str, region: str) -> None:
        self.user = user
        with _in_words("IAM"):
            self._iam: Any = boto3.Session().client("iam", region_name=region)

    def listed(self) -> list[ListedKey]:
        """Return the user's keys, the oldest first.

        Raises:
            SetupError: AWS refuses, or the user is not there.
        """
        with _in_words(f"listing the access keys of {self.user}"):
            tags = {tag["Key"]: tag["Value"] for tag in self._iam.list_user_tags(UserName=self.user)["Tags"]}
            keys = self._iam.list_access_keys(UserName=self.user)["AccessKeyMetadata"]
        found = [
            ListedKey(
                key["AccessKeyId"],
                key["Status"] == "Active",
                key["CreateDate"],
                tags.get(key["AccessKeyId"], ""),
            )
            for key in keys
        ]
        return sorted(found, key=lambda key: key.created)

    def make(self) -> NewKey:
        """Make a key; it counts as on its way until it is described.

        Raises:
            SetupError: AWS refuses.
        """
        with _in_words(f"making an access key for {self.user}"):
            made = self._iam.create_access_key(UserName=self.user)["AccessKey"]
        key = NewKey(made["AccessKeyId"], Secret(made["SecretAccessKey"]))
        self.describe(key.id, ON_ITS_WAY)
        return key

    def has_arrived(self, key_id: str, host: str) -> None:
        """Say in IAM that a key is in use on the NAS of that host name."""
        self.describe(key_id, f"{_OURS} on {host}")

    def describe(self, key_id: str, description: str) -> None:
        """Say in IAM what a key is."""
        with _in_words(f"tagging {self.user}"):
            self._iam.tag_user(UserName=self.user, Tags=[{"Key": key_id, "Value": description}])

    def delete(self, key_id: str) -> None:
        """Delete a key; one that is gone already is no error."""
        with _in_words(f"deleting the access key {key_id}"):
            with contextlib.suppress(self._iam.exceptions.NoSuchEntityException):
                self._iam.delete_access_key(UserName=self.user, AccessKeyId=key_id)
            self._iam.untag_user(UserName=self.user, TagKeys=[key_id])


@contextlib.contextmanager
def _in_words(doing: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code, words = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code == "NoSuchEntity":
            advice = "The stack's user is gone: run `pulumi up`, then start again"
        elif code in {"AccessDenied", "AccessDeniedException"}:
            advice = (
                "Your own AWS credentials need iam:ListAccessKeys, CreateAccessKey, DeleteAccessKey, "
                "ListUserTags, TagUser and UntagUser on this user"
            )
        elif code == "LimitExceeded":
            advice = f"IAM allows {MOST_KEYS} keys a user: delete the one that nobody uses"
        else:
            advice = "Are your AWS credentials those of the stack's account?"
        raise SetupError(f"{doing} failed: {code}: {words.rstrip('.')}. {advice}") from None
    except BotoCoreError as error:
        raise SetupError(
            f"{doing} failed: {error}. Give your AWS credentials as to `pulumi up`, such as AWS_PROFILE"
        ) from None
