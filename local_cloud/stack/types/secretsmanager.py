"""Secrets Manager: secrets without their values, which are not the stack's."""

from __future__ import annotations

from .resource_type import (
    Cloud,
    Created,
    Inputs,
    ResourceType,
    State,
    change_tags,
    full_name,
    tag_list,
    tag_map,
)

_RECOVERY_DAYS = 30  # pulumi_aws, Secret.recovery_window_in_days: the default


def _create(cloud: Cloud, inputs: Inputs) -> Created:
    name = full_name(inputs)
    arn = cloud.client("secretsmanager").create_secret(
        Name=name, Description=inputs.get("description", ""), Tags=tag_list(inputs)
    )["ARN"]
    return arn, {"name": name, "arn": arn}


def _read(cloud: Cloud, arn: str, _: State) -> State | None:
    found = cloud.client("secretsmanager").describe_secret(SecretId=arn)
    if found.get("DeletedDate"):
        return None
    return {
        "name": found["Name"],
        "arn": found["ARN"],
        "description": found.get("Description", ""),
        "tags": tag_map(found.get("Tags", [])),
    }


def _update(cloud: Cloud, arn: str, old: State, new: Inputs) -> State:
    secrets = cloud.client("secretsmanager")
    secrets.update_secret(SecretId=arn, Description=new.get("description", ""))
    change_tags(
        old,
        new,
        untag=lambda gone: secrets.untag_resource(SecretId=arn, TagKeys=gone),
        tag=lambda tags: secrets.tag_resource(SecretId=arn, Tags=tags),
    )
    return {}


def _delete(cloud: Cloud, arn: str, state: State) -> None:
    days = state.get("recoveryWindowInDays", _RECOVERY_DAYS)
    secrets = cloud.client("secretsmanager")
    if days == 0:
        secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    else:
        secrets.delete_secret(SecretId=arn, RecoveryWindowInDays=days)


TYPES = (
    ResourceType(
        token="aws:secretsmanager/secret:Secret",  # noqa: S106 - a type's name
        carried=("name", "namePrefix", "description", "recoveryWindowInDays", "tags"),
        fixed=("name", "namePrefix"),
        source="UpdateSecret takes no new name",
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        unread=("recoveryWindowInDays",),
    ),
)
