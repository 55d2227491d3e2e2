"""The agent's tasks in DSM's Task Scheduler: one by the clock, one at boot-up.

DSM's names of tasks by the clock are not unique, so ours is found by the command that it runs; those of tasks
by an event are.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from synology_agent.errors import DsmError

from .nas import DsmRefused, Nas

NAME = "synology-https"
BOOT_NAME = "synology-https at boot-up"
EVERY_HOURS = 6
_BOOT_SECONDS = 120  # until the network is there and NTP has answered
_TASKS, _EVENTS = "SYNO.Core.TaskScheduler", "SYNO.Core.EventScheduler"
_MOST_TASKS = 1000
_BAD_SCHEDULE = 4800
_AGENT = "synology-agent.pyz"


@dataclass(frozen=True)
class Task:
    """A script task of DSM's Task Scheduler.

    Attributes:
        id: its number, or None where an event triggers it.
        name: unique where an event triggers it.
        owner: whom it runs as.
        enabled: DSM runs it.
        script: what it runs.
        settings: all that DSM tells of it.
    """

    id: int | None
    name: str
    owner: str
    enabled: bool
    script: str
    settings: dict[str, Any]

    @property
    def is_ours(self) -> bool:
        """Tell whether it runs the agent."""
        return _AGENT in self.script


def read_tasks(nas: Nas) -> Iterator[Task]:
    """Yield the NAS's script tasks, of both kinds.

    Raises:
        DsmRefused: the API answered an error.
    """
    listed = nas.web_api(_TASKS, "list", 3, offset=0, limit=_MOST_TASKS)
    for one in listed.get("tasks", []):
        if "script" not in str(one.get("type")):
            continue
        owner = str(one.get("real_owner", one.get("owner")))
        if isinstance(one.get("id"), int) and one["id"] >= 0:
            about = nas.web_api(_TASKS, "get", 4, id=one["id"], real_owner=owner)
            script = str(about.get("extra", {}).get("script", ""))
            yield Task(one["id"], str(one["name"]), owner, bool(one["enable"]), script, about)
        else:
            about = nas.web_api(_EVENTS, "get", 1, task_name=one["name"])
            script = str(about.get("operation", ""))
            yield Task(None, str(one["name"]), owner, bool(one["enable"]), script, about)


def ensure_tasks(nas: Nas, command: str, mail: str | None, recipient: str) -> list[str]:
    """Have both tasks run `command`, enabled and once each; return what was changed, in words.

    A minute that is there stays, and so does an address, unless another one is wished for.

    Args:
        nas: where.
        command: what to run.
        mail: the address that is wished for, for a run that ends abnormally, or None.
        recipient: the address where none is wished for and none is there yet; may be empty.

    Raises:
        DsmRefused: the API answered an error, or success and did not do it.
    """
    done = _bring_about(nas, _our_tasks(nas), command, mail, recipient)
    if done and _missing(_our_tasks(nas), command):
        raise DsmRefused(DsmError("DSM answered success and did not make the tasks"))
    return done


def _our_tasks(nas: Nas) -> list[Task]:
    return [task for task in read_tasks(nas) if task.is_ours]


def _missing(ours: list[Task], command: str) -> bool:
    """Tell whether one of the two kinds is not there as it should be: success is no proof."""
    right = {task.id is None for task in ours if task.enabled and command in task.script}
    return right != {True, False}


def _bring_about(nas: Nas, ours: list[Task], command: str, mail: str | None, recipient: str) -> list[str]:
    by_clock = [task for task in ours if task.id is not None]
    at_boot = [task for task in ours if task.id is None]
    return [
        *_ensure_by_clock(nas, by_clock, command, mail, recipient),
        *_ensure_at_boot(nas, at_boot, command, mail, recipient),
    ]


def remove_tasks(nas: Nas) -> list[str]:
    """Delete every task that runs the agent; return their names."""
    gone = [task for task in read_tasks(nas) if task.is_ours]
    for task in gone:
        _delete(nas, task)
    return [task.name for task in gone]


def disable(nas: Nas, task: Task) -> None:
    """Disable a task; it stays, and can be enabled again.

    Raises:
        DsmRefused: the API answered an error, or success and did not do it.
    """
    if task.id is None:
        nas.web_api(_EVENTS, "set_enable", 1, task_name=task.name, enable=False)
    else:
        status = [{"id": task.id, "real_owner": task.owner, "enable": False}]
        nas.web_api(_TASKS, "set_enable", 2, status=status)
    if any(one.enabled for one in read_tasks(nas) if (one.id, one.name) == (task.id, task.name)):
        raise DsmRefused(DsmError(f"DSM answered success and did not disable the task {task.name!r}"))


def has_task_api(nas: Nas) -> bool:
    """Tell whether tasks can be made by the API here."""
    try:
        nas.web_api(_TASKS, "list", 3, offset=0, limit=1)
    except DsmRefused:
        return False
    return True


def clicks(command: str, minute: int) -> str:
    """Return how to make the tasks by hand; `minute` of each hour that they run in."""
    return (
        "Control Panel > Task Scheduler > Create > Scheduled Task > User-defined script\n"
        f"  General: task {NAME!r}, user root, enabled\n"
        f"  Schedule: daily, first run at 00:{minute:02d}, every {EVERY_HOURS} hours, last run at 18\n"
        "  Task Settings: send run details by email, only when the script terminates abnormally;\n"
        f"  as user-defined script:\n    {command}\n"
        "and Create > Triggered Task > User-defined script\n"
        f"  General: task {BOOT_NAME!r}, user root, event Boot-up, enabled\n"
        f"  Task Settings: the same mail settings; as script:\n    {_at_boot(command)}"
    )


def _ensure_by_clock(nas: Nas, ours: list[Task], command: str, mail: str | None, recipient: str) -> list[str]:
    done = []
    for extra in ours[1:]:
        _delete(nas, extra)
        done.append(f"a second task {extra.name!r} is gone")
    if not ours:
        address = recipient if mail is None else mail
        _write_by_clock(nas, "create", command, address, _schedule(_minute()))
        return [*done, f"task {NAME!r} runs every {EVERY_HOURS} hours"]
    task = ours[0]
    extra_settings, schedule = task.settings.get("extra", {}), task.settings.get("schedule", {})
    address = mail if mail is not None else str(extra_settings.get("notify_mail") or recipient)
    wanted = _schedule(int(schedule.get("minute", _minute())))
    right = (
        task.enabled
        and task.script == command
        and extra_settings == _extra(command, address)
        and all(schedule.get(name) == value for name, value in wanted.items() if name != "monthly_week")
    )
    if right:
        return done
    _write_by_clock(nas, "set", command, address, wanted, id=task.id)
    return [*done, f"task {NAME!r} is put right"]


def _write_by_clock(
    nas: Nas, method: str, command: str, mail: str, schedule: dict[str, Any], **which: Any
) -> None:
    values = {
        "name": NAME,
        "owner": "root",
        "real_owner": "root",
        "enable": True,
        "type": "script",
        "extra": _extra(command, mail),
        **which,
    }
    try:
        nas.web_api(f"{_TASKS}.Root", method, 4, schedule=schedule, **values)
    except DsmRefused as error:
        if error.code != _BAD_SCHEDULE:
            raise
        # DSM 7.3 is likely to refuse `monthly_week` in a daily task.
        less = {name: value for name, value in schedule.items() if name != "monthly_week"}
        nas.web_api(f"{_TASKS}.Root", method, 4, schedule=less, **values)


def _ensure_at_boot(nas: Nas, ours: list[Task], command: str, mail: str | None, recipient: str) -> list[str]:
    done = []
    for other in [task for task in ours if task.name != BOOT_NAME]:
        _delete(nas, other)
        done.append(f"a second task {other.name!r} is gone")
    found = next((task for task in ours if task.name == BOOT_NAME), None)
    there = str((found.settings if found else {}).get("notify_mail") or recipient)
    address = there if mail is None else mail
    wanted = {
        "task_name": BOOT_NAME,
        "owner": {"0": "root"},
        "event": "bootup",
        "enable": True,
        "operation": _at_boot(command),
        "operation_type": "script",
        "depend_on_task": "",
        "notify_enable": bool(address),
        "notify_mail": address,
        "notify_if_error": True,
    }
    if found is None:
        nas.web_api(f"{_EVENTS}.Root", "create", 1, **wanted)
        return [*done, f"task {BOOT_NAME!r} runs it after a boot"]
    if all(found.settings.get(name) == value for name, value in wanted.items()):
        return done
    nas.web_api(f"{_EVENTS}.Root", "set", 1, **wanted)
    return [*done, f"task {BOOT_NAME!r} is put right"]


def _delete(nas: Nas, task: Task) -> None:
    if task.id is None:
        nas.web_api(_EVENTS, "delete", 1, task_name=task.name)
    else:
        nas.web_api(_TASKS, "delete", 2, tasks=[{"id": task.id, "real_owner": task.owner}])


def minute_of(text: str) -> int:
    """Return the minute that a text stands for, the same at each call."""
    return 3 + zlib.crc32(text.encode()) % 55


def _minute() -> int:
    """Choose a minute: DSM has no random delay, and all NASes at the full hour are a crowd."""
    return random.randrange(3, 58)  # noqa: S311 - no secret


def _at_boot(command: str) -> str:
    return f"sleep {_BOOT_SECONDS}; {command}"


def _extra(command: str, mail: str) -> dict[str, Any]:
    return {"script": command, "notify_enable": bool(mail), "notify_mail": mail, "notify_if_error": True}


def _schedule(minute: int) -> dict[str, Any]:
    return {
        "date_type": 0,
        "week_day": "0,1,2,3,4,5,6",
        "hour": 0,
        "minute": minute,
        "repeat_hour": EVERY_HOURS,
        "repeat_min": 0,
        "last_work_hour": 24 - EVERY_HOURS,
        "repeat_date": 1001,
        "monthly_week": [],
    }
