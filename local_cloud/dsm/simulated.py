"""SimulatedDsm: one simulated NAS below a folder, with its programs and a real nginx in front."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from local_cloud.dsm.launchers import PLACES
from local_cloud.dsm.mail_api import MAIL
from local_cloud.dsm.nginx import (
    DSM_SETTINGS,
    REVERSE_PROXY_RULES,
    generate,
    nginx_command,
    reload_nginx,
)
from local_cloud.dsm.packages import LISTED, served_by, stop
from local_cloud.dsm.releases import RELEASES
from local_cloud.dsm.switches import Switches, read_switches, write_switches
from local_cloud.dsm.task_api import read_tasks
from local_cloud.dsm.tree import DsmTree, Json, Pair
from local_cloud.processes import Service, Startable, accepts_connections, free_port

if TYPE_CHECKING:
    from local_cloud.dsm.issuing import Issuer


@dataclass(frozen=True)
class ReverseProxy:
    """A reverse proxy rule of the NAS.

    Its backend answers the first label of `fqdn`. With `own_certificate` the rule has an entry of its own, of
    which the recipe knows nothing (a good certificate for another name).
    """

    fqdn: str
    own_certificate: bool = False


class SimulatedDsm(Startable):
    """A simulated DSM 6.2, 7.0, 7.1, 7.2 or 7.3.

    Whoever runs its programs counts as root. All rules of the reverse proxy share one port, as they share 443
    on a NAS, and are told apart by SNI; a name without a rule meets DSM's own certificate there.

    Example:
        >>> with SimulatedDsm(folder / "nas", nginx="nginx").create() as dsm:
        ...     subprocess.run([dsm.root / "usr/syno/bin/synowebapi", "--exec-fastwebapi", ...])
    """

    synology_id: str
    """The entry of DSM's own self-signed certificate."""

    recipe_id: str | None
    """The entry "example.com" that the old recipe left, the default; None without the recipe."""

    quickconnect_id: str
    """The entry that is never touched."""

    def __init__(
        self,
        root: Path,
        *,
        nginx: Path | str,
        names: Sequence[str] = ("example.com", "*.example.com"),
        issuer: Issuer | None = None,
        recipe: bool = True,
        proxies: Sequence[ReverseProxy] = (ReverseProxy("navidrome.example.com"),),
        services: Sequence[Json] = (),
        packages: Sequence[str] = (),
        version: str = "7.2",
        web_api: bool | None = None,
        python: Path | None = None,
    ) -> None:
        """Describe the NAS; `create` lays it out below `root`.

        Args:
            root: what stands for the NAS's `/`.
            nginx: the program's path, or its name to look up in PATH.
            names: the names of the recipe's certificate.
            issuer: the CA of the recipe's and the proxies' own certificates; without it they are self-signed.
            recipe: False is a NAS before any recipe: all services are on DSM's self-signed entry.
            proxies: the rules of the reverse proxy.
            services: further services, as INFO lists them, bound where the others are.
            packages: packages besides Synology Drive: WebStation, VPNCenter, DirectoryServer.
            version: the release, "6.2" to "7.3".
            web_api: whether synowebapi is there; None is as the release has it.
            python: the NAS's Python 3, or None for a NAS without.
        """
        self.root = root.resolve()
        self.tree = DsmTree(self.root)
        self._nginx = nginx
        self._names = names
        self._issuer = issuer
        self._recipe = recipe
        self._proxies = proxies
        self._services = services
        self._packages = packages
        self._version = version
        self._web_api = RELEASES[version].web_api if web_api is None else web_api
        self._python = python
        self._service: Service | None = None

    def create(self) -> Self:
        """Lay the tree out.

        Raises:
            FileNotFoundError: there is no such nginx.
        """
        # Every program imports this package: the certificates' library must not cost each of them its start.
        from local_cloud.dsm import factory  # noqa: PLC0415
        from local_cloud.dsm.issuing import issue  # noqa: PLC0415

        program = shutil.which(self._nginx)
        if program is None:
            raise FileNotFoundError(f"no nginx at {self._nginx}: it needs the Debian package nginx")
        ports = _free_ports(3 + len(self._proxies))
        build = factory.Factory(self.tree)
        build.write_system(
            version=self._version,
            nginx=Path(program).absolute(),
            http_port=ports.pop(),
            https_port=ports.pop(),
            python=self._python,
        )
        bound = [*factory.SERVICES, *self._services]
        bound += [service for package in self._packages for service in LISTED[package]]
        own = factory.make_synology_pair(dual=RELEASES[self._version].dual)
        served = issue(self._names, issuer=self._issuer) if self._recipe else own
        self.synology_id = build.add_entry(
            "",
            own,
            [factory.LEFT_ALONE, *([] if self._recipe else bound)],
            deletable=None,
        )
        self.recipe_id = None
        if self._recipe:
            self.recipe_id = build.add_entry("example.com", served, bound)
        self.quickconnect_id = build.add_entry(
            "Synology QuickConnect Certificate",
            factory.make_quickconnect_pair(),
            [factory.QUICKCONNECT_SERVICE],
            deletable=False,
        )
        self.tree.default_id = self.recipe_id or self.synology_id
        proxy_port = ports.pop()
        build.add_proxies(
            factory.Proxy(
                proxy.fqdn,
                proxy_port,
                ports.pop(),
                issue([proxy.fqdn], issuer=self._issuer) if proxy.own_certificate else None,
            )
            for proxy in self._proxies
        )
        build.add_packages(["SynologyDrive", *self._packages], served)
        build.finish(web_api=self._web_api)
        return self

    def start(self) -> Self:
        """Make nginx's configuration anew, as at boot, and start it.

        Raises:
            ServiceError: nginx did not start; its log is in the text.
        """
        generate(self.tree)
        ports = {self.https_port, self.http_port, *self.proxy_ports.values()}
        self._service = Service(
            "nginx", nginx_command(self.tree), log=self.tree.path("/var/log/nginx/output.log"), cwd=self.root
        ).start(ready=lambda: all(accepts_connections(port) for port in ports))
        return self

    def stop(self) -> None:
        """Stop nginx."""
        if self._service is not None:
            self._service.stop()
            self._service = None

    def reload(self) -> None:
        """Let nginx serve what the tree holds now, as after a reboot."""
        generate(self.tree)
        reload_nginx(self.tree)

    @property
    def https_port(self) -> int:
        """The port of DSM's page, 5001 on a NAS, as DSM's settings have it now."""
        return int(self.tree.read_json(DSM_SETTINGS)["https_port"])

    @property
    def http_port(self) -> int:
        """The plain port of DSM's page, 5000 on a NAS."""
        return int(self.tree.read_json(DSM_SETTINGS)["http_port"])

    @property
    def proxy_ports(self) -> dict[str, int]:
        """The front port of each reverse proxy rule, by its name."""
        rules = self.tree.read_json(REVERSE_PROXY_RULES)["entries"]
        return {rule["frontend"]["fqdn"]: rule["frontend"]["port"] for rule in rules}

    @property
    def switches(self) -> Switches:
        """The switches as they stand."""
        return read_switches(self.tree)

    def switch(self, **changes: Any) -> None:
        """Change switches (see `Switches`), such as `dsm.switch(lie_on_import=True)`.

        `dsm.switch(faults={"systemctl:reload": "hang"})` replaces all faults.

        Raises:
            TypeError: there is no such switch.
            ValueError: there is no such fault, or no such program in this release.
        """
        for place in changes.get("faults", {}):
            name = place.partition(":")[0]
            if not any(self.root.rglob(name)):
                raise ValueError(f"fault {place!r}: this NAS has no program {name}")
        write_switches(self.tree, **changes)

    def add_entry(
        self,
        description: str,
        pair: Pair,
        services: Sequence[Json] = (),
        *,
        deletable: bool | None = True,
    ) -> str:
        """Add an archive entry, with copies for its services, and return its id.

        With None it has no `user_deletable`; a second one may have the description of another.
        """
        from local_cloud.dsm.factory import Factory  # noqa: PLC0415

        return Factory(self.tree).add_entry(description, pair, services, deletable=deletable)

    def served_by(self, package: str) -> str | None:
        """Return the SHA-256 of the leaf that a package read at its last start; None while stopped."""
        return served_by(self.tree, package)

    def stop_package(self, package: str) -> None:
        """Stop a package, as its owner does."""
        stop(self.tree, package)

    def tasks(self) -> list[Json]:
        """Return Task Scheduler's tasks, by the clock and by an event, each with its `script`."""
        state = read_tasks(self.tree)
        return [{**task, "script": task["extra"]["script"]} for task in state["tasks"]] + [
            {**task, "name": task["task_name"], "script": task["operation"]} for task in state["events"]
        ]

    def set_mail(self, *recipients: str) -> None:
        """Set DSM's e-mail up, or with nobody switch it off."""
        settings = {
            "enable_mail": bool(recipients),
            "mail": [*recipients],
            "smtp_info": {"server": "mail.test"},
        }
        self.tree.write_json(self.tree.path(MAIL), settings)

    def program(self, name: str) -> Path:
        """Return the path of a program: synowebapi, synow3tool, systemctl, synopkg and so on.

        Raises:
            KeyError: the simulation knows no such program; a known one may be absent in the release.
        """
        return self.root / PLACES[name].lstrip("/")


def _free_ports(count: int) -> list[int]:
    """Return ports that differ: a free port may be offered twice while nothing holds it."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)
