"""CloudWatch Logs: log groups."""

from __future__ import annotations

from .resource_type import Cloud, Created, Inputs, ResourceType, State, full_name, removed_tags


def _set_retention(cloud: Cloud, name: str, inputs: Inputs) -> None:
    if inputs.get("retentionInDays"):
        cloud.client("logs").put_retention_policy(
            logGroupName=name, retentionInDays=inputs["retentionInDays"]
        )
    else:
        cloud.client("logs").delete_retention_policy(logGroupName=name)


def _create(cloud: Cloud, inputs: Inputs) -> Created:
    name = full_name(inputs)
    tags = {"tags": inputs["tags"]} if inputs.get("tags") else {}
    cloud.client("logs").create_log_group(logGroupName=name, **tags)
    if inputs.get("retentionInDays"):
        _set_retention(cloud, name, inputs)
    found = _read(cloud, name, {})
    return name, {"name": name, "arn": found["arn"] if found else ""}


def _read(cloud: Cloud, name: str, _: State) -> State | None:
    groups = cloud.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    for one in groups:
        if one["logGroupName"] == name:
            # The provider's ARN has no ":*" at its end, AWS's has.
            arn = one["arn"].removesuffix(":*")
            tags = cloud.client("logs").list_tags_for_resource(resourceArn=arn).get("tags", {})
            return {"arn": arn, "retentionInDays": one.get("retentionInDays", 0), "tags": tags}
    return None


def _update(cloud: Cloud, name: str, old: State, new: Inputs) -> State:
    _set_retention(cloud, name, new)
    if removed_tags(old, new):
        cloud.client("logs").untag_resource(resourceArn=old["arn"], tagKeys=removed_tags(old, new))
    if new.get("tags"):
        cloud.client("logs").tag_resource(resourceArn=old["arn"], tags=new["tags"])
    return {}


def _delete(cloud: Cloud, name: str, _: State) -> None:
    cloud.client("logs").delete_log_group(logGroupName=name)


TYPES = (
    ResourceType(
        token="aws:cloudwatch/logGroup:LogGroup",  # noqa: S106 - a type's name
        carried=("name", "namePrefix", "retentionInDays", "tags"),
        fixed=("name", "namePrefix"),
        source="CloudWatch Logs has no call that renames a group",
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
    ),
)
