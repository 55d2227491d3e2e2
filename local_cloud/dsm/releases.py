"""What differs between DSM's releases: one row each, read from `/etc.defaults/VERSION` by every program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_cloud.dsm.tree import DsmTree

VERSION_FILE = "/etc.defaults/VERSION"


@dataclass(frozen=True)
class Release:
    """A release of DSM.

    Attributes:
        product: as `/etc.defaults/VERSION` has it.
        build: its build number.
        web_api: synowebapi is there by itself (unsure for 6.2: there it is a switch).
        systemd: nginx is reloaded by systemctl, from copies that `synow3tool --gen-all` makes; before, nginx
            reads the services' copies themselves, and a script of its own reloads it.
        proxy_servers: nginx's generated servers of the reverse proxy, as public tools name the file.
        dual: DSM's own certificate is an RSA and an EC one, without a cert.pem (measured on 7.3-86009).
        private_tmp: synowebapi does not see what others put into /tmp (reported on 7.2.2, not so on 7.3, and
            unsure elsewhere: the harder reading).
        refuses_monthly_week: the Task Scheduler refuses `monthly_week` in a daily task (likely on 7.3).
    """

    product: str
    build: int
    web_api: bool = True
    systemd: bool = True
    proxy_servers: str = "/etc/nginx/sites-enabled/server.ReverseProxy.conf"
    dual: bool = False
    private_tmp: bool = True
    refuses_monthly_week: bool = False

    def version_file(self) -> str:
        """Return the text of `/etc.defaults/VERSION`."""
        major, minor, *micro = self.product.split(".")
        fields = {
            "majorversion": major,
            "minorversion": minor,
            "major": major,
            "minor": minor,
            "micro": micro[0] if micro else "0",
            "buildphase": "GM",
            "buildnumber": str(self.build),
            "smallfixnumber": "3",
            "nano": "3",
            "base": str(self.build),
            "productversion": self.product,
            "os_name": "DSM",
        }
        return "".join(f'{name}="{value}"\n' for name, value in fields.items())


RELEASES = {
    "6.2": Release(
        "6.2.4",
        25556,
        web_api=False,
        systemd=False,
        proxy_servers="/etc/nginx/app.d/server.ReverseProxy.conf",
    ),
    "7.0": Release("7.0.1", 42218),
    "7.1": Release("7.1.1", 42962),
    "7.2": Release("7.2.2", 72806),
    "7.3": Release("7.3", 86009, dual=True, private_tmp=False, refuses_monthly_week=True),
}


def release_of(tree: DsmTree) -> Release:
    """Return the release of a tree."""
    lines = tree.path(VERSION_FILE).read_text(encoding="utf-8").splitlines()
    fields = {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}
    return RELEASES["{majorversion}.{minorversion}".format(**fields)]
