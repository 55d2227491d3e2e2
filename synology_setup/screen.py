"""What the person at the terminal sees and is asked."""

from __future__ import annotations

import contextlib
import getpass
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .errors import SetupError
from .remote import Secret

MARKS = {True: "[green]✓[/green]", False: "[red]✗[/red]", None: "[yellow]-[/yellow]"}

_NO_ANSWER = "the question was not answered: start again, it goes on from where it was"


class Screen:
    """Steps, notes, tables and questions; implements `Questions`.

    Attributes:
        warnings: what went less than well, repeated at the end.
    """

    def __init__(self, console: Console | None = None, *, agree: bool = False) -> None:
        """Write to `console`, or to standard output and error; with `agree`, answer `agree` with yes."""
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._errors = console or Console(highlight=False, soft_wrap=True, stderr=True)
        self.warnings: list[str] = []
        self._agree = agree

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Say that something begins, and how it ended."""
        self.console.print(f"… {escape(what)}")
        try:
            yield
        except BaseException:
            self.console.print(f"[red]✗[/red] {escape(what)}")
            raise
        self.console.print(f"[green]✓[/green] {escape(what)}")

    def note(self, text: str) -> None:
        """Say one more thing of a step."""
        for line in text.splitlines():
            self.console.print(f"  {escape(line)}")

    def warn(self, text: str) -> None:
        """Say what the person should do something about; it is said again at the end."""
        self.warnings.append(text)
        self.console.print(f"  [yellow]![/yellow] {escape(text)}")

    def fail(self, text: str) -> None:
        """Say why the command did not succeed, on standard error."""
        self._errors.print(f"[red]failed:[/red] {escape(text)}")

    def repeat_warnings(self) -> None:
        """Say again what scrolled by."""
        for text in self.warnings:
            self.console.print(f"[yellow]![/yellow] {escape(text)}")

    def table(self, title: str, rows: list[tuple[bool | None, str, str]]) -> None:
        """Show rows of a mark, what, and what was found."""
        table = Table(title=title, title_justify="left", title_style="bold", show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        table.add_column(overflow="fold")
        for ok, what, found in rows:
            table.add_row(MARKS[ok], escape(what), escape(found))
        self.console.print(table)

    def show(self, ok: bool | None, what: str, found: str) -> None:
        """Show one finding as it comes."""
        self.console.print(f"{MARKS[ok]} {escape(what)}: {escape(found)}")

    def advise(self, advice: list[tuple[str, str]]) -> None:
        """Say what to do about each finding, under its name."""
        for what, text in advice:
            self.console.print(f"\n[bold]{escape(what)}[/bold]")
            self.note(text)

    def ask_secret(self, prompt: str) -> Secret:
        """Ask for a line without showing it.

        Raises:
            SetupError: there is no terminal to ask at.
        """
        self._need_terminal(prompt)
        try:
            return Secret(getpass.getpass(prompt))
        except EOFError:
            raise SetupError(_NO_ANSWER) from None

    def confirm(self, text: str) -> bool:
        """Ask what must be answered by a person: whether a host key is the NAS's.

        Raises:
            SetupError: there is no terminal to ask at.
        """
        self._need_terminal(text)
        return self._answered(text)

    def agree(self, text: str) -> bool:
        """Ask whether to do something; `--yes` answers it.

        Raises:
            SetupError: there is no terminal to ask at, and no `--yes`.
        """
        if self._agree:
            self.console.print(f"  {escape(text)} yes")
            return True
        self._need_terminal(f"{text} (or say --yes)")
        return self._answered(text)

    def _answered(self, text: str) -> bool:
        self.console.print(f"  {escape(text)} [bold]\\[y/N][/bold] ", end="")
        try:
            return input().strip().lower() in {"y", "yes"}
        except EOFError:
            raise SetupError(_NO_ANSWER) from None

    @staticmethod
    def _need_terminal(text: str) -> None:
        if not sys.stdin.isatty():
            raise SetupError(f"there is no terminal to ask at: {text.strip()}")
