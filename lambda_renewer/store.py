"""Secrets Manager as a store in which two writers never overwrite each other.

Every write is compare-and-swap: its ClientRequestToken is a UUIDv5 of the secret's ARN and the VersionId that
the write is based on. Two writers that read the same version therefore send the same token with other
contents, and Secrets Manager refuses the second with ResourceExistsException (PutSecretValue, API reference).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import StoreConflict

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_NO_VERSION = "first"


@dataclass(frozen=True)
class Version:
    """What a secret held when it was read.

    Attributes:
        id: its VersionId, or None where the secret has no version yet.
        text: its SecretString, or None likewise.
    """

    id: str | None
    text: str | None


class SecretStore:
    """One secret, read at AWSCURRENT and written by compare-and-swap."""

    def __init__(self, secrets_manager: SecretsManagerClient, arn: str) -> None:
        """Use the secret `arn` through the boto3 client `secrets_manager`."""
        self._client = secrets_manager
        self._arn = arn

    def read(self) -> Version:
        """Return the current version.

        Raises:
            botocore.exceptions.ClientError: AWS refused.
        """
        try:
            answer = self._client.get_secret_value(SecretId=self._arn, VersionStage="AWSCURRENT")
        except self._client.exceptions.ResourceNotFoundException:
            return Version(id=None, text=None)
        return Version(id=answer["VersionId"], text=answer["SecretString"])

    def write(self, text: str, *, based_on: Version) -> Version:
        """Make `text` the current version, if `based_on` still is.

        Raises:
            StoreConflict: another writer came first; read again.
            botocore.exceptions.ClientError: AWS refused.
        """
        token = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self._arn} {based_on.id or _NO_VERSION}"))
        try:
            answer = self._client.put_secret_value(
                SecretId=self._arn,
                ClientRequestToken=token,
                SecretString=text,
                VersionStages=["AWSCURRENT"],
            )
        except self._client.exceptions.ResourceExistsException:
            raise StoreConflict(f"another run wrote {self._arn} first") from None
        return Version(id=answer["VersionId"], text=text)
