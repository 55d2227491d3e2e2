"""Route 53: what a hosted zone holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

from .reach import Document, Function, Reply, module, wrap_function

BATCH_PARSERS = ("_parse_body", "_parse_record_set", "_find", "_findall", "_text")
_UNPLAIN = re.compile(r"\\([0-7]{3})|([^a-z0-9_.-])")
_QUOTED_STRINGS = re.compile(r'"(?:[^"\\]|\\.){0,255}"(?:\s+"(?:[^"\\]|\\.){0,255}")*')

Changes = list[tuple[str, Document]]


def normal_name(name: str) -> str:
    r"""Return the name as Route 53 keeps it, without trailing dot: `*.Example.com.` is `\052.example.com`."""

    def plain(match: re.Match[str]) -> str:
        character = chr(int(match[1], 8)).lower() if match[1] else match[2]
        if re.fullmatch(r"[a-z0-9_-]", character):
            return character
        return "".join(f"\\{byte:03o}" for byte in character.encode("latin-1" if match[1] else "utf-8"))

    return _UNPLAIN.sub(plain, name.lower()).rstrip(".")


def changes_of(route53: ModuleType, body: bytes) -> Changes:
    """The (action, record set) of each change of a batch; none where the body is not a batch."""
    node = route53._parse_body(body)
    for tag in ("ChangeBatch", "Changes"):
        node = None if node is None else route53._find(node, tag)
    if node is None:
        return []
    return [
        (route53._text(change, "Action"), route53._parse_record_set(record))
        for change in route53._findall(node, "Change")
        if (record := route53._find(change, "ResourceRecordSet")) is not None
    ]


def _refuse_batch(problem: Callable[[str, list[Document], Changes], str | None]) -> None:
    """Answer InvalidChangeBatch where `problem(zone name, its record sets, the changes)` finds one."""
    route53 = module("services.route53", "_zones", "_records", "_error_response", *BATCH_PARSERS)

    def change(original: Function, zone_id: str, body: bytes) -> Reply:
        zone = route53._zones.get(zone_id)
        found = problem(zone["name"], route53._records[zone_id], changes_of(route53, body)) if zone else None
        reply: Reply = (
            route53._error_response("InvalidChangeBatch", f"[{found}]") if found else original(zone_id, body)
        )
        return reply

    wrap_function(route53, "_change_resource_record_sets", change)


def names_are_one_spelling() -> None:
    r"""Upper and lower case, `*` and `\052`, with and without dot are the same name, listed in one spelling.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html: "Route 53 stores
    alphabetic characters as lowercase letters (a-z), regardless of how you specify them"; other characters
    are returned "as escape codes", `*` as \052.
    """
    route53 = module("services.route53")

    def normalise(original: Function, name: str) -> str:
        return str(original(normal_name(name)))

    wrap_function(route53, "_normalise_name", normalise)


def records_stay_in_their_zone() -> None:
    """A record set's name is the zone's name or below it.

    [Route 53 API] ChangeResourceRecordSets, InvalidChangeBatch; the text is AWS's.
    """

    def problem(zone: str, _records: list[Document], changes: Changes) -> str | None:
        for _, record in changes:
            if not f".{record['Name']}".endswith(f".{zone}"):
                return f"RRSet with DNS name {record['Name']} is not permitted in zone {zone}"
        return None

    _refuse_batch(problem)


def values_are_unique() -> None:
    """A record set holds no value twice.

    [Route 53 API] ChangeResourceRecordSets, InvalidChangeBatch; the text is AWS's.
    """

    def problem(_zone: str, _records: list[Document], changes: Changes) -> str | None:
        for _, record in changes:
            values = record.get("ResourceRecords", [])
            if twice := [value for value in values if values.count(value) > 1]:
                return f"Duplicate Resource Record: '{twice[0]}'"
        return None

    _refuse_batch(problem)


def txt_values_are_quoted() -> None:
    """A TXT value is one or more quoted strings of at most 255 characters.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html#TXTFormat.
    """

    def problem(_zone: str, _records: list[Document], changes: Changes) -> str | None:
        for _, record in changes:
            for value in record.get("ResourceRecords", []) if record["Type"] == "TXT" else []:
                if not _QUOTED_STRINGS.fullmatch(value):
                    return (
                        "Invalid Resource Record: 'FATAL problem: InvalidCharacterString (Value should be "
                        f"enclosed in quotation marks) encountered with '{value}''"
                    )
        return None

    _refuse_batch(problem)


def cname_stands_alone() -> None:
    """After the whole batch, a name with a CNAME has no other type.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html#CNAMEFormat: "you
    cannot create any other records for that subdomain".
    """

    def problem(zone: str, records: list[Document], changes: Changes) -> str | None:
        held = {(record["Name"], record["Type"]) for record in records}
        for action, record in changes:
            (held.discard if action == "DELETE" else held.add)((record["Name"], record["Type"]))
        for name, kind in {(record["Name"], record["Type"]) for _, record in changes} & held:
            others = {other for held_name, other in held if held_name == name} - {kind}
            if kind == "CNAME" and others:
                return (
                    f"RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other "
                    f"records with the same DNS name in zone {zone}"
                )
            if "CNAME" in others:
                return (
                    f"RRSet of type {kind} with DNS name {name} is not permitted because a conflicting RRSet "
                    f"of type CNAME with the same DNS name already exists in zone {zone}"
                )
        return None

    _refuse_batch(problem)


def change_has_an_arn() -> None:
    """GetChange is authorized on arn:aws:route53:::change/<id>, not on `*` alone.

    [Authorization amazonroute53]: GetChange, resource type change.
    """

    def resource(original: Function, service: str, method: str, path: str, *rest: Any) -> Any:
        if service == "route53" and (change := re.fullmatch(r"/[^/]+/change/([^/]+)", path)):
            return f"arn:aws:route53:::change/{change[1]}"
        return original(service, method, path, *rest)

    wrap_function(module("core.iam_actions"), "extract_resource_arn", resource)
