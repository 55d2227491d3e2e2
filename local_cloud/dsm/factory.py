"""A simulated NAS as its owner has it on the day of the installation: what `SimulatedDsm.create` lays out."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from local_cloud.dsm.bindings import deliver
from local_cloud.dsm.issuing import issue
from local_cloud.dsm.launchers import write_launchers
from local_cloud.dsm.nginx import DSM_SETTINGS, HTTPS, PROGRAM, REVERSE_PROXY_RULES, generate
from local_cloud.dsm.packages import install_package, write_own_copies
from local_cloud.dsm.portal_api import add_rule
from local_cloud.dsm.releases import RELEASES, VERSION_FILE
from local_cloud.dsm.switches import write_switches
from local_cloud.dsm.tree import DsmTree, DualPair, Json, Pair, write_file

SERVICES: tuple[Json, ...] = (
    {
        "display_name": "DSM Desktop Service",
        "display_name_i18n": "common:web_desktop",
        "isPkg": False,
        "multiple_cert": False,
        "owner": "root",
        "service": "default",
        "subscriber": "system",
        "user_setable": True,
    },
    # FTPS has no user_setable (measured): a missing key means that it may be bound.
    {"display_name": "FTPS", "isPkg": False, "owner": "root", "service": "ftpd", "subscriber": "smbftpd"},
    {
        "display_name": "Synology Drive Server",
        "isPkg": True,
        "multiple_cert": False,
        "owner": "SynologyDrive",
        "service": "SynologyDrive",
        "subscriber": "SynologyDrive",
        "user_setable": True,
    },
)
"""What the default entry serves besides the reverse proxies."""

LEFT_ALONE: Json = {
    "display_name": "KMIP",
    "isPkg": False,
    "owner": "root",
    "service": "kmip",
    "subscriber": "kmip",
    "user_setable": False,
}
QUICKCONNECT_SERVICE: Json = {
    "display_name": "QuickConnect",
    "isPkg": False,
    "owner": "root",
    "service": "quickconnect",
    "subscriber": "system",
}


PYTHON = "/usr/bin/python3"
PACKAGE_PYTHON = "/var/packages/py3k/target/usr/local/bin/python3"
"""Where DSM 6.2's Python 3 is: a package of its own."""

_CRONTAB = b'MAILTO=""\n#minute\thour\tmday\tmonth\twday\twho\tcommand\n0\t3\t*\t*\t6\troot\t/usr/bin/true\n'


@dataclass(frozen=True)
class Proxy:
    """A reverse proxy rule to lay out: name and port in front, port behind, and a pair of its own if any."""

    fqdn: str
    port: int
    backend_port: int
    own_pair: Pair | None = None


class Factory:
    """Lays out one tree, step by step."""

    def __init__(self, tree: DsmTree) -> None:
        self.tree = tree

    def write_system(
        self, *, version: str, nginx: Path, http_port: int, https_port: int, python: Path | None
    ) -> None:
        """Write what is there before any certificate: version, settings, programs, the switches' defaults."""
        write_file(self.tree.path(VERSION_FILE), RELEASES[version].version_file().encode())
        write_file(self.tree.path("/etc.defaults/synoinfo.conf"), b'upnpmodelname="DS920+"\n')
        write_file(self.tree.path("/etc/crontab"), _CRONTAB)
        for folder in ("/volume1", "/root"):
            self.tree.path(folder).mkdir(parents=True)
        if python is not None:
            place = PYTHON if RELEASES[version].systemd else PACKAGE_PYTHON
            self.tree.path(place).parent.mkdir(parents=True, exist_ok=True)
            self.tree.path(place).symlink_to(python.resolve())
        program = self.tree.path(PROGRAM)
        program.parent.mkdir(parents=True, exist_ok=True)
        program.unlink(missing_ok=True)
        program.symlink_to(nginx)
        settings = {
            "enable_custom_domain": False,
            "enable_hsts": False,
            "enable_https_redirect": False,
            "fqdn": None,
            "http_port": http_port,
            "https_port": https_port,
        }
        self.tree.write_json(self.tree.path(DSM_SETTINGS), settings)
        self.tree.write_json(self.tree.path(REVERSE_PROXY_RULES), {"entries": []})
        write_switches(self.tree, private_tmp=RELEASES[version].private_tmp)

    def add_entry(
        self,
        description: str,
        pair: Pair | DualPair,
        services: Iterable[Json] = (),
        *,
        deletable: bool | None = True,
    ) -> str:
        """Add an entry that serves `services` and return its id; with None it has no `user_deletable`."""
        entries = self.tree.info() if (self.tree.archive / "INFO").exists() else {}
        entry_id = self.tree.new_id()
        bound = list(services)
        # Keys of which nobody outside knows stay, whoever writes INFO.
        entry: Json = {"desc": description, "services": bound, "renew_info": {"retry": 0}}
        if deletable is not None:
            entry["user_deletable"] = deletable
        entries[entry_id] = entry
        self.tree.write_pair(entry_id, pair)
        # More files may stand in an archive folder; whoever replaces the pair leaves them.
        archive = self.tree.archive / entry_id
        write_file(archive / "renew.json", b'{"domain": ""}\n')
        if isinstance(pair, Pair):
            write_file(archive / "short-chain.pem", pair.chain)
            (archive / "root.pem").symlink_to("chain.pem")
        self.tree.write_info(entries)
        deliver(self.tree, entry_id, bound)
        return entry_id

    def add_proxies(self, proxies: Iterable[Proxy]) -> None:
        """Add the rules, the static answer behind each, and the entries of those that have their own."""
        answers = []
        for proxy in proxies:
            rule = _rule(proxy)
            add_rule(self.tree, rule)
            if proxy.own_pair is not None:
                self._give_own_entry(rule, proxy.own_pair)
            answers.append(
                f"server {{ listen 127.0.0.1:{proxy.backend_port}; "
                f"return 200 '{proxy.fqdn.partition('.')[0]}'; }}\n"
            )
        write_file(self.tree.path("/etc/nginx/conf.d/backends.conf"), "".join(answers).encode())

    def add_packages(self, packages: Iterable[str], pair: Pair | DualPair) -> None:
        """Install the packages, with copies of `pair` where DSM knows of none."""
        for package in packages:
            write_own_copies(self.tree, package, pair)
            install_package(self.tree, package)

    def finish(self, *, web_api: bool) -> None:
        """Write the programs and nginx's first configuration."""
        write_launchers(self.tree, web_api=web_api)
        generate(self.tree)

    def _give_own_entry(self, rule: Json, pair: Pair) -> None:
        entries = self.tree.info()
        for entry in entries.values():
            service = next((one for one in entry["services"] if one["service"] == rule["UUID"]), None)
            if service is not None:
                entry["services"].remove(service)
                self.tree.write_info(entries)
                self.add_entry(rule["frontend"]["fqdn"], pair, [service])
                return


def make_synology_pair(*, dual: bool) -> Pair | DualPair:
    """Make DSM's own self-signed pair."""
    rsa = issue(["synology"], days=365, key_type="rsa")
    return DualPair(rsa, issue(["synology"], days=365)) if dual else rsa


def make_quickconnect_pair() -> Pair:
    """Make the pair of the QuickConnect entry."""
    return issue(["simulated.direct.quickconnect.to"])


def _rule(proxy: Proxy) -> Json:
    """A rule as the recipe makes it, in the shape that ReverseProxy create takes."""
    identifier = str(uuid.uuid4())
    return {
        "UUID": identifier,
        "_key": identifier,
        "description": proxy.fqdn.partition(".")[0],
        "proxy_connect_timeout": 60,
        "proxy_read_timeout": 60,
        "proxy_send_timeout": 60,
        "proxy_http_version": 1,
        "proxy_intercept_errors": False,
        "frontend": {
            "acl": None,
            "fqdn": proxy.fqdn,
            "port": proxy.port,
            "protocol": HTTPS,
            "https": {"hsts": False},
        },
        "backend": {"fqdn": "127.0.0.1", "port": proxy.backend_port, "protocol": 0},
        "customize_headers": [],
    }
