"""The one way to AWS: every client retries adaptively, and is patient with permissions that are new."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal, overload

import boto3
from botocore.config import Config

from .errors import ACCESS_DENIED

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_secretsmanager import SecretsManagerClient

# Adaptive mode paces itself under throttling: Route 53 allows five requests a second an account.
_CONFIG = Config(retries={"mode": "adaptive", "total_max_attempts": 8}, connect_timeout=5, read_timeout=20)
_DENIED_PAUSE_SECONDS = 3.0


class Aws:
    """AWS's clients for one run.

    IAM is eventually consistent: a Lambda that runs seconds after its policy was attached is often denied. So
    a denial is retried, for `patience` seconds a run in all.
    """

    def __init__(self, patience: float) -> None:
        """Retry denials for `patience` seconds from the first one on."""
        self._patience = patience
        self._denied_until: float | None = None

    @overload
    def client(self, service: Literal["route53"]) -> Route53Client: ...
    @overload
    def client(self, service: Literal["secretsmanager"]) -> SecretsManagerClient: ...
    def client(self, service: Literal["route53", "secretsmanager"]) -> object:
        """Return a boto3 client that signs with the Lambda's own credentials."""
        made = boto3.client(service, config=_CONFIG)
        service_id = made.meta.service_model.service_id.hyphenize()
        made.meta.events.register(f"needs-retry.{service_id}", self._wait)  # type: ignore[arg-type]  # it answers
        return made

    def _wait(self, response: tuple[Any, dict[str, Any]] | None, **_: object) -> float | None:
        """Answer botocore's question whether to send again: the seconds to wait, or None for no opinion."""
        if response is None or response[1].get("Error", {}).get("Code") not in ACCESS_DENIED:
            return None
        now = time.monotonic()
        if self._denied_until is None:
            self._denied_until = now + self._patience
        return _DENIED_PAUSE_SECONDS if now + _DENIED_PAUSE_SECONDS < self._denied_until else None
