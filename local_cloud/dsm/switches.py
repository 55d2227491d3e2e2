"""What the simulation can be told to do: `/var/simulation.json` in the tree, read at each call.

It is hard on its client by default and soft by switch.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from local_cloud.dsm.tree import DsmTree

SWITCHES = "/var/simulation.json"


@dataclass(frozen=True)
class Switches:
    """The switches and their defaults."""

    lie_on_import: bool = False
    """Import answers success and does nothing: `success:true` is no proof in this API family."""

    lie_on_bind: bool = False
    """Certificate.Service set answers success and does nothing."""

    refuse_import: int | None = None
    """Import fails with this error code."""

    no_reload: bool | Literal["non-default"] = "non-default"
    """After an import or a binding nginx keeps the old leaf until reloaded: for entries that are not the
    default (DSM reloads only if it thinks the default changed), always (true) or never (false)."""

    fail_reload: bool = False
    """`systemctl reload nginx` fails and changes nothing, and so does DSM's own reload."""

    private_tmp: bool = True
    """synowebapi does not see what others put into /tmp (reported on 7.2.2, not so on 7.3)."""


def read_switches(tree: DsmTree) -> Switches:
    """Read the switches; without the file they are all at their defaults.

    Raises:
        TypeError: the file names a switch that there is not.
    """
    path = tree.path(SWITCHES)
    return Switches(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else Switches()


def write_switches(tree: DsmTree, **changes: Any) -> None:
    """Change the named switches, keep the others.

    Raises:
        TypeError: there is no such switch.
    """
    tree.write_json(tree.path(SWITCHES), asdict(replace(read_switches(tree), **changes)))
