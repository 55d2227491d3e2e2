"""The NAS below a root folder: its release, its commands, its local web API, its nginx.

Facts are from public tools and measurements; none of it is official API. `success` in an answer of this API
family is no proof: whoever writes reads back.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Sequence

from .errors import DsmError

COMMAND_SECONDS = 180  # a small NAS takes tens of seconds to reload everything

SYNOWEBAPI = "/usr/syno/bin/synowebapi"
_ERROR_WORDS = {
    102: "no such API",
    103: "no such method",
    105: "no permission: the agent must run as root",
    5503: "bad assignment",
    5510: "bad certificate",
    5511: "bad key, or a value of the wrong JSON type",
    5512: "bad intermediate certificate",
    5513: "incomplete chain",
    5514: "the key does not match",
}


class ApiRefused(DsmError):
    """DSM's web API answered an error.

    Attributes:
        code: DSM's number for it, or None.
    """

    def __init__(self, what: str, code: int | None) -> None:
        """Say which call it was and what the code means."""
        super().__init__(
            "DSM refused {}: error {} ({})".format(what, code, _ERROR_WORDS.get(code or 0, "unknown"))
        )
        self.code = code


class Dsm:
    """The DSM below a root folder; `/` on a NAS."""

    def __init__(self, root: Path) -> None:
        """Use the commands and files below `root`."""
        self.root = root

    def real(self, path: str) -> Path:
        """Return where `path` on the NAS is for this process."""
        return self.root / path.lstrip("/")

    def on_nas(self, path: Path) -> str:
        """Return `path` as DSM's commands see it: from `/` of the NAS.

        Raises:
            DsmError: it is outside of the root folder.
        """
        try:
            return "/" + path.resolve().relative_to(self.root.resolve()).as_posix()
        except ValueError:
            raise DsmError(f"{path} is not below {self.root}") from None

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor version, from /etc.defaults/VERSION.

        Raises:
            DsmError: the file is missing, or names no version: this is no Synology NAS.
        """
        path = self.real("/etc.defaults/VERSION")
        try:
            fields = dict(
                re.findall(r'^(\w+)="(.*)"$', path.read_text(encoding="utf-8", errors="replace"), re.M)
            )
            return int(fields["majorversion"]), int(fields["minorversion"])
        except (OSError, KeyError, ValueError):
            raise DsmError(f"{path} names no DSM version: is this a Synology NAS?") from None

    def has(self, path: str) -> bool:
        """Tell whether the NAS has a file at `path`."""
        return self.real(path).exists()

    def command(self, path: str, *arguments: str) -> str:
        """Run one of DSM's commands and return what it wrote to standard output.

        Raises:
            DsmError: it cannot be run, failed, or did not end.
        """
        try:
            # stdout alone is parsed: synowebapi writes its progress, braces and all, to stderr.
            done = subprocess.run(
                [str(self.real(path)), *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=COMMAND_SECONDS,
                check=False,
            )
        except OSError as error:
            raise DsmError(f"{path} cannot be run: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise DsmError(f"{path} did not end within {COMMAND_SECONDS} s") from None
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise DsmError(
                "{} exited with {}: {}".format(
                    " ".join((path, *arguments[:2])), done.returncode, "".join(last)
                )
            )
        return done.stdout.decode(errors="replace")

    @property
    def has_web_api(self) -> bool:
        """Tell whether the local web API is there: on DSM 7; unsure on 6.2."""
        return self.has(SYNOWEBAPI)

    def web_api(self, api: str, method: str, version: int, **values: Any) -> dict[str, Any]:
        """Call DSM's web API in-process, as Control Panel does over HTTP, and return its data.

        Raises:
            ApiRefused: the API answered an error.
            DsmError: the command failed.
        """
        arguments = web_api_arguments(api, method, version, **values)
        return read_web_api_answer(f"{api} {method}", self.command(SYNOWEBAPI, *arguments))

    def reload_nginx(self) -> None:
        """Have nginx read its configuration and certificates anew, as this release does it.

        Raises:
            DsmError: a command failed.
        """
        if self.has("/usr/syno/bin/synow3tool"):
            self.command("/usr/syno/bin/synow3tool", "--gen-all")
            self.command("/usr/bin/systemctl", "reload", "nginx")
        elif self.has("/usr/syno/etc/rc.sysv/nginx.sh"):
            self.command("/usr/syno/etc/rc.sysv/nginx.sh", "reload")
        else:
            self.command("/usr/syno/sbin/synoservicectl", "--reload", "nginx")

    def is_running(self, package: str) -> bool:
        """Tell whether a package is running."""
        try:
            if self.has("/usr/bin/systemctl"):
                self.command("/usr/bin/systemctl", "is-active", f"pkgctl-{package}")
            else:
                self.command("/usr/syno/bin/synopkg", "status", package)
        except DsmError:
            return False
        return True

    def restart_package(self, package: str) -> None:
        """Restart a package.

        Raises:
            DsmError: the command failed.
        """
        if self.has("/usr/syno/bin/synosystemctl"):
            self.command("/usr/syno/bin/synosystemctl", "restart", f"pkgctl-{package}")
        else:
            self.command("/usr/syno/bin/synopkg", "restart", package)

    def run_hooks(self, subscriber: str, service: str, is_package: bool) -> None:
        """Tell a subscriber of its new certificate, where it has a hook.

        Raises:
            DsmError: a hook failed.
        """
        base = "/usr/local/libexec" if is_package else "/usr/libexec"
        hooks: list[Sequence[str]] = [(f"{base}/certificate.d/{subscriber}", service)]
        if (subscriber, service) == ("system", "default"):
            hooks.append(("/usr/libexec/security-profile/tls-profile/dsm.sh",))
        elif not is_package:
            hooks.append((f"/usr/libexec/security-profile/tls-profile/{subscriber}.sh",))
        for path, *arguments in hooks:
            if self.has(path):
                self.command(path, *arguments)


def has_certificate_api(dsm: Dsm) -> bool:
    """Tell whether certificates can be managed by the local web API.

    On DSM 7 where it is there; what 6.2 has of it is unsure, so it is asked.
    """
    if not dsm.has_web_api or dsm.release >= (7, 0):
        return dsm.has_web_api
    try:
        dsm.web_api("SYNO.Core.Certificate.CRT", "list", 1)
    except DsmError:
        return False
    return True


_BARE = {"api", "method", "version"}


def web_api_arguments(api: str, method: str, version: int, **values: Any) -> list[str]:
    """Return the arguments of `synowebapi` for a call.

    Every value is sent as JSON: it parses each one, and a bare `8ec29f37` would be a number.
    """
    values = {"api": api, "method": method, "version": version, **values}
    texts = [f"{name}={value if name in _BARE else json.dumps(value)}" for name, value in values.items()]
    return ["--exec-fastwebapi", *texts]


def read_web_api_answer(what: str, output: str) -> dict[str, Any]:
    """Return the data in what `synowebapi` wrote to standard output.

    Raises:
        ApiRefused: the API answered an error.
        DsmError: there is no answer in it.
    """
    answer = _find_answer(output)
    if answer is None:
        raise DsmError(f"DSM's {what} answered no JSON")
    if not answer["success"]:
        error = answer.get("error")
        raise ApiRefused(what, error.get("code") if isinstance(error, dict) else None)
    data = answer.get("data")
    return data if isinstance(data, dict) else {}


def _find_answer(output: str) -> dict[str, Any] | None:
    """Return the API's answer in `output`; other text, braces included, may stand before it."""
    start = output.find("{")
    while start >= 0:
        try:
            found, _ = json.JSONDecoder().raw_decode(output, start)
        except ValueError:
            found = None
        if isinstance(found, dict) and "success" in found:
            return found
        start = output.find("{", start + 1)
    return None
