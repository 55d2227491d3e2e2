"""Logging in: few keys, then one answer of the user's, never the same thing twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import paramiko  # type: ignore[import-untyped,unused-ignore]

from .errors import ADMINISTRATORS, AUTO_BLOCK, ConnectionLost, LoginRefused
from .keys import Offer
from .questions import Questions, Secret
from .target import Target

_ANSWER_SECONDS = 300  # a person looks for a telephone; sshd itself gives up after LoginGraceTime, 120 s


def log_in(
    transport: paramiko.Transport, target: Target, offers: Sequence[Offer], questions: Questions
) -> Secret | None:
    """Log in by key, by password, or by what the server asks for (keyboard-interactive, RFC 4256).

    Returns:
        The account's password if it was asked for, since sudo will ask for the same one.

    Raises:
        LoginRefused: nothing that was tried was accepted.
        ConnectionLost: the NAS hung up.
    """
    transport.auth_timeout = _ANSWER_SECONDS
    password: Secret | None = None
    tried: list[str] = []
    offered = methods = _methods(transport, target)
    for offer in offers:
        if "publickey" not in methods or transport.is_authenticated():
            break
        tried.append(offer.name)
        methods = _attempt(target, transport.auth_publickey, target.user, offer.key) or methods
    if transport.is_authenticated():
        return None

    if "password" in methods:
        tried.append("the password")
        password = questions.ask_secret(f"Password of {target}: ")
        # A refused password is not tried again in another guise: only where more is asked for, it goes on.
        methods = _attempt(target, _send_password, transport, target.user, password)
    if not transport.is_authenticated() and "keyboard-interactive" in methods:
        tried.append("the answers to its questions")
        answers = _Answers(target, questions)
        _attempt(target, transport.auth_interactive, target.user, answers)
        password = password or answers.password
    if not transport.is_authenticated():
        raise LoginRefused(_refused(target, offered, tried))
    return password


def _send_password(transport: paramiko.Transport, user: str, password: Secret) -> list[str]:
    return list(transport.auth_password(user, password.reveal(), fallback=False))


def _methods(transport: paramiko.Transport, target: Target) -> list[str]:
    """Ask what the server takes; sshd(8) does not count the method "none" as a failure."""
    try:
        return _attempt(target, transport.auth_none, target.user, describe_refusal=True)
    except paramiko.BadAuthenticationType as error:
        return list(error.allowed_types)


class _Answers:
    """Asks for each prompt as the server words it, and remembers which answer was the password."""

    def __init__(self, target: Target, questions: Questions) -> None:
        self.password: Secret | None = None
        self._target = target
        self._questions = questions

    def __call__(self, title: str, instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:
        preface = "".join(f"{line}\n" for line in (title, instructions) if line.strip())
        answers = []
        for prompt, _shown in prompts:
            answer = self._questions.ask_secret(f"{preface}{self._target}: {prompt}")
            if prompt.strip().rstrip(":").casefold() == "password":
                self.password = answer
            answers.append(answer.reveal())
            preface = ""
        return answers


def _attempt(
    target: Target, authenticate: Callable[..., list[str]], *arguments: Any, describe_refusal: bool = False
) -> list[str]:
    """Return the methods that must follow: none after a refusal, and none once logged in.

    The error is raised outside of the handler: paramiko's frames, which hold the password, stay out of it.
    """
    try:
        return authenticate(*arguments)
    except paramiko.BadAuthenticationType:
        if describe_refusal:
            raise
        return []
    except paramiko.AuthenticationException as error:
        # paramiko has no classes of their own for these two.
        if "EOF" not in str(error) and "timeout" not in str(error):
            return []
    except (paramiko.SSHException, EOFError, OSError):
        pass
    raise _hung_up(target)


def _hung_up(target: Target) -> ConnectionLost:
    return ConnectionLost(
        f"{target} hung up while logging in: it takes no more attempts, or none from this address for now. "
        f"{AUTO_BLOCK}. Then start again"
    )


def _refused(target: Target, methods: Sequence[str], tried: Sequence[str]) -> str:
    what = " and ".join(tried) or "nothing, for want of a key"
    return (
        f"{target} refused the login; it takes {', '.join(methods) or 'nothing'}, and was offered {what}. "
        f"Nothing is tried again by itself, since {AUTO_BLOCK}. Check the account's name and password at the "
        f"DSM page; only administrators may log in by SSH ({ADMINISTRATORS}); a key has to stand in the "
        "account's ~/.ssh/authorized_keys on the NAS"
    )
