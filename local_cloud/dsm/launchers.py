"""The programs' executable files: launchers that name this interpreter and this project by absolute path.

They are shell scripts of one command: a `#!` line itself cannot hold an interpreter whose path has a space or
is long. `-I` makes them independent of the caller's directory and environment, `-B` keeps the checkout clean;
the tree is found from the launcher's own place, so the tree may be moved.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from local_cloud.dsm.releases import release_of
from local_cloud.dsm.tree import DsmTree, write_file

_PROJECT = Path(__file__).resolve().parents[2]
_SYNOPKG = "/usr/syno/bin/synopkg"
_WEB_API = {"/usr/syno/bin/synowebapi": "synowebapi"}
_SYSTEMD = {
    "/usr/syno/bin/synow3tool": "synow3tool",
    "/usr/syno/bin/synosystemctl": "systemctl",
    "/usr/bin/systemctl": "systemctl",
    "/usr/libexec/security-profile/tls-profile/dsm.sh": "hook",
}
_BEFORE_SYSTEMD = {
    "/usr/syno/etc/rc.sysv/nginx.sh": "nginx_service",
    "/usr/syno/sbin/synoservicectl": "nginx_service",
}


PLACES = {Path(place).name: place for place in (_SYNOPKG, *_WEB_API, *_SYSTEMD, *_BEFORE_SYSTEMD)}
"""Each program's place in the tree, by its name."""


def write_launchers(tree: DsmTree, *, web_api: bool) -> None:
    """Write the programs of the tree's release, and the hooks of the subscribers in SERVICES."""
    systemd = release_of(tree).systemd
    programs = {_SYNOPKG: "synopkg"}
    programs |= _SYSTEMD if systemd else _BEFORE_SYSTEMD
    programs |= _WEB_API if web_api else {}
    for service in tree.services():
        base = "/usr/local/libexec" if service["isPkg"] else "/usr/libexec"
        programs[f"{base}/certificate.d/{service['subscriber']}"] = "hook"
        if systemd and not service["isPkg"] and service["subscriber"] != "system":
            programs[f"/usr/libexec/security-profile/tls-profile/{service['subscriber']}.sh"] = "hook"
    for place, module in programs.items():
        bootstrap = (
            f"import sys; sys.path.insert(0, {str(_PROJECT)!r}); "
            f"from local_cloud.dsm.{module} import main; sys.exit(main(sys.argv[1], sys.argv[2:]))"
        )
        text = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I -B -c {shlex.quote(bootstrap)} "$0" "$@"\n'
        write_file(tree.path(place), text.encode(), mode=0o755)
