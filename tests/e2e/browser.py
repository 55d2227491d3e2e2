"""Real Chromium, headless, in a throw-away profile; it may trust one root more than it came with.

Chromium on Linux takes its user's own roots from the NSS database of the user's home folder
(https://chromium.googlesource.com/chromium/src/+/main/docs/linux/cert_management.md), so the home folder is
a throw-away one too. No certificate check is switched off.
"""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from playwright.sync_api import BrowserContext, Page, Playwright
from playwright.sync_api import Error as BrowserError

from local_cloud.processes import LOOPBACK

_NAVIGATION_MS = 60_000
_NSS_DATABASE = ".pki/nssdb"


@dataclass
class Security:
    """What Chromium's address bar says of a page, from the Security domain of its DevTools protocol.

    https://chromedevtools.github.io/devtools-protocol/tot/Security/#event-visibleSecurityStateChanged

    Attributes:
        state: `secure`, `neutral`, `insecure` or `insecure-broken`.
        certificate: the certificate's part: subjectName, issuer, protocol, certificateNetworkError, …
    """

    state: str
    certificate: dict[str, Any]

    @property
    def serial(self) -> str:
        """The leaf's serial number, lower-case hexadecimal."""
        leaf = x509.load_der_x509_certificate(base64.b64decode(self.certificate["certificate"][0]))
        return f"{leaf.serial_number:x}"


class Tab:
    """An open tab.

    Attributes:
        page: the page in it.
    """

    def __init__(self, page: Page, screenshots: Path) -> None:
        self.page = page
        self._screenshots = screenshots
        self._states: list[dict[str, Any]] = []
        session = page.context.new_cdp_session(page)
        session.on("Security.visibleSecurityStateChanged", self._note)
        session.send("Security.enable")

    def _note(self, event: dict[str, Any]) -> None:
        self._states.append(event["visibleSecurityState"])

    def visit(self, url: str) -> str | None:
        """Open `url`; return the network error that Chromium shows instead of the page, or None."""
        try:
            self.page.goto(url, timeout=_NAVIGATION_MS)
        except BrowserError as error:
            if "net::" not in error.message:
                raise
            # The error page comes after the error was told.
            self.page.wait_for_url("chrome-error://**", timeout=_NAVIGATION_MS)
            return error.message.partition("net::")[2].split()[0]
        return None

    def security(self, state: str) -> Security:
        """Wait until the address bar shows `state`; return what it shows, `state` or else."""
        for _ in range(100):
            if self._states and self._states[-1]["securityState"] == state:
                break
            self.page.wait_for_timeout(50)
        last = self._states[-1]
        return Security(last["securityState"], last.get("certificateSecurityState") or {})

    def text(self) -> str:
        """Return what a person reads on the page."""
        return self.page.inner_text("body")

    def keep(self, name: str) -> None:
        """Keep a screenshot."""
        self.page.screenshot(path=self._screenshots / f"{name}.png")


class Browser:
    """A running Chromium."""

    def __init__(self, context: BrowserContext, screenshots: Path) -> None:
        self._context, self._screenshots = context, screenshots

    @contextmanager
    def tab(self) -> Iterator[Tab]:
        """Open a tab, and close it."""
        page = self._context.new_page()
        try:
            yield Tab(page, self._screenshots)
        finally:
            page.close()


def trust(home: Path, certutil: Path, root: str) -> None:
    """Let the user whose home folder is `home` trust the PEM `root` for servers, and nobody else."""
    database = home / _NSS_DATABASE
    database.mkdir(parents=True)
    file = home / "root.pem"
    file.write_text(root)
    nss: list[str | Path] = [certutil, "-d", f"sql:{database}"]
    for words in (["-N", "--empty-password"], ["-A", "-n", "the demo's", "-t", "C,,", "-i", str(file)]):
        subprocess.run([*nss, *words], check=True, timeout=60)


@contextmanager
def chromium(
    playwright: Playwright, program: Path, home: Path, screenshots: Path, names: Iterable[str]
) -> Iterator[Browser]:
    """Start Chromium for the user of `home`; `names` lead to loopback, every other name nowhere."""
    rules = [*(f"MAP {name} {LOOPBACK}" for name in names), "MAP * ~NOTFOUND"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    context = playwright.chromium.launch_persistent_context(
        home / "profile",
        executable_path=program,
        headless=True,
        env={**kept, "HOME": str(home)},
        args=[f"--host-resolver-rules={', '.join(rules)}", "--no-proxy-server"],
        viewport={"width": 900, "height": 600},
    )
    try:
        yield Browser(context, screenshots)
    finally:
        context.close()
