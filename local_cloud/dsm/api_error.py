"""The error codes of DSM's Web API that the simulation answers."""

from __future__ import annotations


class ApiError(Exception):
    """The call failed; `code` is what DSM answers."""

    def __init__(self, code: int) -> None:
        super().__init__(f"DSM error {code}")
        self.code = code


UNKNOWN_API = 102
UNKNOWN_METHOD = 103
UNKNOWN_VERSION = 104
NO_PERMISSION = 105
INVALID_PARAMETER = 120
"""DSM's common code; unsure that these very calls answer it."""
PARTIAL_OBJECT = 2001
BAD_SCHEDULE = 4800
"""Also, unsure, for a task that there is not."""
NO_SUCH_CERTIFICATE = 5500
"""Unsure: no source names the code for an id that there is not."""
BAD_ASSIGNMENT = 5503
BAD_CERTIFICATE = 5510
BAD_KEY = 5511
"""Also the answer to a wrong JSON type, and to staged files that cannot be opened."""
BAD_INTERMEDIATE = 5512
INCOMPLETE_CHAIN = 5513
KEY_DOES_NOT_MATCH = 5514
