"""SYNO.Core.TaskScheduler and SYNO.Core.EventScheduler: tasks by the clock, and by an event such as boot-up.

Shapes as N4S4/synology-api shows them, and as measured on 7.3. `list` shows both kinds together, those of an
event with the id -1 (unsure; their names are unique, those of the others are not). Unsure, too, and taken the
harder way: a task of root's is made by the `.Root` API alone, and `action` holds only the script's beginning.
"""

from __future__ import annotations

from local_cloud.dsm.api_error import BAD_SCHEDULE, INVALID_PARAMETER, NO_PERMISSION, ApiError
from local_cloud.dsm.releases import release_of
from local_cloud.dsm.tree import DsmTree, Json

TASKS = "/usr/syno/etc/simulated-tasks.json"
_SCHEDULE = {"date_type", "week_day", "hour", "minute", "repeat_hour", "repeat_min", "last_work_hour"}
_SHOWN = 40
_HOURS, _MINUTES = range(24), range(60)


def list_tasks(tree: DsmTree, _: Json) -> Json:
    """TaskScheduler list, version 3."""
    state = read_tasks(tree)
    tasks = [_listed(task, task["id"], task["extra"]["script"], "script") for task in state["tasks"]]
    tasks += [_listed(task, -1, task["operation"], "event_script") for task in state["events"]]
    return {"tasks": tasks, "total": len(tasks)}


def get_task(tree: DsmTree, parameters: Json) -> Json:
    """TaskScheduler get, version 4."""
    return _find(read_tasks(tree), parameters.get("id"), parameters.get("real_owner"))


def create_task(tree: DsmTree, parameters: Json) -> Json:
    """TaskScheduler.Root create, version 4; names need not be unique."""
    task = _checked(tree, parameters)
    state = read_tasks(tree)
    task["id"] = state["next_id"]
    state["next_id"] += 1
    state["tasks"].append(task)
    _write(tree, state)
    return {"id": task["id"]}


def set_task(tree: DsmTree, parameters: Json) -> Json:
    """TaskScheduler.Root set, version 4: overwrites all settings of the task."""
    state = read_tasks(tree)
    old = _find(state, parameters.get("id"), parameters.get("real_owner"))
    state["tasks"][state["tasks"].index(old)] = {**_checked(tree, parameters), "id": old["id"]}
    _write(tree, state)
    return {}


def enable_tasks(tree: DsmTree, parameters: Json) -> Json:
    """TaskScheduler set_enable, version 2: `status` is a list of id, real_owner and enable."""
    state = read_tasks(tree)
    for change in _objects(parameters.get("status")):
        if not isinstance(change.get("enable"), bool):
            raise ApiError(INVALID_PARAMETER)
        _find(state, change.get("id"), change.get("real_owner"))["enable"] = change["enable"]
    _write(tree, state)
    return {}


def delete_tasks(tree: DsmTree, parameters: Json) -> Json:
    """TaskScheduler delete, version 2: `tasks` is a list of id and real_owner."""
    state = read_tasks(tree)
    for gone in _objects(parameters.get("tasks")):
        state["tasks"].remove(_find(state, gone.get("id"), gone.get("real_owner")))
    _write(tree, state)
    return {}


def refuse_root(_: DsmTree, parameters: Json) -> Json:
    """TaskScheduler create and set: a task of root's goes by the `.Root` API."""
    raise ApiError(NO_PERMISSION if parameters.get("owner") == "root" else INVALID_PARAMETER)


def get_event(tree: DsmTree, parameters: Json) -> Json:
    """EventScheduler get, version 1."""
    return _find_event(read_tasks(tree), parameters)


def create_event(tree: DsmTree, parameters: Json) -> Json:
    """EventScheduler.Root create, version 1."""
    state = read_tasks(tree)
    event = _checked_event(parameters)
    if any(one["task_name"] == event["task_name"] for one in state["events"]):
        raise ApiError(BAD_SCHEDULE)
    state["events"].append(event)
    _write(tree, state)
    return {}


def set_event(tree: DsmTree, parameters: Json) -> Json:
    """EventScheduler.Root set, version 1: overwrites all settings of the task."""
    state = read_tasks(tree)
    old = _find_event(state, parameters)
    state["events"][state["events"].index(old)] = _checked_event(parameters)
    _write(tree, state)
    return {}


def enable_event(tree: DsmTree, parameters: Json) -> Json:
    """EventScheduler set_enable, version 1."""
    state = read_tasks(tree)
    if not isinstance(parameters.get("enable"), bool):
        raise ApiError(INVALID_PARAMETER)
    _find_event(state, parameters)["enable"] = parameters["enable"]
    _write(tree, state)
    return {}


def delete_event(tree: DsmTree, parameters: Json) -> Json:
    """EventScheduler delete, version 1."""
    state = read_tasks(tree)
    state["events"].remove(_find_event(state, parameters))
    _write(tree, state)
    return {}


def read_tasks(tree: DsmTree) -> Json:
    """Return what the simulation keeps: `tasks`, `events`, and the next id."""
    if not tree.path(TASKS).exists():
        return {"next_id": 1, "tasks": [], "events": []}
    return tree.read_json(TASKS)


def _write(tree: DsmTree, state: Json) -> None:
    tree.write_json(tree.path(TASKS), state)


def _listed(task: Json, task_id: int, script: str, kind: str) -> Json:
    owner = task["owner"] if isinstance(task["owner"], str) else next(iter(task["owner"].values()))
    return {
        "action": f"Run: {script[:_SHOWN]}",
        "can_delete": True,
        "can_edit": True,
        "can_run": True,
        "enable": task["enable"],
        "id": task_id,
        "name": task.get("name", task.get("task_name")),
        "owner": owner,
        "real_owner": owner,
        "type": kind,
    }


def _find(state: Json, task_id: object, real_owner: object) -> Json:
    for task in state["tasks"]:
        if (task["id"], task["real_owner"]) == (task_id, real_owner):
            found: Json = task
            return found
    raise ApiError(BAD_SCHEDULE)


def _find_event(state: Json, parameters: Json) -> Json:
    for event in state["events"]:
        if event["task_name"] == parameters.get("task_name"):
            found: Json = event
            return found
    raise ApiError(BAD_SCHEDULE)


def _checked(tree: DsmTree, parameters: Json) -> Json:
    schedule, extra = parameters.get("schedule"), parameters.get("extra")
    if not isinstance(schedule, dict) or not isinstance(extra, dict) or parameters.get("type") != "script":
        raise ApiError(INVALID_PARAMETER)
    if (
        not schedule.keys() >= _SCHEDULE
        or schedule["hour"] not in _HOURS
        or schedule["minute"] not in _MINUTES
    ):
        raise ApiError(BAD_SCHEDULE)
    if "monthly_week" in schedule and release_of(tree).refuses_monthly_week:
        raise ApiError(BAD_SCHEDULE)
    if not isinstance(parameters.get("enable"), bool) or not isinstance(extra.get("script"), str):
        raise ApiError(INVALID_PARAMETER)
    fields = ("name", "owner", "real_owner", "enable", "type", "schedule", "extra")
    return {name: parameters.get(name) for name in fields}


def _checked_event(parameters: Json) -> Json:
    owner, event = parameters.get("owner"), parameters.get("event")
    if not isinstance(owner, dict) or event not in {"bootup", "shutdown"}:
        raise ApiError(INVALID_PARAMETER)
    if not isinstance(parameters.get("enable"), bool) or not isinstance(parameters.get("operation"), str):
        raise ApiError(INVALID_PARAMETER)
    fields = (
        "task_name",
        "owner",
        "event",
        "enable",
        "operation",
        "operation_type",
        "depend_on_task",
        "notify_enable",
        "notify_mail",
        "notify_if_error",
    )
    return {name: parameters.get(name) for name in fields}


def _objects(value: object) -> list[Json]:
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        raise ApiError(INVALID_PARAMETER)
    return value
