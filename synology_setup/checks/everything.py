"""All checks, in the order in which one trap explains the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from synology_setup.remote.target import SSH_PORT
from synology_setup.stack_outputs import NasOutputs, StackOutputs

from .addresses import check_addresses, resolve
from .alarm import check_alarm
from .authority import read_authority
from .aws import Aws
from .caa import check_caa
from .delegation import check_delegation
from .finding import Finding, untold
from .identity import Identity, check_identity
from .interception import check_interception, doubt
from .nas import certificate_of, check_nas, host_of, is_address, names_of
from .permissions import OF_THE_NAS_USER, OF_THE_RENEWER, check_permissions
from .resolvers import Resolvers
from .stack_resources import check_renewer, check_user
from .zones import HostedZone, published_addresses, read_zones, zone_of


def _now() -> datetime:
    return datetime.now(UTC)


def check_all(
    outputs: StackOutputs,
    nases: Sequence[NasOutputs],
    resolvers: Resolvers,
    *,
    ssh_port: int = SSH_PORT,
    roots: str | None = None,
    now: Callable[[], datetime] = _now,
) -> Iterator[Finding]:
    """Look at everything that set-up and renewal rest on; yields each finding as it comes.

    Args:
        outputs: the stack's.
        nases: the NASes to look at, of the stack's.
        resolvers: who is asked for names.
        ssh_port: of the NASes.
        roots: PEM of roots that are trusted for the NASes' certificates beside the system's.
        now: this machine's clock.

    Example:
        for finding in check_all(outputs, list(outputs.nases.values()), Resolvers.default()):
            print(finding.ok, finding.what, finding.measured, finding.advice)
    """
    aws = Aws(outputs.region)
    finding, identity = check_identity(aws, outputs)
    yield finding
    if identity is not None:
        yield from _stack(aws, identity, outputs, nases)
    asked = aws if identity is not None else None
    zones = read_zones(asked, outputs)
    between = check_interception(resolvers)
    yield between
    intercepted = between.ok is False
    for finding in _domains(outputs, zones, resolvers):
        yield doubt(finding) if intercepted else finding
    yield check_alarm(asked, outputs.alarm_topic)
    for nas in nases:
        for name in names_of(nas):
            zone = zone_of(name, zones)
            published = published_addresses(asked, zone, name)
            yield from check_addresses(name, zone, published, resolvers, intercepted=intercepted)
        address = _address(asked, zones, nas, resolvers)
        yield from check_nas(
            nas, address, certificate_of(nas, outputs), ssh_port=ssh_port, roots=roots, now=now
        )


def _stack(
    aws: Aws, identity: Identity, outputs: StackOutputs, nases: Sequence[NasOutputs]
) -> Iterator[Finding]:
    for nas in nases:
        finding, arn = check_user(aws, nas)
        yield finding
        if finding.ok is not False:
            yield check_permissions(aws, identity, OF_THE_NAS_USER, arn, f"the IAM user {nas.user}")
    finding, arn = check_renewer(aws, outputs)
    yield finding
    if finding.ok is not False:
        yield check_permissions(aws, identity, OF_THE_RENEWER, arn, f"the Lambda {outputs.renewer}")


def _domains(outputs: StackOutputs, zones: Sequence[HostedZone], resolvers: Resolvers) -> Iterator[Finding]:
    for zone in zones:
        yield check_delegation(zone, resolvers)
    domains: dict[tuple[str, str | None], dict[str, None]] = {}
    for request in outputs.requests.values():
        named = domains.setdefault((request["directory"], request.get("ca_root")), {})
        named.update(dict.fromkeys(request["domains"]))
    for (directory, ca_root), named in domains.items():
        authority = read_authority(directory, ca_root)
        if authority.problem:
            yield untold(f"CAA lets the authority at {directory} issue", authority.problem)
        else:
            yield from check_caa(named, authority.identities, resolvers)


def _address(
    aws: Aws | None, zones: Sequence[HostedZone], nas: NasOutputs, resolvers: Resolvers
) -> str | None:
    """Return where the NAS is: by Route 53's record, else by what the resolvers answer; IPv4 before IPv6."""
    host = host_of(nas)
    if is_address(host):
        return host
    published = published_addresses(aws, zone_of(host, zones), host).addresses
    known = published or resolve(resolvers.own, host).found or resolve(resolvers.public, host).found
    return min(known, key=lambda address: (":" in address, address), default=None)
