"""Secrets Manager in memory, which keeps AWS's rule of tokens, and what a run has stored in it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from lambda_renewer.pending import Pending
from lambda_renewer.run import stored_pending
from lambda_renewer.store import SecretStore

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


def journaled(store: SecretStore) -> Pending:
    """What is in flight; there must be something."""
    pending = stored_pending(store.read())
    assert pending is not None
    return pending
