"""Secrets Manager as a store in which two writers never overwrite each other.

A certificate's secret has two version stages: AWSCURRENT is the document to serve, AWSPENDING the issuance
in flight; both stand on one version when there is none in flight. Every write is compare-and-swap: its
ClientRequestToken is a UUIDv5 of the secret's ARN and of the versions that both stages stood on when they
were read. Two writers that read the same state therefore send the same token with other contents, and Secrets
Manager refuses the second with ResourceExistsException (PutSecretValue, API reference).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .errors import StoreConflict, StoreError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

Stage = Literal["AWSCURRENT", "AWSPENDING"]

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
    def base(self) -> str:
        """What a write is based on: the versions of both stages, `first` where there is none."""
        versions = [version.id for version in (self.current, self.pending) if version is not None]
        return " ".join(versions) or _NO_VERSION


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

    def write(self, text: str, stages: list[Stage], *, based_on: Contents) -> Contents:
        """Add a version with the labels `stages`, if the secret still holds what `based_on` says.

        Returns:
            What the secret holds now.

        Raises:
            StoreConflict: another writer came first; read again.
            StoreError: none did, and the write is refused all the same: a label was moved by hand.
            botocore.exceptions.ClientError: AWS refused.
        """
        token = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.arn} {based_on.base}"))
        try:
            answer = self._client.put_secret_value(
                SecretId=self.arn, ClientRequestToken=token, SecretString=text, VersionStages=stages
            )
        except self._client.exceptions.ResourceExistsException:
            if self.read().base == based_on.base:
                raise StoreError(
                    f"a version stage of {self.arn} was moved by hand to where it stood before, so that no "
                    "write is possible: put any value into its stage AWSPENDING by hand, and run again"
                ) from None
            raise StoreConflict(f"another run wrote {self.arn} first") from None
        written = Version(answer["VersionId"], text, frozenset(stages))
        if "AWSCURRENT" not in stages:
            return Contents(current=based_on.current, pending=written)
        return Contents(current=written, pending=None if "AWSPENDING" in stages else based_on.pending)
