"""The Lambda's entry: read the certificate, decide, issue if it is due, store, tell."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from . import aws, clock
from .clock import Deadline, to_rfc3339
from .decide import Decision, decide
from .document import EMPTY, Certificate, read_document, write_document
from .errors import RenewerError, StoreConflict, from_client_error
from .request import CertificateRequest, parse_request
from .store import SecretStore, Version

ACCOUNT_SECRET = "ACCOUNT_SECRET"  # noqa: S105 - the name of the variable that holds the secret's ARN

# Taking the TXT values away and writing the outcome must still fit after the last wait.
_CLEAN_UP_SECONDS = 60.0

_log = Logger(service="lambda_renewer", level="INFO")


class LambdaContext(Protocol):
    """What the handler uses of the Lambda context object."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left before Lambda ends the run."""


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Renew one certificate if it is due.

    Args:
        event: the certificate request with its action; see `request.parse_request`.
        context: the Lambda context.

    Returns:
        The outcome, with nothing secret in it: name, renewed, reason, serial, not_after, due.

    Raises:
        RenewerError: why the certificate was not renewed; the current one stays.
    """
    name = event.get("name") if isinstance(event, Mapping) else None
    try:
        outcome = _renew(parse_request(event), context)
    except ClientError as error:
        refused = from_client_error(error)
        _log.error("renewal failed", certificate=name, error=str(refused))
        raise refused from error
    except RenewerError as error:
        _log.error("renewal failed", certificate=name, error=str(error))
        raise
    _log.info("renewal done", outcome=outcome)
    return outcome


def _renew(request: CertificateRequest, context: LambdaContext) -> dict[str, Any]:
    now = clock.now()
    store = SecretStore(aws.client("secretsmanager"), request.secret)
    version = _current_version(store)
    current = read_document(version.text or EMPTY)
    decision = decide(current, request, now, next_run=now + request.interval + request.window)
    _log.info("decided", certificate=request.name, renew=decision.renew, reason=decision.reason)
    if not decision.renew:
        return _outcome(request, decision, current, renewed=False)
    deadline = Deadline(context.get_remaining_time_in_millis() / 1000 - _CLEAN_UP_SECONDS)
    issued = _issue(request, deadline)
    try:
        store.write(write_document(issued), based_on=version)
    except StoreConflict:
        winner = read_document(store.read().text or EMPTY)
        return _outcome(request, decision, winner, renewed=False)
    return _outcome(request, decision, issued, renewed=True)


def _current_version(store: SecretStore) -> Version:
    """Return AWSCURRENT, which becomes the state `empty` where the secret has no version yet.

    The first version of a secret always becomes AWSCURRENT, so it is written before anything else.
    """
    version = store.read()
    if version.id is not None:
        return version
    try:
        return store.write(EMPTY, based_on=version)
    except StoreConflict:
        return store.read()


def _issue(request: CertificateRequest, deadline: Deadline) -> Certificate:
    # A run that has nothing to do needs neither acme nor cryptography.
    from .account import open_account  # noqa: PLC0415
    from .dns01 import ChallengeRecords  # noqa: PLC0415
    from .issue import issue  # noqa: PLC0415

    accounts = SecretStore(aws.client("secretsmanager"), os.environ[ACCOUNT_SECRET])
    with _file_of(request.ca_root) as ca_root:
        client = open_account(request, accounts, ca_root)
        records = ChallengeRecords(aws.client("route53"), request.zones, deadline)
        return issue(request, client, records, deadline)


@contextmanager
def _file_of(pem: str | None) -> Iterator[str | None]:
    """Yield the path of a file with `pem` in it while the context lasts, or None for None."""
    if pem is None:
        yield None
        return
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(pem)
        file.flush()
        yield file.name


def _outcome(
    request: CertificateRequest, decision: Decision, certificate: Certificate | None, *, renewed: bool
) -> dict[str, Any]:
    outcome: dict[str, Any] = {
        "name": request.name,
        "action": "renew",
        "renewed": renewed,
        "reason": decision.reason,
    }
    if certificate is not None:
        outcome |= {"serial": certificate.serial, "not_after": to_rfc3339(certificate.not_after)}
    if decision.due is not None and not renewed:
        outcome["due"] = to_rfc3339(decision.due)
    return outcome
