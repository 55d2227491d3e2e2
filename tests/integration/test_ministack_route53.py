"""The local AWS keeps Route 53's rules of record sets, and its condition keys."""

import re

import pytest
from botocore.exceptions import ClientError

from local_cloud.ministack.server import Credentials, LocalAws
from tests.integration.aws_refusals import allow, denied, token, unique

Change = tuple[str, str, str, list[str]]


class Zone:
    """The hosted zone example.com, and its changes in few words."""

    def __init__(self, local_aws: LocalAws, credentials: Credentials | None = None, id_: str = "") -> None:
        self.client = local_aws.client("route53", *(credentials or ()))
        self.id = id_ or str(
            self.client.create_hosted_zone(Name="Example.com", CallerReference=token())["HostedZone"]["Id"]
        ).removeprefix("/hostedzone/")

    def change(self, *changes: Change) -> str:
        """Ask for (action, name, type, values) changes in one batch; return the change's id."""
        batch = [
            {
                "Action": action,
                "ResourceRecordSet": {
                    "Name": name,
                    "Type": kind,
                    "TTL": 60,
                    "ResourceRecords": [{"Value": value} for value in values],
                },
            }
            for action, name, kind, values in changes
        ]
        asked = self.client.change_resource_record_sets(HostedZoneId=self.id, ChangeBatch={"Changes": batch})
        return str(asked["ChangeInfo"]["Id"])

    def refuses(self, text: str, *changes: Change) -> None:
        before = self.sets()
        with pytest.raises(ClientError, match=re.escape(text)) as failure:
            self.change(*changes)
        assert failure.value.response["Error"]["Code"] == "InvalidChangeBatch"
        assert self.sets() == before

    def sets(self) -> dict[tuple[str, str], list[str]]:
        """The values of each record set by name and type, but the zone's own SOA and NS."""
        listed = self.client.list_resource_record_sets(HostedZoneId=self.id)["ResourceRecordSets"]
        return {
            (found["Name"], found["Type"]): [record["Value"] for record in found["ResourceRecords"]]
            for found in listed
            if found["Type"] not in {"SOA", "NS"}
        }


@pytest.fixture
def zone(local_aws: LocalAws) -> Zone:
    return Zone(local_aws)


TXT = ['"value"']


def test_value_twice_in_a_set_is_refused(zone: Zone) -> None:
    zone.refuses("Duplicate Resource Record", ("CREATE", "a.example.com", "TXT", ['"1"', '"2"', '"1"']))


@pytest.mark.parametrize("name", ["example.org", "badexample.com", "com"])
def test_name_outside_the_zone_is_refused(zone: Zone, name: str) -> None:
    zone.refuses(
        f"RRSet with DNS name {name}. is not permitted in zone example.com.", ("CREATE", name, "TXT", TXT)
    )


def test_apex_is_inside_the_zone(zone: Zone) -> None:
    zone.change(("CREATE", "EXAMPLE.com", "TXT", TXT))
    assert zone.sets() == {("example.com.", "TXT"): TXT}


@pytest.mark.parametrize("value", ["bare", '"open', '"' + "x" * 256 + '"'])
def test_txt_value_without_its_quotes_is_refused(zone: Zone, value: str) -> None:
    zone.refuses("InvalidCharacterString", ("CREATE", "a.example.com", "TXT", [value]))


def test_txt_value_of_several_strings_is_one_value(zone: Zone) -> None:
    values = ['"' + "x" * 255 + '" "rest"', r'"with \"quotes\""']
    zone.change(("CREATE", "a.example.com", "TXT", values))
    assert zone.sets() == {("a.example.com.", "TXT"): values}


def test_cname_stands_alone(zone: Zone) -> None:
    cname = ("CREATE", "a.example.com", "CNAME", ["elsewhere.example.net"])
    txt = ("CREATE", "A.example.com", "TXT", TXT)
    zone.change(cname)
    zone.refuses("a conflicting RRSet of type CNAME", txt)
    zone.change(("DELETE", *cname[1:]), txt)
    zone.refuses("it conflicts with other records", cname)
    zone.refuses(
        "is not permitted", ("CREATE", "b.example.com", "TXT", TXT), ("CREATE", "b.example.com", *cname[2:])
    )
    zone.refuses("is not permitted", ("CREATE", "example.com", *cname[2:]))


def test_upper_and_lower_case_are_one_name(zone: Zone) -> None:
    zone.change(("CREATE", "_ACME-Challenge.Example.com", "TXT", TXT))
    zone.refuses("already exists", ("CREATE", "_acme-challenge.example.com.", "TXT", TXT))
    zone.change(("DELETE", r"_acme-challeng\105.example.COM", "TXT", TXT))
    assert zone.sets() == {}


def test_asterisk_is_listed_as_octal(zone: Zone) -> None:
    zone.change(("CREATE", "*.example.com", "A", ["192.0.2.1"]))
    assert zone.sets() == {(r"\052.example.com.", "A"): ["192.0.2.1"]}
    zone.refuses("already exists", ("CREATE", r"\052.example.com", "A", ["192.0.2.1"]))
    found = zone.client.list_resource_record_sets(
        HostedZoneId=zone.id, StartRecordName="*.EXAMPLE.com", StartRecordType="A", MaxItems="1"
    )
    assert found["ResourceRecordSets"][0]["Name"] == r"\052.example.com."


def test_renewer_changes_only_its_txt_sets(local_aws: LocalAws, zone: Zone) -> None:
    key = "route53:ChangeResourceRecordSets"
    policy = allow(
        key,
        f"arn:aws:route53:::hostedzone/{zone.id}",
        **{
            "ForAllValues:StringEquals": {
                f"{key}NormalizedRecordNames": [
                    "_acme-challenge.example.com",
                    r"_acme-challenge.\052.example.com",
                ],
                f"{key}RecordTypes": ["TXT"],
                f"{key}Actions": ["CREATE", "DELETE"],
            }
        },
    )
    renewer = Zone(local_aws, local_aws.user(unique("renewer"), policy), zone.id)
    mine, wildcard = "_acme-challenge.example.com", "_acme-challenge.*.example.com"
    renewer.change(("CREATE", "_ACME-challenge.Example.com.", "TXT", TXT), ("CREATE", wildcard, "TXT", TXT))
    renewer.change(("DELETE", wildcard.replace("*", r"\052"), "TXT", TXT))
    for change in [
        ("CREATE", mine, "A", ["192.0.2.1"]),
        ("UPSERT", mine, "TXT", TXT),
        ("CREATE", f"www.{mine}", "TXT", TXT),
        ("CREATE", r"_acme-challenge\056example.com", "TXT", TXT),
    ]:
        _denied_change(renewer, change)
        _denied_change(renewer, ("DELETE", mine, "TXT", TXT), change)
    assert zone.sets() == {(f"{mine}.", "TXT"): TXT}


def _denied_change(zone: Zone, *changes: Change) -> None:
    denied(lambda: zone.change(*changes))


def test_get_change_needs_only_changes(local_aws: LocalAws, zone: Zone) -> None:
    change = zone.change(("CREATE", "a.example.com", "TXT", TXT))
    for resource, allowed in [
        ("arn:aws:route53:::change/*", True),
        (f"arn:aws:route53:::{change.strip('/')}", True),
        ("arn:aws:route53:::change/COTHER", False),
        ("arn:aws:route53:::hostedzone/*", False),
    ]:
        key = local_aws.user(unique("poller"), allow("route53:GetChange", resource))
        get_change = local_aws.client("route53", *key).get_change
        if allowed:
            assert get_change(Id=change)["ChangeInfo"]["Id"] == change
        else:
            denied(get_change, Id=change)
