"""SYNO.Core.Certificate.Service set and SYNO.Core.Certificate.CRT set: who serves what, and the default."""

from __future__ import annotations

from local_cloud.dsm.api_error import BAD_ASSIGNMENT, BAD_KEY, NO_SUCH_CERTIFICATE, ApiError
from local_cloud.dsm.bindings import apply_to_nginx, deliver, is_settable, make_default, move
from local_cloud.dsm.switches import read_switches
from local_cloud.dsm.tree import DsmTree, Json, service_key

_SERVICE_FIELDS = {"display_name", "isPkg", "owner", "service", "subscriber"}


def set_services(tree: DsmTree, parameters: Json) -> Json:
    """Service set, version 1: `settings` lists {"service": the whole object as listed, "old_id", "id"}."""
    settings = parameters.get("settings")
    known = tree.known_services()
    if not isinstance(settings, list) or not settings:
        raise ApiError(BAD_ASSIGNMENT)
    for setting in settings:
        _check(tree, setting, known)
    reloaded = False
    if not read_switches(tree).lie_on_bind:
        for setting in settings:
            _assign(tree, known[service_key(setting["service"])], setting["old_id"], setting["id"])
        reloaded = any(apply_to_nginx(tree, entry_id) for entry_id in {item["id"] for item in settings})
    return {"restart_httpd": reloaded}


def set_entry(tree: DsmTree, parameters: Json) -> Json:
    """CRT set, version 1: an entry's description, and with `as_default="true"` the default.

    As N4S4/synology-api calls it (`as_default`, `desc`, `id`). Unsure is whether services move as they do on
    an import, and whether a missing `desc` empties the old one: here both.
    """
    entry_id, as_default = parameters.get("id"), parameters.get("as_default", "")
    entries = tree.info()
    if not isinstance(entry_id, str) or entry_id not in entries:
        raise ApiError(NO_SUCH_CERTIFICATE)
    if not isinstance(as_default, str):
        raise ApiError(BAD_KEY)
    entries[entry_id]["desc"] = str(parameters.get("desc", ""))
    tree.write_info(entries)
    if as_default == "true":
        make_default(tree, entry_id)
    return {"restart_httpd": apply_to_nginx(tree, entry_id)}


def _check(tree: DsmTree, setting: object, known: dict[tuple[str, str], Json]) -> None:
    if not isinstance(setting, dict) or not isinstance(setting.get("service"), dict):
        raise ApiError(BAD_ASSIGNMENT)
    service = setting["service"]
    if not service.keys() >= _SERVICE_FIELDS or service_key(service) not in known:
        raise ApiError(BAD_ASSIGNMENT)
    if not all(isinstance(setting.get(name), str) for name in ("id", "old_id")):
        raise ApiError(BAD_ASSIGNMENT)
    if setting["id"] not in tree.info():
        raise ApiError(BAD_ASSIGNMENT)


def _assign(tree: DsmTree, service: Json, old_id: str, new_id: str) -> None:
    """Bind one service.

    Measured: quickconnect is refused silently (success, no change); a service that already has this
    certificate, or a stale old_id, *can* clear the binding. Here it always does.
    """
    if not is_settable(service):
        return
    owner = tree.owner_of(*service_key(service)) or ""
    if owner == new_id or owner != old_id:
        move(tree, service, None)
        return
    move(tree, service, new_id)
    deliver(tree, new_id, [service])
