"""A stack on the local AWS, as the tests of it see it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local_cloud.acme import Pebble
from local_cloud.ministack.server import LocalAws
from local_cloud.stack.deploy import PROJECT

BUILD = PROJECT / "build"
DOMAIN = "example.com"
ADDRESS = "192.168.0.10"
LIFETIME = 90 * 86_400
NAME_OF = {
    "account": "synology-https/dev/acme-account-",
    "certificate": f"synology-https/dev/certificate/{DOMAIN}-",
}
ROUTE53 = "route53:ChangeResourceRecordSets"

Document = dict[str, Any]


@dataclass
class Deployed:
    """A stack on the local AWS.

    Attributes:
        outputs: the stack's.
        created: what the program said of each resource, in order.
        keys_at_first: the NAS user's access keys right after `up`.
    """

    aws: LocalAws
    zone: str
    config: dict[str, Any]
    outputs: dict[str, Any]
    created: list[str] = field(default_factory=list)
    keys_at_first: list[Any] = field(default_factory=list)

    def client(self, service: str) -> Any:
        return self.aws.client(service)

    def secret(self, which: str) -> dict[str, Any]:
        """Return the description of the certificate's or the account's secret."""
        found = self.client("secretsmanager").list_secrets()["SecretList"]
        (secret,) = [one for one in found if one["Name"].startswith(NAME_OF[which])]
        return dict(secret)

    def schedule(self) -> dict[str, Any]:
        scheduler = self.client("scheduler")
        (listed,) = scheduler.list_schedules()["Schedules"]
        return dict(scheduler.get_schedule(GroupName=listed["GroupName"], Name=listed["Name"]))

    def role_policy(self, role: str) -> tuple[str, Document]:
        """Return name and document of the only policy of `role`."""
        iam = self.client("iam")
        (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        assert not iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        return name, iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]

    @property
    def renewer(self) -> dict[str, Any]:
        return dict(self.client("lambda").get_function_configuration(FunctionName=self.outputs["renewer"]))

    @property
    def renewer_role(self) -> str:
        return str(self.renewer["Role"]).rsplit("/", 1)[-1]

    def nas_policy(self) -> Document:
        iam, user = self.client("iam"), self.outputs["nas"]["synology"]["user"]
        (name,) = iam.list_user_policies(UserName=user)["PolicyNames"]
        assert not iam.list_attached_user_policies(UserName=user)["AttachedPolicies"]
        document: Document = iam.get_user_policy(UserName=user, PolicyName=name)["PolicyDocument"]
        return document


def agent_config(outputs: Mapping[str, Any]) -> dict[str, Any]:
    return dict(outputs["nas"]["synology"]["agent_config"])


def nas_user(outputs: Mapping[str, Any]) -> str:
    return str(outputs["nas"]["synology"]["user"])


def first_renewal(outputs: Mapping[str, Any]) -> dict[str, Any]:
    return dict(json.loads(outputs["certificates"][DOMAIN]["first_renewal"]))


def settings_of(acme: Pebble) -> dict[str, Any]:
    return {"directory": acme.directory_url, "ca_root": acme.ca_root.read_text(), "key_type": "ec256"}


def invoke(stack: Deployed, event: str | Mapping[str, Any]) -> dict[str, Any]:
    payload = event if isinstance(event, str) else json.dumps(event)
    answer = stack.client("lambda").invoke(FunctionName=stack.outputs["renewer"], Payload=payload.encode())
    outcome: dict[str, Any] = json.loads(answer["Payload"].read())
    return outcome


def change(name: str, record_type: str, action: str, value: str) -> Document:
    record = {"Name": name, "Type": record_type, "TTL": 60, "ResourceRecords": [{"Value": value}]}
    return {"Action": action, "ResourceRecordSet": record}


def change_records(route53: Any, zone: str, changes: list[Document]) -> None:
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
