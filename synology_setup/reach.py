"""From `admin@nas` to a root shell that has told what the NAS is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .agent_on_nas import AgentOnNas
from .nas import Facts, Nas
from .remote import KnownHosts, RootShell, Target, connect
from .screen import Screen

_CLOCK_SECONDS = 300  # AWS refuses a request whose time is further off (Signature Version 4)


@dataclass(frozen=True)
class Reach:
    """How to get there.

    Attributes:
        target: the account and the NAS.
        identity: a private key's file, or None for the SSH agent's and the usual ones.
        root: folder that a simulated DSM stands below, or an empty text.
        known_hosts: the trusted host keys, or None for the user's.
    """

    target: Target
    identity: Path | None = None
    root: str = ""
    known_hosts: KnownHosts | None = None


@dataclass(frozen=True)
class ReachedNas:
    """The NAS, what it is, and the agent's folder on it."""

    nas: Nas
    facts: Facts
    agent: AgentOnNas


@contextlib.contextmanager
def reach(way: Reach, screen: Screen) -> Iterator[ReachedNas]:
    """Log in, become root, and ask what the NAS is.

    Raises:
        SetupError: it could not be reached, or is none that the agent can run on.
    """
    with contextlib.ExitStack() as stack:
        with screen.step(f"Logging in to {way.target}"):
            connection = stack.enter_context(
                connect(way.target, screen, identity=way.identity, known_hosts=way.known_hosts)
            )
            nas = Nas(RootShell(connection, screen), way.root)
            facts = nas.read_facts()
            screen.note(
                f"{facts.model or 'a Synology NAS'} {facts.host}, DSM {facts.product}, "
                f"Python {facts.python_version} at {facts.python}"
            )
            if abs(facts.clock_ahead) > _CLOCK_SECONDS:
                ahead = f"{abs(facts.clock_ahead):.0f} s {'ahead' if facts.clock_ahead > 0 else 'behind'}"
                screen.warn(
                    f"the NAS's clock is {ahead}: set it at Control Panel > Regional Options > Time, "
                    "by NTP, or AWS and TLS refuse the NAS"
                )
        yield ReachedNas(nas, facts, AgentOnNas(nas, facts))
