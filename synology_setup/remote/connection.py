"""The connection to the NAS: its address, its host key, the login, and the channels over it."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import paramiko  # type: ignore[import-untyped,unused-ignore]

from .errors import (
    ADMINISTRATORS,
    AUTO_BLOCK,
    SSH_SWITCH,
    ConnectionLost,
    HostNotFound,
    NoAnswer,
    NotAnAdministrator,
    NotAnSshServer,
    RemoteError,
    SshOff,
)
from .host_keys import KnownHosts
from .keys import agent_keys, choose_keys
from .login import log_in
from .questions import Questions, Secret
from .target import Target

CONNECT_SECONDS = 15.0
SESSION_SECONDS = 60.0
"""The NAS's kernel takes a connection at once; its sshd may have to wait for disks that spin up."""

_KEEPALIVE_SECONDS = 15
_SETTLE_SECONDS = 1.0
_UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ETIMEDOUT}
# Without a handler, Python would print paramiko's own messages beside ours.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class Connection:
    """A logged-in connection.

    Attributes:
        target: whom it reaches.
        password: the account's password, if it was needed to log in.
        proven: a command ran over it.
    """

    def __init__(self, target: Target, transport: paramiko.Transport, password: Secret | None) -> None:
        self.target = target
        self.password = password
        self.proven = False
        self._transport = transport

    def outlived(self) -> bool:
        """Tell, after a channel's end, whether it was the channel's alone.

        Where the whole connection ends, paramiko ends its channels first and itself a moment later.
        """
        self._transport.join(_SETTLE_SECONDS)
        return bool(self._transport.is_active())

    @contextlib.contextmanager
    def channel(self, command: str) -> Iterator[paramiko.Channel]:
        """Start a command in the account's login shell, and close its channel with the context.

        Raises:
            ConnectionLost: the connection has ended.
            NotAnAdministrator: the NAS runs nothing for this account.
        """
        channel: paramiko.Channel | None = None
        try:
            try:
                channel = self._transport.open_session(timeout=SESSION_SECONDS)
                channel.exec_command(command)
            except (paramiko.SSHException, EOFError, OSError) as error:
                refused = isinstance(error, paramiko.SSHException) and self.outlived()
                raise self.no_shell(str(error)) if refused else self.lost("starting a command") from error
            yield channel
        finally:
            if channel is not None:
                with contextlib.suppress(paramiko.SSHException, EOFError, OSError):  # the line may be gone
                    channel.close()

    def no_shell(self, words: str) -> NotAnAdministrator:
        """Return the error for an account that the NAS lets in and gives no shell; `words` are the NAS's."""
        return NotAnAdministrator(
            f"{self.target} let the account in and gave it no shell ({words or 'without a word'}): "
            "the account is not an administrator, and DSM gives a shell to no other. "
            f"Use one that is, or add it: {ADMINISTRATORS}"
        )

    def lost(self, doing: str) -> ConnectionLost:
        """Return the error for a connection that ended while `doing` something."""
        hint = (
            ""
            if self.proven
            else ". If it happens each time, the account may not be an administrator: DSM hangs up on others"
        )
        return ConnectionLost(
            f"the connection to {self.target} was lost while {doing}: what the NAS did of it is not known. "
            "Check that the NAS is on and the network holds, then start again; nothing has to be undone"
            f"{hint}"
        )

    def close(self) -> None:
        """End the connection."""
        self._transport.close()


@contextlib.contextmanager
def connect(
    target: Target,
    questions: Questions,
    *,
    identity: Path | None = None,
    known_hosts: KnownHosts | None = None,
    ssh_folder: Path | None = None,
) -> Iterator[Connection]:
    """Log in to the NAS, for as long as the context lasts.

    Args:
        target: the account and the NAS.
        questions: asked about an unknown host key, a passphrase, a password.
        identity: the private key's file that the user named.
        known_hosts: the trusted host keys, by default the user's.
        ssh_folder: where default keys are looked for, by default `~/.ssh`.

    Raises:
        RemoteError: see the tree in `errors`.
        SetupError: the identity or a known_hosts file cannot be used.
    """
    folder = ssh_folder or Path.home() / ".ssh"
    with agent_keys() as agent:
        offers = choose_keys(identity, agent, folder, questions)
        transport = paramiko.Transport(_open_socket(target))
        try:
            _negotiate(transport, target, known_hosts or KnownHosts.of_user(), questions)
            password = log_in(transport, target, offers, questions)
            transport.set_keepalive(_KEEPALIVE_SECONDS)
            yield Connection(target, transport, password)
        finally:
            transport.close()


def _open_socket(target: Target) -> socket.socket:
    try:
        return socket.create_connection((target.host, target.port), timeout=CONNECT_SECONDS)
    except (socket.gaierror, UnicodeError) as error:
        raise HostNotFound(
            f"the name {target.host!r} has no address here: check the spelling, or name the NAS by its IP "
            "address (DSM: Control Panel > Network > Network Interface)"
        ) from error
    except ConnectionRefusedError as error:
        raise SshOff(
            f"{target.host} is there, and its port {target.port} is closed: SSH is off or has another port. "
            f"Switch it on at {SSH_SWITCH}, and off again after the installation if you like"
        ) from error
    except OSError as error:
        if isinstance(error, TimeoutError) or error.errno in _UNREACHABLE:
            raise _no_answer(target) from error
        raise _not_ssh(target, error) from error


def _negotiate(
    transport: paramiko.Transport, target: Target, known_hosts: KnownHosts, questions: Questions
) -> None:
    transport.banner_timeout = SESSION_SECONDS
    options = transport.get_security_options()
    wanted = [signature for known in known_hosts.key_types(target) for signature in _signatures(known)]
    options.key_types = tuple(dict.fromkeys([one for one in wanted if one in options.key_types])) + tuple(
        one for one in options.key_types if one not in wanted
    )
    try:
        transport.start_client(timeout=SESSION_SECONDS)
        key = transport.get_remote_server_key()
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise _not_ssh(target, error) from error
    known_hosts.verify(target, key, questions)


def _signatures(key_type: str) -> list[str]:
    """Return the names under which a host key of this type is negotiated (RFC 8332 for RSA)."""
    return ["rsa-sha2-512", "rsa-sha2-256"] if key_type == "ssh-rsa" else [key_type]


def _no_answer(target: Target) -> RemoteError:
    return NoAnswer(
        f"nothing answers at {target.host}, port {target.port}: the NAS is off or asleep (Wake on LAN, or "
        "its button), in another network, or a firewall drops the connection (DSM: Control Panel > Security "
        "> Firewall). Check that its DSM page opens from this machine; if it opens from others only, this "
        f"address may be locked out: {AUTO_BLOCK}"
    )


def _not_ssh(target: Target, error: Exception) -> RemoteError:
    return NotAnSshServer(
        f"{target.host} took the connection at port {target.port} and no SSH session came of it "
        f"({type(error).__name__}: {error}). Either the port is not that of SSH ({SSH_SWITCH} shows it), or "
        f"this address is locked out: {AUTO_BLOCK}"
    )
