"""dns-01 through Route 53: the TXT record sets of one issuance, changed by compare-and-swap.

A set is changed by a DELETE of exactly what was read plus a CREATE of the new one, in one change batch a
zone, which Route 53 applies as a whole or refuses with InvalidChangeBatch (ChangeResourceRecordSets, API
reference). So the values of other clients in the same set are never lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from .errors import RenewerError, ZoneError
from .log import log
from .request import CertificateRequest
from .waiting import Deadline, back_off

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_route53.type_defs import (
        ChangeTypeDef,
        ResourceRecordSetOutputTypeDef,
        ResourceRecordSetTypeDef,
    )

# Record name -> TXT values, quoted as Route 53 keeps them.
Values = Mapping[str, tuple[str, ...]]
# Hosted zone id -> the client that reaches it.
Route53OfZone = Callable[[str], "Route53Client"]

_TTL_SECONDS = 60
_SWAP_TRIES = 10
# INSYNC takes about half a minute at AWS, and Route 53 allows five requests a second an account: a list, a
# change and three polls fall into an issuance's first second (benchmarks/spreading.py).
FIRST_POLL_SECONDS = 0.2
LONGEST_POLL_SECONDS = 5.0
_SWAP_PAUSE_SECONDS = (0.1, 2.0)
# Of the time that a run keeps for its end: clean-up comes after the deadline of the waits, too.
_REMOVE_SECONDS = 30.0


def challenge_name(domain: str, delegations: Mapping[str, str]) -> str:
    """Return the name of the TXT record for `domain`; apex and wildcard share it (RFC 8555 section 8.4).

    Args:
        domain: the identifier, with or without `*.`.
        delegations: domain -> name to which its `_acme-challenge` is delegated by CNAME.
    """
    base = domain.removeprefix("*.")
    return delegations.get(base, f"_acme-challenge.{base}")


def zone_of(name: str, zones: Mapping[str, str]) -> str:
    """Return the id of the zone with the longest name that holds `name`, on a label boundary.

    Raises:
        ZoneError: no zone holds it.
    """
    labels = name.split(".")
    for start in range(len(labels)):
        zone = ".".join(labels[start:])
        if zone in zones:
            return zones[zone]
    raise ZoneError(
        f"{name} is in none of the hosted zones {', '.join(sorted(zones))}: add its zone to the settings"
    )


def needed_zones(request: CertificateRequest) -> tuple[str, ...]:
    """Return the ids of the hosted zones that the request's challenge records stand in, sorted.

    Raises:
        ZoneError: no zone holds one of them.
    """
    names = {challenge_name(domain, request.delegations) for domain in request.domains}
    return tuple(sorted({zone_of(name, request.zones) for name in names}))


def quoted(value: str) -> str:
    """Return a TXT value as Route 53 keeps it; a digest in base64url needs no escapes."""
    return f'"{value}"'


class ChallengeRecords:
    """The TXT values of one issuance: present them, wait for them, take them away."""

    def __init__(self, route53: Route53OfZone, zones: Mapping[str, str], deadline: Deadline) -> None:
        """Use `zones` (hosted zone name -> id) through the boto3 clients that `route53` gives for an id."""
        self._route53 = route53
        self._zones = zones
        self._deadline = deadline

    def present(self, values: Values, *, leftovers: Values) -> None:
        """Add `values`, take away the `leftovers` of a run that died, wait until all of Route 53 answers so.

        Raises:
            ZoneError: a name is in no zone, or its set cannot be changed.
            DeadlineExceeded: Route 53 took too long.
        """

        def wanted(name: str, found: set[str]) -> set[str]:
            return (found - set(leftovers.get(name, ()))) | set(values.get(name, ()))

        for zone, change in self._change({*values, *leftovers}, wanted, self._deadline).items():
            self._await_insync(zone, change)

    def remove(self, values: Values) -> None:
        """Take `values` away, also after the deadline; what others put there stays."""
        self._change(set(values), lambda name, found: found - set(values[name]), Deadline(_REMOVE_SECONDS))

    def discard(self, values: Values) -> None:
        """Take away what an earlier run left, as far as that is possible now; it never stops a renewal.

        A zone or a permission that the run had may be gone since.
        """
        for name, left in values.items():
            try:
                self.remove({name: left})
            except (RenewerError, ClientError, BotoCoreError) as error:
                log.warning("a TXT value may be left", record=name, error=str(error))

    def _change(
        self, names: set[str], wanted: Callable[[str, set[str]], set[str]], deadline: Deadline
    ) -> dict[str, str]:
        """Change the sets of all `names`; return zone id -> change id, where there was anything to change."""
        by_zone: dict[str, list[str]] = defaultdict(list)
        for name in sorted(names):
            by_zone[zone_of(name, self._zones)].append(name)
        changes = {zone: self._swap(zone, by_zone[zone], wanted, deadline) for zone in sorted(by_zone)}
        return {zone: change for zone, change in changes.items() if change}

    def _swap(
        self,
        zone: str,
        names: list[str],
        wanted: Callable[[str, set[str]], set[str]],
        deadline: Deadline,
    ) -> str | None:
        """Change the sets of `names` in one batch; return the change id, or None if nothing was to change."""
        client, pauses = self._route53(zone), back_off(*_SWAP_PAUSE_SECONDS)
        refusal = ""
        for _ in range(_SWAP_TRIES):
            batch: list[ChangeTypeDef] = []
            as_it_is: list[ChangeTypeDef] = []
            for name in names:
                found = self._read(zone, name)
                if found and "AliasTarget" in found:
                    raise ZoneError(
                        f"{name} is an alias record: remove it, so that its TXT values can be set"
                    )
                before = {record["Value"] for record in found["ResourceRecords"]} if found else set()
                after = wanted(name, before)
                if after == before:
                    if found:
                        as_it_is += [
                            {"Action": "DELETE", "ResourceRecordSet": found},
                            {"Action": "CREATE", "ResourceRecordSet": found},
                        ]
                    continue
                if found:
                    batch.append({"Action": "DELETE", "ResourceRecordSet": found})
                if after:
                    ttl = found["TTL"] if found else _TTL_SECONDS
                    batch.append({"Action": "CREATE", "ResourceRecordSet": _txt_set(name, ttl, after)})
            if not batch and refusal:
                # The answer to our own change was lost, and botocore's second try was refused: changes take
                # effect in order, so waiting for one that changes nothing is waiting for ours.
                batch = as_it_is
            if not batch:
                return None
            try:
                answer = client.change_resource_record_sets(
                    HostedZoneId=zone, ChangeBatch={"Comment": "dns-01", "Changes": batch}
                )
            except client.exceptions.InvalidChangeBatch as error:
                refusal = str(error)
                deadline.sleep(next(pauses), waiting_for="a record set that others change")
                continue
            return answer["ChangeInfo"]["Id"]
        raise ZoneError(
            f"Route 53 refused {_SWAP_TRIES} times to change the TXT records {', '.join(names)}: {refusal}. "
            "If a CNAME stands there, the challenge is delegated: name its target in `delegations`"
        )

    def _read(self, zone: str, name: str) -> ResourceRecordSetOutputTypeDef | None:
        sets = self._route53(zone).list_resource_record_sets(
            HostedZoneId=zone, StartRecordName=name, StartRecordType="TXT", MaxItems="1"
        )["ResourceRecordSets"]
        if sets and sets[0]["Name"].rstrip(".").lower() == name and sets[0]["Type"] == "TXT":
            return sets[0]
        return None

    def _await_insync(self, zone: str, change: str) -> None:
        client = self._route53(zone)
        pauses = back_off(FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS)
        while client.get_change(Id=change)["ChangeInfo"]["Status"] != "INSYNC":
            self._deadline.sleep(next(pauses), waiting_for=f"Route 53's change {change} to be INSYNC")


def _txt_set(name: str, ttl: int, values: set[str]) -> ResourceRecordSetTypeDef:
    return {
        "Name": name,
        "Type": "TXT",
        "TTL": ttl,
        "ResourceRecords": [{"Value": value} for value in sorted(values)],
    }
