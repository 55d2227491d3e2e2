"""AWS's refusals in words, and the alarm's subscriptions."""

from __future__ import annotations

import pytest
from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from synology_setup.checks.alarm import judge_subscriptions
from synology_setup.checks.aws import explain
from synology_setup.checks.finding import Finding

TOPIC = "arn:aws:sns:eu-central-1:123456789012:alarms"
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE"


def refusal(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "GetCallerIdentity")


@pytest.mark.parametrize(
    ("error", "said", "advice"),
    [
        (refusal("ExpiredToken"), "have expired", "aws sso login"),
        (refusal("InvalidClientTokenId"), "does not know your access key", "AWS_PROFILE"),
        (refusal("SignatureDoesNotMatch"), "refuses the signature", "this machine's clock"),
        (refusal("AccessDenied"), "may not ask this", "ran `pulumi up`"),
        (refusal("Throttling", "Rate exceeded"), "Throttling", "try again"),
        (exceptions.NoCredentialsError(), "no AWS credentials", "aws configure"),
        (exceptions.ProfileNotFound(profile="home"), "(home) could not be found", "list-profiles"),
        (exceptions.UnauthorizedSSOTokenError(), "could not be had", "aws sso login"),
        (exceptions.EndpointConnectionError(endpoint_url="https://sts"), "cannot be reached", "HTTPS_PROXY"),
        (exceptions.ReadTimeoutError(endpoint_url="https://sts"), "cannot be reached", "network"),
    ],
)
def test_an_error_says_what_to_do(error: BotoCoreError | ClientError, said: str, advice: str) -> None:
    words = explain(error)
    assert said in words[0]
    assert advice in words[1]


def test_a_refused_signature_does_not_show_the_session_token() -> None:
    quoted = f"The Canonical String should have been 'POST\n/\n\nx-amz-security-token:{TOKEN}\n'"
    assert TOKEN not in "".join(explain(refusal("SignatureDoesNotMatch", quoted)))
    assert TOKEN not in "".join(explain(refusal("SomethingNew", quoted)))


@pytest.mark.parametrize(
    ("subscriptions", "ok", "words"),
    [
        ([("email", "me@example.com", f"{TOPIC}:1")], True, "me@example.com"),
        ([("email-json", "me@example.com", f"{TOPIC}:1")], True, "me@example.com"),
        (
            [("email", "me@example.com", "PendingConfirmation")],
            False,
            "--notification-endpoint me@example.com",
        ),
        (
            [("email", "a@example.com", f"{TOPIC}:1"), ("email", "b@example.com", "PendingConfirmation")],
            False,
            "--notification-endpoint b@example.com",
        ),
        ([("email", "me@example.com", "Deleted")], False, f"--topic-arn {TOPIC}"),
        ([("sms", "+491234567", f"{TOPIC}:1")], False, "--protocol email"),
        ([], False, "aws sns subscribe"),
    ],
)
def test_an_alarm_that_nobody_gets_is_red(
    subscriptions: list[tuple[str, str, str]], ok: bool, words: str
) -> None:
    listed = [
        {"Protocol": protocol, "Endpoint": endpoint, "SubscriptionArn": arn}
        for protocol, endpoint, arn in subscriptions
    ]
    finding = judge_subscriptions(TOPIC, listed)
    assert finding.ok is ok
    assert words in finding.measured + finding.advice


def test_a_red_finding_without_advice_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="what to do"):
        Finding("the sky is blue", False, "grey")
