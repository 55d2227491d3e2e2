"""The one way to AWS: every client retries adaptively, and a refusal becomes an error of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_secretsmanager import SecretsManagerClient

# Adaptive mode paces itself under throttling: Route 53 allows five requests a second an account.
_CONFIG = Config(retries={"mode": "adaptive", "total_max_attempts": 8}, connect_timeout=5, read_timeout=20)


@overload
def client(service: Literal["route53"]) -> Route53Client: ...
@overload
def client(service: Literal["secretsmanager"]) -> SecretsManagerClient: ...
def client(service: Literal["route53", "secretsmanager"]) -> object:
    """Return a boto3 client with the renewer's retry configuration and the Lambda's own credentials."""
    return boto3.client(service, config=_CONFIG)
