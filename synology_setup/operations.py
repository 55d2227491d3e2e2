"""The renewer's operations, sent from here: renew, revoke, report."""

from __future__ import annotations

import json
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .errors import SetupError
from .stack_outputs import StackOutputs

# Lambda's longest run. A client that gives up earlier, or tries again, would run the renewer twice.
# Kept alive, since a router may drop a connection that is silent for so long.
_CONFIG = Config(read_timeout=900, connect_timeout=10, retries={"total_max_attempts": 1}, tcp_keepalive=True)


def renew(outputs: StackOutputs, certificate: str, *, force: bool = False) -> dict[str, Any]:
    """Renew the certificate if it is due, or in any case with `force`; return the outcome.

    Raises:
        SetupError: AWS refused, or the renewer failed; its reason is in the text.
    """
    return _send(outputs, certificate, {"action": "renew", "force": force})


def report(outputs: StackOutputs, certificate: str) -> dict[str, Any]:
    """Return what is current, when it is due and what is in flight; changes nothing.

    Raises:
        SetupError: AWS refused, or the renewer failed; its reason is in the text.
    """
    return _send(outputs, certificate, {"action": "report"})


def revoke(
    outputs: StackOutputs, certificate: str, *, serial: str, reason: str, now: bool = False
) -> dict[str, Any]:
    """Revoke the certificate with that serial; if it is the current one, another is issued.

    Args:
        outputs: the stack's.
        certificate: its name in the stack.
        serial: lower-case hexadecimal; makes it safe to repeat the command.
        reason: such as `keyCompromise` (RFC 5280 section 5.3.1).
        now: revoke before the new certificate is there.

    Raises:
        SetupError: AWS refused, or the renewer failed; its reason is in the text.
    """
    return _send(outputs, certificate, {"action": "revoke", "serial": serial, "reason": reason, "now": now})


def _send(outputs: StackOutputs, certificate: str, action: dict[str, Any]) -> dict[str, Any]:
    event = {**outputs.request(certificate), **action}
    try:
        client = boto3.Session().client("lambda", region_name=outputs.region, config=_CONFIG)
        answer = client.invoke(FunctionName=outputs.renewer, Payload=json.dumps(event).encode())
        result = json.loads(answer["Payload"].read())
    except (BotoCoreError, ClientError) as error:
        raise SetupError(
            f"the renewer could not be run: {error}. Are your AWS credentials those of the stack's account?"
        ) from None
    if "FunctionError" in answer:
        raise SetupError(f"the renewer failed: {result.get('errorMessage', result)}")
    return dict(result)
