"""The issuance in flight, as AWSPENDING holds it: what a run leaves for the next, should it die."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from .clock import from_rfc3339, to_rfc3339
from .document import SCHEMA
from .errors import StoreError

_MOMENTS = ("lease_until", "retry_not_before", "ask_after")


@dataclass(frozen=True)
class Revocation:
    """A certificate that is being revoked.

    Attributes:
        serial: lower-case hexadecimal.
        leaf: PEM.
        private_key: PEM, where it signs the revocation, or None where the account does.
        reason: a key of REVOCATION_REASONS.
        directory: URL of the ACME directory that issued it.
    """

    serial: str
    leaf: str
    private_key: str | None = field(repr=False)
    reason: str
    directory: str


@dataclass(frozen=True)
class Pending:
    """An issuance in flight, a failure to remember, or renewal information to remember.

    Attributes:
        request: fingerprint of the request that it is for.
        order: URL of the order, or None before there is one.
        private_key: PEM, written before the order is finalized, or None.
        values: record name -> TXT values that were set and may stand there still, as Route 53 keeps them.
        attempt: number of the run that works on it, from 1.
        holder: random name of that run; without it two runs that begin in one second could write the same
            text, which Secrets Manager takes for one write sent twice.
        failures: number of runs that failed since the last certificate.
        problem: what the last failure was.
        lease_until: another run works on it until then, unless it died.
        retry_not_before: the authority does not want this request again before.
        ask_after: the authority does not want to be asked for renewal information before.
        window: start and end of the renewal window that holds until then, RFC 3339.
        revoking: certificates that are being revoked, until the authority has confirmed it.
    """

    request: str
    order: str | None = None
    private_key: str | None = field(default=None, repr=False)
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    attempt: int = 0
    holder: str | None = None
    failures: int = 0
    problem: str | None = None
    lease_until: datetime | None = None
    retry_not_before: datetime | None = None
    ask_after: datetime | None = None
    window: tuple[str, str] | None = None
    revoking: tuple[Revocation, ...] = ()


def write_pending(pending: Pending) -> str:
    """Return the record as JSON text with sorted keys."""
    fields: dict[str, Any] = asdict(pending)
    for moment in _MOMENTS:
        if fields[moment] is not None:
            fields[moment] = to_rfc3339(fields[moment])
    return json.dumps({"schema": SCHEMA, "state": "pending", **fields}, sort_keys=True)


def read_pending(text: str) -> Pending:
    """Read the record.

    Raises:
        StoreError: it is none, or of a schema that is not known here.
    """
    try:
        fields = json.loads(text)
        if fields["schema"] != SCHEMA or fields["state"] != "pending":
            raise ValueError(f"schema {fields['schema']!r}, state {fields['state']!r}")
        known = {name: fields[name] for name in Pending.__dataclass_fields__}
        known |= {moment: from_rfc3339(known[moment]) for moment in _MOMENTS if known[moment] is not None}
        known["values"] = {name: tuple(values) for name, values in known["values"].items()}
        known["revoking"] = tuple(Revocation(**one) for one in known["revoking"])
        known["window"] = None if known["window"] is None else tuple(known["window"])
        return Pending(**known)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(
            f"AWSPENDING holds no record of an issuance that this renewer knows: {error}"
        ) from None
