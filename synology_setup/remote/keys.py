"""Which private keys are offered to the NAS: two at most, since each refused one counts as a failed login."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import paramiko  # type: ignore[import-untyped,unused-ignore]
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.pkey import UnknownKeyType  # type: ignore[import-untyped,unused-ignore]

from synology_setup.errors import SetupError

from .questions import Questions

MOST_KEYS = 2
"""DSM's Auto Block locks an address out after a few failed logins (10 in 5 minutes, often set lower)."""

_DEFAULT_FILES = ("id_ed25519", "id_ecdsa", "id_rsa")
_UNREADABLE = (paramiko.SSHException, UnknownKeyType, UnsupportedAlgorithm, ValueError, OSError)
_ENCRYPTED = TypeError
"""What paramiko 5.1 lets through where a key file needs a passphrase and got none."""


@dataclass(frozen=True)
class Offer:
    """A key to log in with.

    Attributes:
        name: what the user knows it by: its file, or the agent.
        key: the key, or the agent's handle of it.
    """

    name: str
    key: paramiko.PKey = field(repr=False)


@contextlib.contextmanager
def agent_keys() -> Iterator[list[Offer]]:
    """Hold the SSH agent's keys, none where no agent runs; the agent signs only while the context lasts."""
    try:
        agent = paramiko.Agent()
    except (paramiko.SSHException, OSError):  # an agent that is broken or gone is no agent
        yield []
        return
    try:
        yield [Offer("a key of the SSH agent", key) for key in agent.get_keys()]
    finally:
        agent.close()


def choose_keys(
    identity: Path | None, agent: Sequence[Offer], folder: Path, questions: Questions
) -> list[Offer]:
    """Return the keys to offer, in their order: the named file, then the agent's, then the default files.

    Args:
        identity: a private key's file that the user named; its passphrase is asked for where it has one.
        agent: the agent's keys.
        folder: the user's `.ssh`; default files there that need a passphrase belong into the agent.
        questions: asks for the passphrase.

    Raises:
        SetupError: the named file is no private key, or its passphrase is wrong.
    """
    offers = [] if identity is None else [_named(identity, agent, questions)]
    offers += agent
    for path in (folder / name for name in _DEFAULT_FILES):
        with contextlib.suppress(_ENCRYPTED, *_UNREADABLE):
            offers.append(Offer(str(path), paramiko.PKey.from_path(path)))
    distinct: dict[bytes, Offer] = {}
    for offer in offers:
        distinct.setdefault(offer.key.asbytes(), offer)
    return list(distinct.values())[:MOST_KEYS]


def _named(path: Path, agent: Sequence[Offer], questions: Questions) -> Offer:
    try:
        return Offer(str(path), paramiko.PKey.from_path(path))
    except _ENCRYPTED:
        pass
    except FileNotFoundError:
        raise SetupError(f"the identity {path} does not exist: name the private key's file") from None
    except _UNREADABLE as error:
        raise SetupError(f"the identity {path} cannot be read as a private key: {error}") from error
    with contextlib.suppress(OSError, IndexError):
        public = path.with_name(f"{path.name}.pub").read_text("utf-8").split()[1]
        for offer in agent:
            if offer.key.get_base64() == public:
                return Offer(str(path), offer.key)
    secret = questions.ask_secret(f"Passphrase of {path}: ").reveal().encode()
    try:
        key = paramiko.PKey.from_path(path, secret)  # type: ignore[arg-type,unused-ignore]  # bytes, in fact
    except _UNREADABLE as error:
        raise SetupError(f"the passphrase of the identity {path} is wrong") from error
    return Offer(str(path), key)
