"""The A records that lead to the NAS."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

_TTL_SECONDS = 300


@dataclass(frozen=True)
class NasRecordsArgs:
    """What to publish.

    Attributes:
        zone_id: the hosted zone.
        host_names: full names, each with an A record.
        address: the NAS's IPv4 address.
    """

    zone_id: pulumi.Input[str]
    host_names: tuple[str, ...]
    address: str


class NasRecords(pulumi.ComponentResource):
    """One A record a host name, all to the same address."""

    def __init__(self, name: str, args: NasRecordsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Publish the records."""
        super().__init__("synology-https:index:NasRecords", name, {}, opts)
        for host_name in args.host_names:
            aws.route53.Record(
                host_name,
                zone_id=args.zone_id,
                name=host_name,
                type="A",
                ttl=_TTL_SECONDS,
                records=[args.address],
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
