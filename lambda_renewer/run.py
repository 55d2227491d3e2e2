"""What one run works with: its request, its clients, its clock, and the secret that it renews."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from . import clock
from .aws import Aws
from .document import EMPTY, Certificate, NoCertificate, read_document
from .errors import StoreConflict, StoreError
from .log import log
from .pending import Pending, read_pending
from .request import CertificateRequest
from .store import Contents, SecretStore
from .waiting import Deadline

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client

ACCOUNT_SECRET = "ACCOUNT_SECRET"  # noqa: S105 - the name of the variable that holds the secret's ARN

# Taking the TXT values away and writing the outcome must still fit after the last wait.
_CLEAN_UP_SECONDS, _CLEAN_UP_SHARE = 60.0, 0.25
# How long IAM may take to know a policy that was attached a moment ago.
_IAM_SECONDS = 60.0

_LEASE_MARGIN = timedelta(seconds=5)  # for clocks that differ, and times that are written in whole seconds


@dataclass
class Run:
    """One run of the Lambda.

    Attributes:
        request: what is wanted.
        aws: AWS's clients.
        started: when the run began.
        deadline: after which no wait begins.
        lease_until: when the Lambda will have ended for certain.
        store: the certificate's secret.
        current: what is current, once it was read.
    """

    request: CertificateRequest
    aws: Aws
    started: datetime
    deadline: Deadline
    lease_until: datetime
    store: SecretStore
    current: Certificate | NoCertificate | None = None

    @property
    def next_run(self) -> datetime:
        """The latest moment at which the next scheduled run starts."""
        return self.started + self.request.interval + self.request.window

    def route53(self, zone_id: str) -> Route53Client:
        """Return the client that reaches a hosted zone, through the role that the request names for it."""
        return self.aws.route53(self.request.zone_roles.get(zone_id))

    def account_store(self) -> SecretStore:
        """Return the secret of the ACME accounts."""
        return SecretStore(self.aws.client("secretsmanager"), os.environ[ACCOUNT_SECRET])


def start_run(request: CertificateRequest, remaining_seconds: float) -> Run:
    """Begin a run that Lambda ends after `remaining_seconds`."""
    deadline = Deadline(remaining_seconds - min(_CLEAN_UP_SECONDS, remaining_seconds * _CLEAN_UP_SHARE))
    aws = Aws(_IAM_SECONDS, deadline)
    now = clock.now()
    return Run(
        request=request,
        aws=aws,
        started=now,
        deadline=deadline,
        lease_until=now + timedelta(seconds=remaining_seconds) + _LEASE_MARGIN,
        store=SecretStore(aws.client("secretsmanager"), request.secret),
    )


def read_secret(store: SecretStore) -> Contents:
    """Return what the secret holds; one without any version gets the state `empty`.

    The first version of a secret always becomes AWSCURRENT (PutSecretValue, API reference), so it is written
    before anything else.
    """
    contents = store.read()
    if contents.current is not None or contents.pending is not None:
        return contents
    try:
        return store.write(EMPTY, ["AWSCURRENT", "AWSPENDING"], based_on=contents)
    except StoreConflict:
        return store.read()


def life_left(certificate: Certificate | NoCertificate | None) -> float | None:
    """Return the fraction of the certificate's lifetime that is left, 0 to 1; None without one."""
    if not isinstance(certificate, Certificate):
        return None
    lifetime = certificate.not_after - certificate.not_before
    return round(max((certificate.not_after - clock.now()) / lifetime, 0.0), 4)


def days_left(certificate: Certificate | NoCertificate | None) -> float | None:
    """Return how many days of the certificate's lifetime are left, at least 0; None without one."""
    if not isinstance(certificate, Certificate):
        return None
    return round(max((certificate.not_after - clock.now()) / timedelta(days=1), 0.0), 2)


def stored_certificate(contents: Contents) -> Certificate | NoCertificate:
    """Return the current certificate.

    Raises:
        StoreError: the document cannot be read.
    """
    return read_document(contents.current.text if contents.current else EMPTY)


def stored_pending(contents: Contents) -> Pending | None:
    """Return the issuance in flight, or None; one that cannot be read is logged and counts as none."""
    if contents.pending is None:
        return None
    try:
        return read_pending(contents.pending.text)
    except StoreError as error:
        log.warning("AWSPENDING is ignored", error=str(error))
        return None


@contextmanager
def file_of(pem: str | None) -> Iterator[str | None]:
    """Yield the path of a file with `pem` in it while the context lasts, or None for None."""
    if pem is None:
        yield None
        return
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(pem)
        file.flush()
        yield file.name
