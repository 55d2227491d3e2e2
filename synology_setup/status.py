"""`status`: whether everything on the NAS is as `install` left it, and what it serves."""

from __future__ import annotations

import hashlib
from typing import Any

from .agent_on_nas import AgentOnNas
from .agent_zipapp import agent_content
from .checks.alarm import check_alarm
from .checks.aws import Aws
from .nas import DsmRefused, Nas
from .reach import Reach, ReachedNas, reach
from .schedule import Task, has_task_api, read_tasks
from .screen import Screen
from .stack_outputs import StackOutputs

Row = tuple[bool | None, str, str]
_AGAIN = "`install` puts it right"


def status(way: Reach, outputs: StackOutputs | None, screen: Screen) -> bool:
    """Show it; return whether nothing is red.

    Args:
        way: how to get to the NAS.
        outputs: the stack's, or None to leave AWS out.
        screen: where.

    Raises:
        SetupError: the NAS could not be reached.
    """
    with reach(way, screen) as there:
        rows = [*_agent_rows(there.agent), *_task_rows(there), *_subscription_rows(outputs)]
        screen.table("The agent", rows)
        certificates = show_certificates(there.agent, screen)
    return certificates and all(ok is not False for ok, _, _ in rows)


def show_certificates(agent: AgentOnNas, screen: Screen) -> bool:
    """Show a table of what is installed and served; return whether all of it is right."""
    found = agent.status()
    if found is None:
        screen.table("Certificates", [(False, "status", f"the agent could not say: {_AGAIN}")])
        return False
    rows: list[Row] = []
    for one in found["certificates"]:
        rows.append((one["ok"], one["name"], _about(one)))
        for service in one["serves"]:
            ports = f" at {', '.join(service['ports'])}" if service["ports"] else ""
            stale = f"; serves another at {', '.join(service['stale_ports'])}" * bool(service["stale_ports"])
            rows.append(
                (
                    service["ok"],
                    f"  {service['name']}",
                    f"ours{ports}{stale}" if service["copy"] else "another",
                )
            )
    rows += [
        (None, other["name"], f"keeps entry {other['entry']} {other['description']}")
        for other in found["other_services"]
    ]
    screen.table("Certificates", rows)
    return all(one["ok"] for one in found["certificates"])


def _about(one: dict[str, Any]) -> str:
    if not one["serial"]:
        last = one["last_run"]
        return str(last["line"]) if last else one["problem"] or "nothing of ours is installed yet"
    entry = f", entry {one['entry']['id']}" if one["entry"] else ""
    return (
        f"serial {one['serial']} by {one['issuer']}, "
        f"until {one['not_after']} ({one['days_left']} days){entry}"
        + (f": {one['problem']}" if one["problem"] else "")
        + (f"; serial {one['held']} is held back since a rollback" if one["held"] else "")
    )


def _agent_rows(agent: AgentOnNas) -> list[Row]:
    digest = agent.digest()
    if digest is None:
        return [(False, "agent", f"{agent.agent} is missing: {_AGAIN}")]
    current = digest == hashlib.sha256(agent_content()).hexdigest()
    about = f"{agent.agent}, SHA-256 {digest[:16]}"
    rows: list[Row] = [(current, "agent", about if current else f"{about}: not this checkout's, {_AGAIN}")]
    if not agent.read_config():
        rows.append((False, "config", f"{agent.config} is missing: {_AGAIN}"))
    return rows


def _task_rows(there: ReachedNas) -> list[Row]:
    nas: Nas = there.nas
    if not has_task_api(nas):
        return [(None, "tasks", "DSM does not tell: look at Control Panel > Task Scheduler")]
    try:
        ours = [task for task in read_tasks(nas) if task.is_ours]
    except DsmRefused as error:
        return [(None, "tasks", str(error))]
    by_clock = [task for task in ours if task.id is not None]
    at_boot = [task for task in ours if task.id is None]
    return [
        _task_row("task by the clock", by_clock, there.agent.command),
        _task_row("task at boot-up", at_boot, there.agent.command),
    ]


def _task_row(what: str, tasks: list[Task], command: str) -> Row:
    if not tasks:
        return False, what, f"missing: {_AGAIN}"
    if len(tasks) > 1:
        return False, what, f"there are {len(tasks)}: {_AGAIN}"
    task = tasks[0]
    if not task.enabled:
        return False, what, f"{task.name!r} is disabled: {_AGAIN}, or enable it in Task Scheduler"
    if command not in task.script:
        return False, what, f"{task.name!r} runs another command: {_AGAIN}"
    return True, what, f"{task.name!r}"


def _subscription_rows(outputs: StackOutputs | None) -> list[Row]:
    if outputs is None or outputs.alarm_topic is None:
        return []
    found = check_alarm(Aws(outputs.region), outputs.alarm_topic)
    return [(found.ok, found.what, f"{found.measured}: {found.advice}" if found.advice else found.measured)]
