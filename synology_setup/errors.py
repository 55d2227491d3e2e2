"""What can go wrong on the developer's machine, in words that say what to do next."""

from __future__ import annotations


class SetupError(Exception):
    """A command did not succeed."""
