"""What the renewer's unit tests share: AWS in memory."""

import pytest

from lambda_renewer.store import SecretStore
from tests.unit.renewer.challenge_route53 import ChallengeRoute53
from tests.unit.renewer.fake_secrets_manager import ARN, FakeSecretsManager


@pytest.fixture
def aws() -> FakeSecretsManager:
    return FakeSecretsManager()


@pytest.fixture
def store(aws: FakeSecretsManager) -> SecretStore:
    return SecretStore(aws, ARN)  # type: ignore[arg-type]


@pytest.fixture
def route53() -> ChallengeRoute53:
    return ChallengeRoute53("Z1")
