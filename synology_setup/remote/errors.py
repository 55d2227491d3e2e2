"""What can go wrong between here and the NAS's root shell.

SetupError
└── RemoteError
    ├── HostNotFound         the name has no address
    ├── SshOff               the port is closed
    ├── NoAnswer             nothing answers: asleep, off, another network
    ├── NotAnSshServer       something answers, and not as an SSH server: also what Auto Block looks like
    ├── HostKeyRefused       an unknown host key was not accepted
    ├── HostKeyChanged       another host key than the known one
    ├── LoginRefused         no key, no password was accepted
    ├── NotAnAdministrator   logged in, and no shell or no sudo
    ├── SudoRefused          sudo would not run anything
    │   └── SudoPasswordWrong
    ├── ConnectionLost       in the middle
    │   └── WentSilent       still there perhaps, but nothing was heard for too long
    ├── CommandFailed        a command ended with another status than 0
    ├── FileMissing          the file to read is not there
    └── CopyFailed           the file at the NAS is as it was
"""

from __future__ import annotations

from synology_setup.errors import SetupError

SSH_SWITCH = "Control Panel > Terminal & SNMP > Terminal > Enable SSH service"
AUTO_BLOCK = (
    "Control Panel > Security > Protection (DSM 7) or > Account (DSM 6): Auto Block locks an address out "
    "after a few failed logins; remove yours from its block list"
)
ADMINISTRATORS = "Control Panel > User & Group > the account > Edit > User Groups > administrators"


class RemoteError(SetupError):
    """The NAS could not be reached, or did not do what was asked."""


class HostNotFound(RemoteError):
    """The name has no address."""


class SshOff(RemoteError):
    """The port is closed."""


class NoAnswer(RemoteError):
    """Nothing answers at the address."""


class NotAnSshServer(RemoteError):
    """What answers does not speak SSH, or hangs up at once."""


class HostKeyRefused(RemoteError):
    """The user did not accept an unknown host key."""


class HostKeyChanged(RemoteError):
    """The host key is not the one that is known for this name, or it is marked as revoked."""


class LoginRefused(RemoteError):
    """The NAS accepted no key and no password."""


class NotAnAdministrator(RemoteError):
    """The account may log in, but gets no shell or may not become root."""


class SudoRefused(RemoteError):
    """The command sudo did not run anything."""


class SudoPasswordWrong(SudoRefused):
    """The password that sudo asked for was wrong."""


class ConnectionLost(RemoteError):
    """The connection ended in the middle; what the NAS did of the last command is not known."""


class WentSilent(ConnectionLost):
    """Nothing was heard from a command for as long as it may be silent."""


class CommandFailed(RemoteError):
    """A command ended with another status than 0."""


class FileMissing(RemoteError):
    """The file to read does not exist."""


class CopyFailed(RemoteError):
    """A file was not written; what was at its place is untouched."""
