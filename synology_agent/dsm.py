"""DSM as the agent uses it: its local web API, its certificate entries, its services' copies, its nginx.

Facts are from public tools and measurements; none of it is official API. `success` in an answer of this API
family is no proof: whoever writes reads back.
"""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Sequence

from .document import leaf_fingerprint
from .errors import DocumentRefused, DsmError

QUICKCONNECT = ("system", "quickconnect")

_COMMAND_SECONDS = 180  # a small NAS takes tens of seconds to reload everything
_ERROR_WORDS = {
    103: "no such method",
    105: "no permission: the agent must run as root",
    5510: "bad certificate",
    5511: "bad key, or a value of the wrong JSON type",
    5512: "bad intermediate certificate",
    5513: "incomplete chain",
    5514: "the key does not match",
}


@dataclass(frozen=True)
class Service:
    """A service that has a copy of a certificate.

    Attributes:
        subscriber: such as `system` or `ReverseProxy`.
        service: such as `default` or the rule's UUID.
        is_package: its copy is below /usr/local/etc.
        display_name: as Control Panel shows it, in one line.
    """

    subscriber: str
    service: str
    is_package: bool
    display_name: str

    @property
    def copy_folder(self) -> str:
        """The folder of its copy, as a path on the NAS."""
        base = "/usr/local/etc/certificate" if self.is_package else "/usr/syno/etc/certificate"
        return f"{base}/{self.subscriber}/{self.service}"


@dataclass(frozen=True)
class Entry:
    """One of DSM's certificate entries.

    Attributes:
        id: six random characters, the name of its folder in the archive.
        description: may be empty.
        services: what is bound to it.
    """

    id: str
    description: str
    services: tuple[Service, ...]


@dataclass(frozen=True)
class Port:
    """A port where DSM's nginx serves a service's certificate.

    Attributes:
        number: TCP port on this machine.
        name: host name to ask for (SNI); DSM's own page answers to any.
        what: the service, for a person.
    """

    number: int
    name: str
    what: str


class Dsm:
    """The DSM below a root folder; `/` on a NAS."""

    def __init__(self, root: Path) -> None:
        """Use the commands and files below `root`."""
        self._root = root

    def on_nas(self, path: Path) -> str:
        """Return `path` as DSM's commands see it: from `/` of the NAS.

        Raises:
            DsmError: it is outside of the root folder.
        """
        try:
            return "/" + path.resolve().relative_to(self._root.resolve()).as_posix()
        except ValueError:
            raise DsmError(f"{path} is not below {self._root}") from None

    def real(self, path: str) -> Path:
        """Return where `path` on the NAS is for this process."""
        return self._root / path.lstrip("/")

    def web_api(self, api: str, method: str, version: int, **values: Any) -> dict[str, Any]:
        """Call DSM's web API in-process, as Control Panel does over HTTP, and return its data.

        Every value is sent as JSON: `synowebapi` parses each one, and a bare `8ec29f37` would be a number.

        Raises:
            DsmError: the command failed, or the API answered an error.
        """
        command = [str(self.real("/usr/syno/bin/synowebapi")), "--exec-fastwebapi"]
        command += [f"api={api}", f"method={method}", f"version={version}"]
        command += [f"{name}={json.dumps(value)}" for name, value in values.items()]
        output = self._run(command)
        what = f"{api} {method}"
        try:
            answer = json.loads(output[output.index("{") :])
        except ValueError:
            raise DsmError(f"DSM's {what} answered no JSON: {output[:200]!r}") from None
        if not answer.get("success"):
            code = answer.get("error", {}).get("code")
            raise DsmError(
                "DSM refused {}: error {} ({})".format(what, code, _ERROR_WORDS.get(code, "unknown"))
            )
        data = answer.get("data")
        return data if isinstance(data, dict) else {}

    def entries(self) -> list[Entry]:
        """Return the certificate entries with the services bound to each."""
        listed = self.web_api("SYNO.Core.Certificate.CRT", "list", 1)
        with _known_shape("SYNO.Core.Certificate.CRT"):
            return [
                Entry(
                    id=item["id"],
                    description=item.get("desc", ""),
                    services=tuple(_service(service) for service in item.get("services", ())),
                )
                for item in listed["certificates"]
            ]

    def archive_folder(self, entry_id: str) -> Path:
        """Return the folder that holds an entry's own files."""
        return self.real("/usr/syno/etc/certificate/_archive/" + entry_id)

    def copy_folder(self, service: Service) -> Path:
        """Return the folder that holds a service's copy."""
        return self.real(service.copy_folder)

    def leaf_fingerprint(self, folder: Path) -> str | None:
        """Return the SHA-256 of the leaf in an entry's or a copy's folder, or None where there is none."""
        try:
            return leaf_fingerprint(folder / "cert.pem")
        except (OSError, DocumentRefused):
            return None

    def import_into(self, entry: Entry, leaf: Path, chain: Path | None, private_key: Path) -> None:
        """Replace an entry's certificate in place; its services keep it. DSM writes their copies.

        `as_default` is never sent: with it DSM reassigns services in the same call (measured on 7.3).
        """
        files = {"cert_tmp": leaf, "inter_cert_tmp": chain, "key_tmp": private_key}
        paths = {name: self.on_nas(path) for name, path in files.items() if path is not None}
        self.web_api("SYNO.Core.Certificate", "import", 1, id=entry.id, desc=entry.description, **paths)

    def reload_nginx(self) -> None:
        """Have DSM 7 write nginx's configuration and certificates anew, and nginx read them."""
        self._run([str(self.real("/usr/syno/bin/synow3tool")), "--gen-all"])
        self._run([str(self.real("/usr/bin/systemctl")), "reload", "nginx"])

    def ports(self, services: Sequence[Service], own_name: str) -> list[Port]:
        """Return the ports where nginx serves those of `services` that it serves itself.

        Args:
            services: what is bound to the entry.
            own_name: the NAS's host name, to ask DSM's own page for.
        """
        found = []
        if any((service.subscriber, service.service) == ("system", "default") for service in services):
            settings = self.web_api("SYNO.Core.Web.DSM", "get", 2)
            with _known_shape("SYNO.Core.Web.DSM"):
                found.append(Port(int(settings["https_port"]), own_name, "DSM's page"))
        bound = {service.service for service in services if service.subscriber == "ReverseProxy"}
        if bound:
            rules = self.web_api("SYNO.Core.AppPortal.ReverseProxy", "list", 1)
            with _known_shape("SYNO.Core.AppPortal.ReverseProxy"):
                found += [
                    Port(rule["frontend"]["port"], rule["frontend"]["fqdn"], "reverse proxy")
                    for rule in rules["entries"]
                    if rule.get("UUID") in bound and rule["frontend"].get("protocol") == 1
                ]
        return found

    def _run(self, command: list[str]) -> str:
        try:
            # stdout alone is parsed: synowebapi writes its progress, braces and all, to stderr.
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_COMMAND_SECONDS,
                check=False,
            )
        except OSError as error:
            raise DsmError(f"{command[0]} cannot be run: {error.strerror}; is this DSM 7?") from None
        except subprocess.TimeoutExpired:
            raise DsmError(f"{command[0]} did not end within {_COMMAND_SECONDS} s") from None
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:]
            raise DsmError(
                "{} exited with {}: {}".format(" ".join(command[:3]), done.returncode, "".join(last))
            )
        return done.stdout


@contextmanager
def _known_shape(api: str) -> Iterator[None]:
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DsmError(f"DSM's {api} answered in a shape that this agent does not know: {error!r}") from None


def _service(fields: dict[str, Any]) -> Service:
    return Service(
        subscriber=fields["subscriber"],
        service=fields["service"],
        is_package=bool(fields.get("isPkg")),
        display_name=" ".join(str(fields.get("display_name", "")).split()),
    )
