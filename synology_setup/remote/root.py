"""Root at the NAS, by sudo with the account's password, which DSM gives to administrators.

The password goes to sudo's standard input and nowhere else, and only after sudo has asked for it with a
prompt of ours; script and data follow only after the root shell has said that it is there. So where sudo does
not ask (NOPASSWD, a cached timestamp), no command ever reads the password as its input.
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Sequence

from .connection import Connection
from .errors import ADMINISTRATORS, NotAnAdministrator, SudoPasswordWrong, SudoRefused, WentSilent
from .exchange import Exchange
from .questions import Questions, Secret
from .shell import COMMAND_SECONDS, SHELL_SECONDS, Frame, Result

_NOT_ALLOWED = re.compile(
    rb"is not in the sudoers file|is not allowed to (run sudo|execute)|may not run sudo"
)
_NO_TERMINAL = re.compile(rb"must have a tty|a terminal is required|no tty present")
_WRONG = re.compile(rb"Sorry, try again|incorrect password attempt")
_NO_SUDO = re.compile(rb"sudo.*(not found|No such file)")


class RootShell:
    """Commands as root: one sudo a command, so that nothing stays open and nothing has to be kept in step.

    The password is asked for once, at the first command whose sudo wants it, unless it was needed to log in.
    A wrong one is forgotten, and never sent a second time.
    """

    def __init__(self, connection: Connection, questions: Questions) -> None:
        self._connection = connection
        self._questions = questions
        self._password: Secret | None = connection.password

    def run(
        self, command: Sequence[str] | str, stdin: bytes = b"", *, seconds: float = COMMAND_SECONDS
    ) -> Result:
        """Run a command (a list of arguments) or a shell script (a string) as root; see `Shell.run`.

        Raises:
            SudoPasswordWrong: sudo did not accept the password.
            SudoRefused: sudo did not run anything for another reason.
            NotAnAdministrator: the account may not use sudo, or has no shell.
            ConnectionLost: the connection ended, or nothing went either way for `seconds`.
        """
        frame, prompt = Frame(), _Prompt()
        sudo = ["env", "LC_ALL=C", "sudo", "-k", "-S", "-p", prompt.argument, "sh", "-c", frame.bootstrap]
        with self._connection.channel(shlex.join(sudo)) as channel:
            exchange = Exchange(self._connection, channel)

            def begun() -> bool:
                return frame.begun(exchange)

            def asked() -> int:
                return exchange.stderr.count(prompt.shown)

            try:
                exchange.wait(lambda: begun() or asked() > 0, "starting sudo", seconds=SHELL_SECONDS)
            except WentSilent as silence:
                raise SudoRefused(
                    f"sudo on {self._connection.target} did not ask for the password alone, as on a NAS "
                    f"whose /etc/pam.d/sudo was changed, and nothing was sent to it. {silence}"
                ) from silence
            if asked() and not begun():
                self._send_password(exchange)
                exchange.wait(
                    lambda: begun() or asked() > 1 or _WRONG.search(exchange.stderr) is not None,
                    "sudo checked the password",
                    seconds=SHELL_SECONDS,
                )
            if not begun():
                raise self._refusal(exchange, asked_again=asked() > 1)
            self._connection.proven = True
            return frame.converse(exchange, command, stdin, seconds)

    def _send_password(self, exchange: Exchange) -> None:
        if self._password is None:
            self._password = self._questions.ask_secret(f"Password of {self._connection.target} for sudo: ")
        exchange.send(f"{self._password.reveal()}\n".encode())

    def _refusal(self, exchange: Exchange, *, asked_again: bool) -> SudoRefused | NotAnAdministrator:
        target, said = self._connection.target, bytes(exchange.stderr)
        if asked_again or _WRONG.search(said):
            self._password = self._connection.password = None
            return SudoPasswordWrong(
                f'sudo on {target} did not accept the password ("Sorry, try again."): it wants the password '
                f"of the account {target.user} itself, as at the DSM page. Nothing was run, and it is not "
                "tried again by itself. Start again"
            )
        if _NOT_ALLOWED.search(said):
            return NotAnAdministrator(
                f'{target.user} may not use sudo on {target.host} ("not in the sudoers file"): the account '
                f"is not an administrator. Use one that is, or add it: {ADMINISTRATORS}"
            )
        if _NO_TERMINAL.search(said):
            return SudoRefused(
                f"sudo on {target} wants a terminal: somebody has put `Defaults requiretty` into "
                "/etc/sudoers there, which DSM does not do by itself. Remove that line, and start again"
            )
        if _NO_SUDO.search(said):
            return SudoRefused(f"there is no sudo in the PATH of {target}: is it a Synology NAS?")
        if not said.strip() and not exchange.stdout.strip():
            return self._connection.no_shell("")
        return SudoRefused(f"sudo on {target} ran nothing. What it said: {exchange.words()}")


class _Prompt:
    """A prompt that sudo prints, and that nothing prints which merely repeats the command line.

    sudo(8): of `%%` in a prompt one `%` remains.
    """

    def __init__(self) -> None:
        left, right = secrets.token_hex(12), secrets.token_hex(12)
        self.argument = f"{left}%%{right}"
        self.shown = f"{left}%{right}".encode()
