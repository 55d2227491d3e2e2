"""The two calls to AWS that a run makes, and how their refusals read."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from typing import Any

from . import __version__
from .config import Config
from .errors import AwsError
from .sigv4 import sign

_SERVICE = "secretsmanager"
_TIMEOUT_SECONDS = 30

_ADVICE = {
    "AccessDeniedException": "the NAS's key may not read this secret: check that the config names the secret "
    "that `pulumi stack output` shows",
    "ResourceNotFoundException": "there is no such secret: run `pulumi up`, and put the secret that it shows "
    "into the config",
    "UnrecognizedClientException": "AWS does not know the access key in the config: make a new one",
    "InvalidSignatureException": "the secret access key in the config is wrong, or the NAS's clock is",
}


class SecretsManager:
    """Secrets Manager, read with the NAS's key.

    Attributes:
        calls: number of requests sent so far.
    """

    def __init__(self, config: Config) -> None:
        """Use the config's region, key and endpoint."""
        self._config = config
        self._url = config.endpoint or f"https://{_SERVICE}.{config.region}.amazonaws.com/"
        self.calls = 0

    def current_version(self, secret: str) -> str:
        """Return the VersionId that AWSCURRENT stands on, or an empty text where the secret has no version.

        Raises:
            AwsError: AWS could not be reached, or refused.
        """
        stages = self._call("DescribeSecret", {"SecretId": secret}).get("VersionIdsToStages") or {}
        return next((version for version, labels in stages.items() if "AWSCURRENT" in labels), "")

    def current_document(self, secret: str) -> tuple[str, str]:
        """Return the VersionId and the text of AWSCURRENT.

        Raises:
            AwsError: AWS could not be reached, or refused.
        """
        # The key's policy allows this stage, and only if it is named.
        answer = self._call("GetSecretValue", {"SecretId": secret, "VersionStage": "AWSCURRENT"})
        try:
            return answer["VersionId"], answer["SecretString"]
        except KeyError as error:
            raise AwsError(f"GetSecretValue of {secret} answered without {error}") from None

    def _call(self, operation: str, fields: dict[str, str]) -> dict[str, Any]:
        body = json.dumps(fields).encode()
        headers = sign(
            url=self._url,
            body=body,
            headers={
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": _SERVICE + "." + operation,
            },
            service=_SERVICE,
            region=self._config.region,
            access_key_id=self._config.access_key_id,
            secret_access_key=self._config.secret_access_key,
            timestamp=time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
        )
        headers["User-Agent"] = "synology-agent/" + __version__
        request = urllib.request.Request(self._url, data=body, headers=headers)  # noqa: S310 - config.py saw to it
        self.calls += 1
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            raise _refusal(operation, fields["SecretId"], error) from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise AwsError(
                f"AWS could not be asked ({operation} at {self._url}): {reason}. What is served stays; "
                "the next run tries again"
            ) from None
        if not isinstance(answer, dict):
            raise AwsError(f"{operation} at {self._url} answered no JSON object")
        return answer


def _refusal(operation: str, secret: str, error: urllib.error.HTTPError) -> AwsError:
    try:
        problem = json.load(error)
    except (OSError, ValueError, http.client.HTTPException):
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    code = str(problem.get("__type", f"HTTP {error.code}")).rsplit("#", 1)[-1]
    message = problem.get("message") or problem.get("Message") or error.reason
    advice = _ADVICE.get(code)
    return AwsError(
        "AWS refused {} of {}: {}: {}{}".format(
            operation, secret, code, message, "; " + advice if advice else ""
        )
    )
