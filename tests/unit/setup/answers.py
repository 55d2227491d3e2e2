"""A person at the keyboard, for tests: answers what was prepared, and remembers what was asked."""

from __future__ import annotations

from synology_setup.errors import SetupError
from synology_setup.remote import Secret


class Answers:
    """Questions answered in order; one that was not prepared fails, as where nobody is there."""

    def __init__(self, *secrets: str, trust: bool = True) -> None:
        self.prompts: list[str] = []
        self.confirmed: list[str] = []
        self._secrets = list(secrets)
        self._trust = trust

    def ask_secret(self, prompt: str) -> Secret:
        self.prompts.append(prompt)
        if not self._secrets:
            raise SetupError(f"nobody is there to be asked: {prompt}")
        return Secret(self._secrets.pop(0))

    def confirm(self, text: str) -> bool:
        self.confirmed.append(text)
        return self._trust
