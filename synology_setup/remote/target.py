"""Which account at which NAS: `admin@nas`, `admin@nas:2222`, `admin@[fd00::2]:2222`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from synology_setup.errors import SetupError

SSH_PORT = 22
_LAST_PORT = 65_535
_TARGET = re.compile(
    r"(?P<user>[^@\s]+)@"
    r"(?:\[(?P<bracketed>[^\]\s]+)\]|(?P<host>[^:\[\]@\s]+)|(?P<ipv6>[0-9A-Fa-f]*(?::[0-9A-Fa-f.]*){2,}(?:%\w+)?))"
    r"(?::(?P<port>\d+))?"
)


@dataclass(frozen=True)
class Target:
    """Where to log in.

    Attributes:
        user: the DSM account, which must be an administrator.
        host: a name or an address, an IPv6 address without brackets.
        port: the TCP port of SSH.
    """

    user: str
    host: str
    port: int = SSH_PORT

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `user@host[:port]`.

        Raises:
            SetupError: it is something else.
        """
        found = _TARGET.fullmatch(text)
        if found is None:
            raise SetupError(
                f"the NAS {text!r} is not of the form ACCOUNT@NAME[:PORT]: "
                "write for example admin@nas.local, with the account of a DSM administrator"
            )
        port = int(found["port"] or SSH_PORT)
        if not 0 < port <= _LAST_PORT:
            raise SetupError(f"the NAS {text!r} has the port {port}: a port is from 1 to {_LAST_PORT}")
        return cls(found["user"], found["bracketed"] or found["host"] or found["ipv6"], port)

    @property
    def known_as(self) -> str:
        """The name in a known_hosts file: `[host]:port` unless the port is 22 (sshd(8))."""
        return self.host if self.port == SSH_PORT else f"[{self.host}]:{self.port}"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}" + ("" if self.port == SSH_PORT else f":{self.port}")
