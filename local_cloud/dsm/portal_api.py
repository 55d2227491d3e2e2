"""SYNO.Core.Web.DSM, SYNO.Core.AppPortal and its ReverseProxy: the settings of the recipe's last chapter."""

from __future__ import annotations

import re
import uuid

from local_cloud.dsm.api_error import INVALID_PARAMETER, PARTIAL_OBJECT, ApiError
from local_cloud.dsm.bindings import deliver, move
from local_cloud.dsm.nginx import DSM_SETTINGS, REVERSE_PROXY_RULES, generate, reload_nginx
from local_cloud.dsm.tree import DsmTree, Json

_PORTS = range(1, 65536)


def get_settings(tree: DsmTree, _: Json) -> Json:
    """Web.DSM get, version 2."""
    return tree.read_json(DSM_SETTINGS)


def set_settings(tree: DsmTree, parameters: Json) -> Json:
    """Web.DSM set, version 2: it wants the full object, a partial one fails with 2001 (measured)."""
    fields = tree.read_json(DSM_SETTINGS).keys()
    if not parameters.keys() >= fields:
        raise ApiError(PARTIAL_OBJECT)
    settings = {name: parameters[name] for name in fields}
    if settings["http_port"] not in _PORTS or settings["https_port"] not in _PORTS:
        raise ApiError(INVALID_PARAMETER)
    tree.write_json(tree.path(DSM_SETTINGS), settings)
    generate(tree)
    reload_nginx(tree)
    return {}


def list_portals(_: DsmTree, __: Json) -> Json:
    """AppPortal list, version 2, as N4S4/synology-api shows it: here one without an address of its own."""
    portal = {
        "display_name": "File Station",
        "enable_redirect": False,
        "id": "SYNO.SDS.App.FileStation3.Instance",
    }
    return {"portal": [portal]}


def list_rules(tree: DsmTree, _: Json) -> Json:
    """ReverseProxy list, version 1."""
    return tree.read_json(REVERSE_PROXY_RULES)


def create_rule(tree: DsmTree, parameters: Json) -> Json:
    """ReverseProxy create, version 1: the rule's own service is bound to the default certificate."""
    rules = tree.read_json(REVERSE_PROXY_RULES)
    entry = parameters.get("entry")
    if not isinstance(entry, dict) or not _is_rule(entry) or _is_taken(entry, rules["entries"]):
        raise ApiError(INVALID_PARAMETER)
    identifier = str(uuid.uuid4())
    add_rule(tree, {**entry, "UUID": identifier, "_key": identifier})
    generate(tree)
    reload_nginx(tree)
    return {}


def delete_rules(tree: DsmTree, parameters: Json) -> Json:
    """ReverseProxy delete, version 1, with a list of `uuids` (as public clients send it)."""
    rules, gone = tree.read_json(REVERSE_PROXY_RULES), parameters.get("uuids")
    known = [rule["UUID"] for rule in rules["entries"]]
    if not isinstance(gone, list) or not gone or not set(gone) <= set(known):
        raise ApiError(INVALID_PARAMETER)
    rules["entries"] = [rule for rule in rules["entries"] if rule["UUID"] not in gone]
    tree.write_json(tree.path(REVERSE_PROXY_RULES), rules)
    entries = tree.info()
    for entry in entries.values():
        entry["services"] = [one for one in entry["services"] if one["service"] not in gone]
    tree.write_info(entries)
    generate(tree)
    reload_nginx(tree)
    return {}


def add_rule(tree: DsmTree, rule: Json) -> None:
    """Add a rule to DSM's list, with its service and the service's copy."""
    rules = tree.read_json(REVERSE_PROXY_RULES)
    rules["entries"].append(rule)
    tree.write_json(tree.path(REVERSE_PROXY_RULES), rules)
    service = {
        "display_name": rule["frontend"]["fqdn"],
        "isPkg": False,
        "multiple_cert": True,
        "owner": "root",
        "service": rule["UUID"],
        "subscriber": "ReverseProxy",
        "user_setable": True,
    }
    move(tree, service, tree.default_id)
    deliver(tree, tree.default_id, [service])


def _is_rule(entry: Json) -> bool:
    ends = [entry.get("frontend"), entry.get("backend")]
    return all(
        isinstance(end, dict)
        and re.fullmatch(r"[A-Za-z0-9.*-]+", str(end.get("fqdn")))
        and end.get("port") in _PORTS
        and end.get("protocol") in (0, 1)
        for end in ends
    )


def _is_taken(entry: Json, rules: list[Json]) -> bool:
    place = (entry["frontend"]["fqdn"], entry["frontend"]["port"])
    return place in [(rule["frontend"]["fqdn"], rule["frontend"]["port"]) for rule in rules]
