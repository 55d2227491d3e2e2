"""Secrets Manager as a store in which two writers never overwrite each other.

A certificate's secret has two version stages: AWSCURRENT is the document to serve, AWSPENDING the issuance in
flight; both stand on one version when there is none in flight. The versions form a chain: every write is
compare-and-swap, its ClientRequestToken a UUIDv5 of the secret's ARN and the VersionId of the newest version,
on which it is based. Two writers that read the same version therefore send the same token with other
contents, and Secrets Manager refuses the second with ResourceExistsException (PutSecretValue, API reference).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .errors import StoreConflict

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

Stage = Literal["AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"]

_NO_VERSION = "first"


@dataclass(frozen=True)
class Version:
    """A version of a secret.

    Attributes:
        id: its VersionId.
        text: its SecretString.
        stages: the labels on it.
    """

    id: str
    text: str
    stages: frozenset[str]

    def __repr__(self) -> str:
        """Show which version it is, and never its text."""
        return f"Version({self.id!r}, {sorted(self.stages)})"


@dataclass(frozen=True)
class Contents:
    """What a secret holds.

    Attributes:
        current: the version at AWSCURRENT, or None where the secret has no version yet.
        pending: the version at AWSPENDING, or None where that is the same version, or none.
    """

    current: Version | None
    pending: Version | None

    @property
    def newest(self) -> Version | None:
        """The end of the chain of versions, which the next write is based on."""
        return self.pending or self.current


class SecretStore:
    """One secret, written by compare-and-swap."""

    def __init__(self, secrets_manager: SecretsManagerClient, arn: str) -> None:
        """Use the secret `arn` through the boto3 client `secrets_manager`."""
        self._client = secrets_manager
        self.arn = arn

    def read(self) -> Contents:
        """Return both versions, with one call where nothing is in flight.

        Raises:
            botocore.exceptions.ClientError: AWS refused.
        """
        pending = self.read_stage("AWSPENDING")
        if pending is not None and "AWSCURRENT" in pending.stages:
            return Contents(current=pending, pending=None)
        return Contents(current=self.read_stage("AWSCURRENT"), pending=pending)

    def read_stage(self, stage: Stage) -> Version | None:
        """Return the version that `stage` stands on, or None.

        Raises:
            botocore.exceptions.ClientError: AWS refused.
        """
        try:
            answer = self._client.get_secret_value(SecretId=self.arn, VersionStage=stage)
        except self._client.exceptions.ResourceNotFoundException:
            return None
        return Version(answer["VersionId"], answer["SecretString"], frozenset(answer["VersionStages"]))

    def write(self, text: str, stages: list[Stage], *, based_on: Version | None) -> Version:
        """Add a version with the labels `stages`, if `based_on` is the newest still.

        Raises:
            StoreConflict: another writer came first; read again.
            botocore.exceptions.ClientError: AWS refused.
        """
        token = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.arn} {based_on.id if based_on else _NO_VERSION}"))
        try:
            answer = self._client.put_secret_value(
                SecretId=self.arn, ClientRequestToken=token, SecretString=text, VersionStages=stages
            )
        except self._client.exceptions.ResourceExistsException:
            raise StoreConflict(f"another run wrote {self.arn} first") from None
        return Version(answer["VersionId"], text, frozenset(stages))
