"""`remove`: DSM keeps its current certificate; agent, config, tasks and access keys go."""

from __future__ import annotations

from .access_keys import NasKeys
from .nas import DsmRefused
from .reach import Reach, reach
from .schedule import has_task_api, remove_tasks
from .screen import Screen
from .stack_outputs import StackOutputs


def remove(way: Reach, outputs: StackOutputs, nas_name: str | None, screen: Screen) -> None:
    """Take away what `install` brought: first the key, since it is what could be misused.

    Raises:
        SetupError: something is left; run again, it goes on.
    """
    stack_nas = outputs.nas(nas_name)
    keys = NasKeys(stack_nas.user, outputs.region)
    with reach(way, screen) as there:
        question = f"Remove the agent from {there.facts.host}? DSM keeps the certificate that it has."
        if not screen.agree(question):
            screen.note("nothing was removed")
            return
        with screen.step("The access keys"):
            for key in keys.listed():
                keys.delete(key.id)
                screen.note(f"{key.id} is deleted")
        with screen.step("The tasks"):
            if has_task_api(there.nas):
                try:
                    for name in remove_tasks(there.nas):
                        screen.note(f"{name!r} is deleted")
                except DsmRefused as error:
                    screen.warn(f"{error}: delete the tasks in Control Panel > Task Scheduler")
            else:
                screen.warn("delete the tasks in Control Panel > Task Scheduler by hand")
        with screen.step("The agent, its config and what it remembers"):
            there.nas.run(["rm", "-rf", there.agent.home]).check(f"removing {there.agent.home}")
    screen.note(
        "DSM serves its certificate until that expires. The stack is untouched: `pulumi destroy` removes it"
    )
