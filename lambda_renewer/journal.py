"""The journal of an issuance, written to AWSPENDING before a step relies on what was done so far."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .document import Certificate, write_document
from .errors import OrderFailed, Problem, RenewerError
from .pending import Pending, write_pending
from .store import SecretStore, Version

_PROBLEM_LENGTH = 500


class Journal:
    """The record of one issuance, over all the runs that work on it.

    Attributes:
        pending: the record as it stands.
    """

    def __init__(self, store: SecretStore, newest: Version | None, pending: Pending) -> None:
        """Go on from `pending`, which the version `newest` of the secret holds or which is new."""
        self._store = store
        self._newest = newest
        self.pending = pending

    def save(self, **changes: Any) -> None:
        """Write the record with `changes` to its fields.

        Raises:
            StoreConflict: another run works on it.
        """
        pending = replace(self.pending, **changes)
        self._newest = self._store.write(write_pending(pending), ["AWSPENDING"], based_on=self._newest)
        self.pending = pending

    def promote(self, certificate: Certificate) -> None:
        """Make `certificate` the current document and end the record, in one write.

        Raises:
            StoreConflict: another run works on it.
        """
        self.put_current(write_document(certificate))

    def put_current(self, document: str) -> None:
        """Make `document` current and end the record, in one write.

        Raises:
            StoreConflict: another run works on it.
        """
        self._newest = self._store.write(document, ["AWSCURRENT", "AWSPENDING"], based_on=self._newest)

    def fail(self, error: Exception) -> None:
        """Remember a failure: its words, the time before which the authority is not to be asked, no lease.

        An order that failed is dropped, so that the next run makes a new one.

        Raises:
            StoreConflict: another run works on it.
        """
        dropped = {"order": None, "private_key": None} if isinstance(error, OrderFailed) else {}
        self.save(
            failures=self.pending.failures + 1,
            problem=str(error)[:_PROBLEM_LENGTH] if isinstance(error, RenewerError) else type(error).__name__,
            lease_until=None,
            retry_not_before=error.retry_at if isinstance(error, Problem) else None,
            **dropped,
        )
