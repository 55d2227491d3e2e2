"""A real OpenSSH server on loopback, as DSM runs it: no SFTP, and a shell for administrators only."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Self

from local_cloud.processes import LOOPBACK, Service, Startable, accepts_connections, free_port, wait_until
from local_cloud.system_programs import find, provide

DSM_NOISE = "Could not chdir to home directory /var/services/homes/admin: No such file or directory"
"""What DSM's sshd prints on stderr at each command where the home service is off."""

_PRIVILEGE_SEPARATION = Path("/run/sshd")  # sshd that runs as root wants it, Debian's service makes it
_NO_SHELL = "This account is currently not available."  # nologin(8)


class SshServer(Startable):
    """An sshd with a host key of its own, which runs as the current user.

    Example:
        with SshServer(tmp_path, build, authorized=public_key, first_in_path=[sudo.folder]) as server:
            print(server.port)
    """

    def __init__(
        self,
        work: Path,
        build: Path,
        *,
        authorized: str = "",
        first_in_path: tuple[Path, ...] = (),
        noise: bool = False,
        administrator: bool = True,
        settings: dict[str, str] | None = None,
    ) -> None:
        """Describe the server.

        Args:
            work: an empty folder of its own.
            build: where a missing sshd is unpacked.
            authorized: lines of authorized_keys; each account may log in with any of them.
            first_in_path: folders whose programs a command finds before the system's.
            noise: print DSM's line about the home folder at each command.
            administrator: False gives no shell, as DSM does to others.
            settings: of sshd_config(5), in place of those here.

        Raises:
            ProgramMissing: there is no sshd.
        """
        self.port = free_port()
        self.host_key = work / "host_key"
        self._work = work
        self._sshd = provide(["sshd"], build)["sshd"]
        self._authorized = authorized
        self._wrapper = _wrapper(first_in_path, noise=noise, administrator=administrator)
        self._settings = settings or {}
        self._service: Service | None = None

    @property
    def log(self) -> Path:
        """What sshd says."""
        return self._work / "sshd.log"

    def logged(self, text: str) -> str:
        """Return the log once it contains `text`: sshd writes it beside its answers, not before them.

        Raises:
            ServiceError: it does not within ten seconds.
        """
        wait_until(
            lambda: text in self.log.read_text(), what=f"{text!r} in sshd's log", seconds=10, log=self.log
        )
        return self.log.read_text()

    def start(self) -> Self:
        """Start it with a new host key, or with the one of its last start."""
        self._work.mkdir(parents=True, exist_ok=True)
        if not self.host_key.exists():
            self.make_host_key()
        if os.geteuid() == 0:
            _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
        (self._work / "authorized_keys").write_text(self._authorized)
        if self._wrapper:
            command = self._work / "command"
            command.write_text(self._wrapper)
            command.chmod(0o755)
        configuration = self._work / "sshd_config"
        configuration.write_text("".join(f"{key} {value}\n" for key, value in self._configuration().items()))
        argv = (self._sshd.absolute(), "-D", "-e", "-f", configuration)
        self._service = Service("sshd", argv, log=self.log)
        self._service.start(ready=lambda: accepts_connections(self.port))
        return self

    def stop(self) -> None:
        """Stop it, with every session."""
        if self._service is not None:
            self._service.stop()
            self._service = None

    def make_host_key(self) -> None:
        """Put another host key in place, as when DSM is installed anew."""
        for old in self._work.glob("host_key*"):
            old.unlink()
        keygen = find("ssh-keygen") or "ssh-keygen"
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", self.host_key], check=True)

    def fingerprint(self) -> str:
        """Return what OpenSSH itself prints of the host key: bits, fingerprint, type."""
        done = subprocess.run(
            [find("ssh-keygen") or "ssh-keygen", "-lf", self.host_key],
            check=True,
            capture_output=True,
            text=True,
        )
        bits, digest, *_, kind = done.stdout.split()
        return f"{bits} {digest} {kind}"

    def _configuration(self) -> dict[str, str]:
        return {
            "ListenAddress": f"{LOOPBACK}:{self.port}",
            "HostKey": str(self.host_key),
            "PidFile": "none",
            "AuthorizedKeysFile": str(self._work / "authorized_keys"),
            "StrictModes": "no",  # the test's folder is below one that everybody may write to
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "UsePAM": "no",
            "UseDNS": "no",
            "PrintMotd": "no",
            "SetEnv": f"HOME={self._work}",  # bash reads ~/.bashrc under sshd: the developer's is no NAS's
            **({"ForceCommand": str(self._work / "command")} if self._wrapper else {}),
            "LogLevel": "VERBOSE",
            **self._settings,
        }


def _wrapper(first_in_path: tuple[Path, ...], *, noise: bool, administrator: bool) -> str:
    """Return the script that stands before each command, or nothing where it has nothing to do."""
    if not first_in_path and not noise and administrator:
        return ""
    folders = ":".join(str(folder) for folder in first_in_path)
    lines = ["#!/bin/sh"]
    if noise:
        lines.append(f"echo {shlex.quote(DSM_NOISE)} >&2")
    if not administrator:
        lines += [f"echo {shlex.quote(_NO_SHELL)}", "exit 1"]
    if folders:
        lines.append(f'export PATH={shlex.quote(folders)}:"$PATH"')
    lines.append('exec "${SHELL:-/bin/sh}" -c "$SSH_ORIGINAL_COMMAND"')
    return "\n".join(lines) + "\n"
