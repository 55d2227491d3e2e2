"""AWS as the operator's own credentials see it, and its refusals in words."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

AWS_ERRORS = (BotoCoreError, ClientError)
SIGN_IN = "sign in (`aws sso login`, `aws configure`), or name the profile: AWS_PROFILE=NAME"

_CONFIG = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 2})
_DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "ExpiredTokenError"}
_UNKNOWN_KEY = {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "AuthFailure"}
_BAD_SIGNATURE = {
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "RequestExpired",
    "RequestTimeTooSkewed",
}
_ABSENT = {"NoSuchEntity", "NoSuchHostedZone", "ResourceNotFoundException", "NotFound"}


class Aws:
    """Clients in the stack's region, with short time-outs."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._session: boto3.Session | None = None
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """Return the boto3 client of a service.

        Raises:
            BotoCoreError: the configuration of this machine names what there is not, such as a profile.
        """
        if self._session is None:
            self._session = boto3.Session()
        if service not in self._clients:
            self._clients[service] = self._session.client(
                service,  # type: ignore[call-overload]
                region_name=self._region,
                config=_CONFIG,
            )
        return self._clients[service]


def is_absent(error: BotoCoreError | ClientError) -> bool:
    """Tell whether AWS says that the thing does not exist."""
    return _code(error) in _ABSENT


def is_denied(error: BotoCoreError | ClientError) -> bool:
    """Tell whether the credentials are good and may not do this."""
    return _code(error) in _DENIED


def explain(error: BotoCoreError | ClientError) -> tuple[str, str]:
    """Return what happened, and what to do.

    AWS's own text is left out where it repeats the request: a refused signature quotes its headers, the
    session token among them.
    """
    return _explain_refusal(error) if isinstance(error, ClientError) else _explain_failure(error)


def _explain_refusal(error: ClientError) -> tuple[str, str]:
    code = _code(error)
    if code in _EXPIRED:
        return "your AWS credentials have expired", SIGN_IN
    if code in _UNKNOWN_KEY:
        return f"AWS does not know your access key ({code})", f"it was deleted or is mistyped: {SIGN_IN}"
    if code in _BAD_SIGNATURE:
        advice = "set this machine's clock (AWS allows five minutes), and look at the secret access key"
        return f"AWS refuses the signature ({code})", f"{advice}: {SIGN_IN}"
    if code in _DENIED:
        return f"your AWS credentials may not ask this ({code})", "ask with those that ran `pulumi up`"
    return f"AWS answers {code}: {_first_line(error)}", "look the code up, or try again later"


def _explain_failure(error: BotoCoreError) -> tuple[str, str]:
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return "this machine has no AWS credentials", SIGN_IN
    if isinstance(error, ProfileNotFound):
        return _first_line(error), "set AWS_PROFILE to one that `aws configure list-profiles` shows"
    if isinstance(error, CredentialRetrievalError | TokenRetrievalError | SSOError):
        return f"your AWS credentials could not be had ({type(error).__name__})", SIGN_IN
    if isinstance(error, ConnectionError | HTTPClientError):
        advice = "look at this machine's network, its proxy (HTTPS_PROXY) and the region of the stack"
        return f"AWS cannot be reached ({type(error).__name__})", advice
    return f"AWS could not be asked: {_first_line(error)}", SIGN_IN


def _code(error: BotoCoreError | ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
