"""EventBridge Scheduler: schedules and their groups."""

from __future__ import annotations

from typing import Any

from .resource_type import Cloud, Created, Inputs, ResourceType, State, change_tags, full_name, tag_list

_DEFAULT_GROUP = "default"  # CreateSchedule, GroupName


def _definition(inputs: Inputs) -> dict[str, Any]:
    """Return what CreateSchedule and UpdateSchedule both take: an update leaves out nothing it would keep."""
    window = inputs["flexibleTimeWindow"]
    flexible = {"Mode": window["mode"]}
    if window.get("maximumWindowInMinutes") is not None:
        flexible["MaximumWindowInMinutes"] = window["maximumWindowInMinutes"]
    target = inputs["target"]
    wanted: dict[str, Any] = {"Arn": target["arn"], "RoleArn": target["roleArn"]}
    if "input" in target:
        wanted["Input"] = target["input"]
    retry = target.get("retryPolicy", {})
    names = {
        "maximumRetryAttempts": "MaximumRetryAttempts",
        "maximumEventAgeInSeconds": "MaximumEventAgeInSeconds",
    }
    if retry:
        wanted["RetryPolicy"] = {names[key]: value for key, value in retry.items()}
    if "deadLetterConfig" in target:
        wanted["DeadLetterConfig"] = {"Arn": target["deadLetterConfig"]["arn"]}
    return {
        "GroupName": inputs.get("groupName", _DEFAULT_GROUP),
        "Description": inputs.get("description", ""),
        "ScheduleExpression": inputs["scheduleExpression"],
        "ScheduleExpressionTimezone": inputs.get("scheduleExpressionTimezone", "UTC"),
        "State": inputs.get("state", "ENABLED"),
        "FlexibleTimeWindow": flexible,
        "Target": wanted,
    }


def _create_schedule(cloud: Cloud, inputs: Inputs) -> Created:
    name = full_name(inputs)
    definition = _definition(inputs)
    arn = cloud.client("scheduler").create_schedule(Name=name, **definition)["ScheduleArn"]
    group = definition["GroupName"]
    return f"{group}/{name}", {"name": name, "arn": arn, "groupName": group}


def _read_schedule(cloud: Cloud, _id: str, state: State) -> State:
    found = cloud.client("scheduler").get_schedule(Name=state["name"], GroupName=state["groupName"])
    actual = {"name": found["Name"], "scheduleExpression": found["ScheduleExpression"]}
    for key, to in {"description": "Description", "state": "State"}.items():
        if key in state:
            actual[key] = found.get(to, "")
    known = state["target"]
    target = {**known, "arn": found["Target"]["Arn"], "roleArn": found["Target"]["RoleArn"]}
    if "input" in known:
        target["input"] = found["Target"].get("Input")
    if "retryPolicy" in known:
        retry = found["Target"].get("RetryPolicy", {})
        target["retryPolicy"] = {key: retry.get(key[0].upper() + key[1:]) for key in known["retryPolicy"]}
    window = found["FlexibleTimeWindow"]
    flexible: State = {"mode": window["Mode"]}
    if window.get("MaximumWindowInMinutes"):
        flexible["maximumWindowInMinutes"] = window["MaximumWindowInMinutes"]
    return {**actual, "target": target, "flexibleTimeWindow": flexible}


def _update_schedule(cloud: Cloud, _id: str, old: State, new: Inputs) -> State:
    cloud.client("scheduler").update_schedule(Name=old["name"], **_definition(new))
    return {}


def _delete_schedule(cloud: Cloud, _id: str, state: State) -> None:
    cloud.client("scheduler").delete_schedule(Name=state["name"], GroupName=state["groupName"])


def _create_group(cloud: Cloud, inputs: Inputs) -> Created:
    name = full_name(inputs)
    arn = cloud.client("scheduler").create_schedule_group(Name=name, Tags=tag_list(inputs))
    return name, {"name": name, "arn": arn["ScheduleGroupArn"], "state": "ACTIVE"}


def _read_group(cloud: Cloud, name: str, _: State) -> State:
    found = cloud.client("scheduler").get_schedule_group(Name=name)
    return {"name": found["Name"], "arn": found["Arn"], "state": found["State"]}


def _update_group(cloud: Cloud, _name: str, old: State, new: Inputs) -> State:
    scheduler = cloud.client("scheduler")
    change_tags(
        old,
        new,
        untag=lambda gone: scheduler.untag_resource(ResourceArn=old["arn"], TagKeys=gone),
        tag=lambda tags: scheduler.tag_resource(ResourceArn=old["arn"], Tags=tags),
    )
    return {}


def _delete_group(cloud: Cloud, name: str, _: State) -> None:
    cloud.client("scheduler").delete_schedule_group(Name=name)


TYPES = (
    ResourceType(
        token="aws:scheduler/schedule:Schedule",  # noqa: S106 - a type's name
        carried=(
            "name",
            "namePrefix",
            "groupName",
            "description",
            "scheduleExpression",
            "scheduleExpressionTimezone",
            "state",
            "flexibleTimeWindow",
            "target",
        ),
        fixed=("name", "namePrefix", "groupName"),
        source="UpdateSchedule: a schedule is known by group and name",
        create=_create_schedule,
        read=_read_schedule,
        update=_update_schedule,
        delete=_delete_schedule,
        unread=("scheduleExpressionTimezone",),
    ),
    ResourceType(
        token="aws:scheduler/scheduleGroup:ScheduleGroup",  # noqa: S106
        carried=("name", "namePrefix", "tags"),
        fixed=("name", "namePrefix"),
        source="EventBridge Scheduler has no UpdateScheduleGroup",
        create=_create_group,
        read=_read_group,
        update=_update_group,
        delete=_delete_group,
        unread=("tags",),
    ),
)
