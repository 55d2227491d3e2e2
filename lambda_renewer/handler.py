"""The Lambda's entry: one event, one action, one line of outcome."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from .errors import RenewerError, in_our_words
from .log import log
from .measures import publish
from .renewal import Outcome, renew
from .report import report
from .request import parse_request
from .revocation import revoke
from .run import Run, start_run

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
    run: Run | None = None
    try:
        request = parse_request(event)
        run = start_run(request, context.get_remaining_time_in_millis() / 1000)
        outcome = _ACTIONS[request.action](run)
    except Exception as error:
        failure = _told(name, error)
        publish(
            name,
            failed=True,
            current=run.current if run else None,
            seconds=time.monotonic() - began,
        )
        if failure is error:
            raise
        raise failure from error
    log.info("done", outcome=outcome)
    publish(
        name,
        failed=False,
        issued=outcome["renewed"],
        current=run.current,
        seconds=time.monotonic() - began,
    )
    return outcome


def _told(name: object, error: Exception) -> Exception:
    """Log the failure, and return it in our words; of a fault of our own only the kind is told."""
    if not isinstance(error, RenewerError | ClientError | BotoCoreError):
        log.error("failed by a fault of the renewer", certificate=name, kind=type(error).__name__)
        return error
    failure = in_our_words(error)
    log.error("failed", certificate=name, error=str(failure), kind=type(failure).__name__)
    return failure
