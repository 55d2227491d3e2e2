"""What has to be asked of a person, and the secrets they answer with."""

from __future__ import annotations

from typing import NoReturn, Protocol


class Secret:
    """A password in memory only: neither printed nor formatted nor pickled.

    Example:
        password = Secret("…")
        channel.send(password.reveal())
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text; call it in the expression that sends it, and name the result nowhere."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")


class Questions(Protocol):
    """Asks a person. An implementation raises a SetupError where there is nobody to ask.

    While logging in by keyboard-interactive, `ask_secret` is called from paramiko's thread.
    """

    def ask_secret(self, prompt: str) -> Secret:
        """Ask for one line without showing it."""

    def confirm(self, text: str) -> bool:
        """Show a text that ends in a question, and tell whether the answer is yes."""
