"""The journal of an issuance, written to AWSPENDING before a step relies on what was done so far."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .document import Certificate, write_document
from .errors import OrderFailed, RenewerError
from .pending import Pending, write_pending
from .store import Contents, SecretStore, Stage

_PROBLEM_LENGTH = 500


class Journal:
    """The record of one issuance, over all the runs that work on it.

    Attributes:
        pending: the record as it stands.
    """

    def __init__(self, store: SecretStore, contents: Contents, pending: Pending) -> None:
        """Go on from `pending`, which the secret holds or which is new."""
        self._store = store
        self._contents = contents
        self.pending = pending

    def save(self, **changes: Any) -> None:
        """Write the record with `changes` to its fields.

        Raises:
            StoreConflict: another run works on it.
        """
        pending = replace(self.pending, **changes)
        self._contents = self._store.write(write_pending(pending), ["AWSPENDING"], based_on=self._contents)
        self.pending = pending

    def promote(self, certificate: Certificate) -> None:
        """Make `certificate` the current document, and end the record in the same write.

        The record stays while there is a certificate in it to revoke.

        Raises:
            StoreConflict: another run works on it.
        """
        self.put_current(write_document(certificate), keep_record=bool(self.pending.revoking))
        self.pending = replace(self.pending, order=None, private_key=None, values={})

    def put_current(self, document: str, *, keep_record: bool) -> None:
        """Make `document` current, and end the record in the same write unless it is to stay.

        Raises:
            StoreConflict: another run works on it.
        """
        keep = keep_record and self._contents.pending is not None
        stages: list[Stage] = ["AWSCURRENT"] if keep else ["AWSCURRENT", "AWSPENDING"]
        self._contents = self._store.write(document, stages, based_on=self._contents)

    def fail(self, error: RenewerError | None) -> None:
        """Remember a failure: its words, the time before which the authority is not to be asked, no lease.

        An order that failed is dropped, so that the next run makes a new one.

        Args:
            error: what happened, or None for a fault of the renewer itself.

        Raises:
            StoreConflict: another run works on it.
        """
        dropped = {"order": None, "private_key": None} if isinstance(error, OrderFailed) else {}
        self.save(
            failures=self.pending.failures + 1,
            problem=str(error)[:_PROBLEM_LENGTH] if error else "a fault of the renewer: see its log",
            lease_until=None,
            retry_not_before=error.retry_at if error else None,
            **dropped,
        )
