"""Settings of hosted zones that are not simply found by name in the account."""

from __future__ import annotations

from dataclasses import dataclass

from . import setting_values as check
from .setting_values import SettingsError, path

ZONES = "zones"
FIELDS = ("create", "id", "role")


@dataclass(frozen=True)
class ZoneSettings:
    """One hosted zone.

    Attributes:
        name: its domain.
        create: the stack makes it.
        id: its id, where it is not looked up by name, or None.
        role: ARN of the role through which the renewer reaches a zone of another AWS account, or None.
    """

    name: str
    create: bool = False
    id: str | None = None
    role: str | None = None


def load_zones(value: object) -> dict[str, ZoneSettings]:
    """Read `zones`, name -> fields.

    Raises:
        SettingsError: a value is not allowed.
    """
    zones = {}
    for name, about in sorted(check.entries(ZONES, value, FIELDS).items()):
        check.domain(ZONES, name)
        zone = ZoneSettings(
            name,
            create=check.true_or_false(path(ZONES, name, "create"), about.get("create", False)),
            id=check.zone_id(path(ZONES, name, "id"), about.get("id")),
            role=check.role_arn(path(ZONES, name, "role"), about.get("role")),
        )
        if zone.create and (zone.id or zone.role):
            raise SettingsError(
                path(ZONES, name, "create"), True, "a zone with an id or a role is there already"
            )
        if zone.role and not zone.id:
            key = path(ZONES, name, "id")
            raise SettingsError(
                key, None, "the zone's id is wanted: it cannot be looked up in another account"
            )
        zones[name] = zone
    return zones
