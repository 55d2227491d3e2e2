"""The hosted zones: found by name, named by id, made by setting, or in another AWS account."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from .setting_values import SettingsError, path
from .tags import tags
from .zone_settings import ZONES, ZoneSettings


@dataclass(frozen=True)
class HostedZone:
    """A hosted zone.

    Attributes:
        name: its domain.
        id: its id.
        role: ARN of the role through which the renewer reaches it, where another AWS account has it.
        is_new: it is made here, so there is nothing in it yet.
    """

    name: str
    id: pulumi.Input[str]
    role: str | None = None
    is_new: bool = False


@dataclass(frozen=True)
class HostedZonesArgs:
    """Which zones.

    Attributes:
        names: the zones that are needed.
        settings: those of them that have settings, by name.
    """

    names: Iterable[str]
    settings: Mapping[str, ZoneSettings]


class HostedZones(pulumi.ComponentResource):
    """The hosted zones of the certificates.

    A zone that is made here goes with `destroy`, unless records of others are in it: AWS refuses that.

    Attributes:
        by_name: zone name -> the zone.
        name_servers: zone name -> its name servers, of the zones that are made here.
    """

    by_name: dict[str, HostedZone]
    name_servers: dict[str, pulumi.Output[Sequence[str]]]

    def __init__(self, name: str, args: HostedZonesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Find or make the zones.

        Raises:
            SettingsError: a zone is not there, or there is more than one of its name.
        """
        super().__init__("synology-https:index:HostedZones", name, {}, opts)
        self.by_name, self.name_servers = {}, {}
        for zone_name in args.names:
            zone = args.settings.get(zone_name, ZoneSettings(zone_name))
            if zone.create:
                made = aws.route53.Zone(
                    zone_name,
                    name=zone_name,
                    comment="Made by synology-https",
                    tags=tags(),
                    opts=pulumi.ResourceOptions(parent=self),
                )
                self.by_name[zone_name] = HostedZone(zone_name, made.zone_id, is_new=True)
                self.name_servers[zone_name] = made.name_servers
            else:
                self.by_name[zone_name] = HostedZone(zone_name, _existing(zone_name, zone), zone.role)
        self.register_outputs({})


def _existing(name: str, zone: ZoneSettings) -> str:
    """Return the zone's id: looked up, or the one that is set, which must be that of this zone."""
    if zone.id is None:
        return _find(name)
    if zone.role is None:  # a zone of another account cannot be asked from here
        _check_id(name, zone.id)
    return zone.id


def _check_id(name: str, zone_id: str) -> None:
    try:
        found = aws.route53.get_zone(zone_id=zone_id)
    except Exception as error:
        # Pulumi's own kind for a failed call is Exception; a zone that is missing is known by its words.
        if not re.search("no matching|NoSuchHostedZone|couldn't find|not found", str(error)):
            raise
        raise SettingsError(
            path(ZONES, name, "id"), zone_id, f"this account has no such hosted zone. {_what_there_is()}"
        ) from None
    if found.private_zone or found.name.rstrip(".") != name:
        kind = "private" if found.private_zone else "public"
        raise SettingsError(
            path(ZONES, name, "id"),
            zone_id,
            f"it is the {kind} hosted zone {found.name.rstrip('.')}. {_what_there_is()}",
        )


def _find(name: str) -> str:
    """Return the id of the account's public hosted zone of that name."""
    try:
        return aws.route53.get_zone(name=name, private_zone=False).zone_id
    except Exception as error:
        # Pulumi's own kind for a failed call is Exception; a zone that is missing is known by its words.
        if "multiple" in str(error):
            raise SettingsError(
                path(ZONES, name, "id"), None, f"this account has several hosted zones {name}: say which"
            ) from None
        if "no matching" not in str(error):
            raise
    raise SettingsError(
        ZONES,
        name,
        f"this account has no public hosted zone of that name. {_what_there_is()}. Name another in the "
        f"certificate's zone, or have this one made with "
        f"`pulumi config set --path '{path(ZONES, name, 'create')}' true`",
    )


def _what_there_is() -> str:
    try:
        ids = aws.route53.get_zones().ids
    except Exception as error:  # the missing zone is told in any case
        return f"Its zones could not be listed: {error}"
    found = []
    for zone_id in ids:
        with suppress(Exception):  # one that may not be read is none to propose
            zone = aws.route53.get_zone(zone_id=zone_id)
            if not zone.private_zone:
                found.append(zone.name.rstrip("."))
    return f"It has {', '.join(sorted(found)) or 'none at all'}"
