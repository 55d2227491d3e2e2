"""The Lambda's entry: one event, one action, one line of outcome."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from .errors import AwsError, RenewerError, from_client_error
from .measures import publish
from .renewal import Outcome, renew
from .report import report
from .request import parse_request
from .revocation import revoke
from .run import Run, log, start_run

_ACTIONS: Mapping[str, Callable[[Run], Outcome]] = {"renew": renew, "report": report, "revoke": revoke}


class LambdaContext(Protocol):
    """What the handler uses of the Lambda context object."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left before Lambda ends the run."""


def handler(event: Mapping[str, Any], context: LambdaContext) -> Outcome:
    """Carry out one action on one certificate.

    Args:
        event: the certificate request with its action; see `request.parse_request`.
        context: the Lambda context.

    Returns:
        The outcome, with nothing secret in it: name, action, renewed, reason; serial, not_after and life_left
        of the current certificate; due, if a date decides.

    Raises:
        RenewerError: why it did not succeed; the current certificate stays.
    """
    began = time.monotonic()
    name = event.get("name") if isinstance(event, Mapping) else None
    try:
        request = parse_request(event)
        outcome = _ACTIONS[request.action](start_run(request, context.get_remaining_time_in_millis() / 1000))
    except (RenewerError, ClientError, BotoCoreError) as error:
        failure = _in_our_words(error)
        log.error("failed", certificate=name, error=str(failure), kind=type(failure).__name__)
        publish(name, failed=True, seconds=time.monotonic() - began)
        if failure is error:
            raise
        raise failure from error
    log.info("done", outcome=outcome)
    publish(
        name,
        failed=False,
        issued=outcome["renewed"],
        life_left=outcome.get("life_left"),
        seconds=time.monotonic() - began,
    )
    return outcome


def _in_our_words(error: RenewerError | ClientError | BotoCoreError) -> RenewerError:
    if isinstance(error, RenewerError):
        return error
    if isinstance(error, ClientError):
        return from_client_error(error)
    return AwsError(f"AWS could not be asked: {error}. The schedule tries again by itself.")
