"""`remove`: DSM keeps its current certificate; agent, config, tasks and access keys go."""

from __future__ import annotations

from .access_keys import NasKeys
from .errors import SetupError
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
        _refuse_another(keys, there.agent.read_config().get("access_key_id"))
        question = f"Remove the agent from {there.facts.host}? DSM keeps the certificate that it has."
        if not screen.agree(question):
            screen.note("nothing was removed")
            return
        with screen.step("The access keys"):
            _delete_keys(keys, there.agent.read_config().get("access_key_id"), screen)
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


def _delete_keys(keys: NasKeys, key_id: str | None, screen: Screen) -> None:
    """Delete the NAS's key; ask about one that it does not have, which may be in use elsewhere."""
    for key in keys.listed():
        if (
            key.id == key_id
            or key.on_its_way
            or screen.agree(f"{key} is not the one on this NAS. Delete it?")
        ):
            keys.delete(key.id)
            screen.note(f"{key.id} is deleted")
