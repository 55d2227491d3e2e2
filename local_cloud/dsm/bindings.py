"""Which entry serves what: moving services, writing their copies, telling nginx."""

from __future__ import annotations

from collections.abc import Iterable

from local_cloud.dsm.hook import run_hook
from local_cloud.dsm.nginx import generate, reload_nginx
from local_cloud.dsm.releases import release_of
from local_cloud.dsm.switches import read_switches
from local_cloud.dsm.tree import DsmTree, Json, service_key

QUICKCONNECT = ("system", "quickconnect")


def is_settable(service: Json) -> bool:
    """Tell whether DSM moves the service: not quickconnect, nor where `user_setable` is false.

    A missing key means that it may be bound: FTPS has none.
    """
    return service_key(service) != QUICKCONNECT and service.get("user_setable", True) is not False


def move(tree: DsmTree, service: Json, entry_id: str | None) -> None:
    """Bind the service to the entry, or with None clear its binding; its copy stays as it is."""
    entries = tree.info()
    for entry in entries.values():
        entry["services"] = [
            known for known in entry["services"] if service_key(known) != service_key(service)
        ]
    if entry_id is not None:
        entries[entry_id]["services"].append(service)
    tree.write_info(entries)


def deliver(tree: DsmTree, entry_id: str, services: Iterable[Json]) -> None:
    """Write the services' copies from the archive and run their hooks."""
    for service in services:
        tree.copy_to_service(entry_id, service)
        run_hook(tree, service)


def make_default(tree: DsmTree, entry_id: str) -> None:
    """Make the entry the default and give it the old one's services in the same call (measured on 7.3).

    Unsure is which services move: here those of the old default, not those of other entries.
    """
    old = tree.default_id
    if old == entry_id:
        return
    moving = [
        service for service in tree.info().get(old, {"services": []})["services"] if is_settable(service)
    ]
    tree.default_id = entry_id
    for service in moving:
        move(tree, service, entry_id)
    deliver(tree, entry_id, moving)


def apply_to_nginx(tree: DsmTree, entry_id: str) -> bool:
    """Reload nginx where DSM would after `entry_id` or its services changed; tell whether it was."""
    no_reload = read_switches(tree).no_reload
    if no_reload is True or (no_reload == "non-default" and entry_id != tree.default_id):
        return False
    if release_of(tree).systemd:
        generate(tree)
    return reload_nginx(tree).returncode == 0
