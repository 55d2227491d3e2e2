"""The NAS reached over SSH: log in, run commands, become root, copy files without SFTP.

Example:
    with connect(Target.parse("admin@nas"), questions) as nas:
        root = RootShell(nas, questions)
        put(root, archive, "/volume1/@synology-https/agent.pyz", 0o755)
        print(root.run(["uname", "-a"]).check("asking for the kernel").stdout.decode())
"""

from .connection import Connection, connect
from .errors import (
    CommandFailed,
    ConnectionLost,
    CopyFailed,
    FileMissing,
    HostKeyChanged,
    HostKeyRefused,
    HostNotFound,
    LoginRefused,
    NoAnswer,
    NotAnAdministrator,
    NotAnSshServer,
    RemoteError,
    SshOff,
    SudoPasswordWrong,
    SudoRefused,
    WentSilent,
)
from .files import get, put
from .host_keys import KnownHosts
from .questions import Questions, Secret
from .root import RootShell
from .shell import Result, Shell, UserShell
from .target import SSH_PORT, Target

__all__ = [
    "SSH_PORT",
    "CommandFailed",
    "Connection",
    "ConnectionLost",
    "CopyFailed",
    "FileMissing",
    "HostKeyChanged",
    "HostKeyRefused",
    "HostNotFound",
    "KnownHosts",
    "LoginRefused",
    "NoAnswer",
    "NotAnAdministrator",
    "NotAnSshServer",
    "Questions",
    "RemoteError",
    "Result",
    "RootShell",
    "Secret",
    "Shell",
    "SshOff",
    "SudoPasswordWrong",
    "SudoRefused",
    "Target",
    "UserShell",
    "WentSilent",
    "connect",
    "get",
    "put",
]
