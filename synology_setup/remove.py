"""`remove`: DSM keeps its current certificate; agent, config, tasks and access keys go."""

from __future__ import annotations

from .access_keys import NasKeys
from .errors import SetupError
from .nas import DsmRefused
from .reach import Reach, reach
from .schedule import has_task_api, remove_tasks
from .screen import Screen
from .spare_keys import drop_others
from .stack_outputs import StackOutputs


def remove(way: Reach, outputs: StackOutputs, nas_name: str | None, screen: Screen) -> None:
    """Take away what `install` brought: first the key, since it is what could be misused.

    Raises:
        SetupError: something is left; run again, it goes on.
    """
    stack_nas = outputs.nas(nas_name)
    keys = NasKeys(stack_nas.user, outputs.region)
    with reach(way, screen) as there:
        key_id = there.agent.read_config().get("access_key_id")
        _refuse_another(keys, key_id)
        question = f"Remove the agent from {there.facts.host}? DSM keeps the certificate that it has."
        if not screen.agree(question):
            screen.note("nothing was removed")
            return
        with screen.step("The access keys"):
            drop_others(keys, None, screen, surely=lambda key: key.id == key_id or key.on_its_way)
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


def _refuse_another(keys: NasKeys, key_id: str | None) -> None:
    """Refuse where the NAS has a key of another one's: `--nas` may be wrong."""
    listed = [key.id for key in keys.listed()]
    if key_id and listed and key_id not in listed:
        raise SetupError(
            f"the NAS has the key {key_id}, and {keys.user} has {', '.join(listed)}: "
            "`--nas` names another NAS"
        )
