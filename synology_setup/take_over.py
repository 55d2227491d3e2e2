"""What becomes of what the recipe left: shown, asked about, disabled or taken over; nothing is deleted."""

from __future__ import annotations

from typing import Any

from .nas import DsmRefused, Nas
from .recipe import find_entries, find_leftovers, remove_cron_line, without_secrets
from .schedule import disable
from .screen import Screen
from .stack_outputs import NasOutputs, StackOutputs


def stop_old_jobs(nas: Nas, own_key: str | None, screen: Screen) -> None:
    """Show tasks, crontab lines and AWS keys of the recipe; on consent, disable the first two.

    Args:
        nas: where.
        own_key: id of the agent's key, which is no leftover.
        screen: asks.
    """
    found = find_leftovers(nas)
    for task in found.tasks:
        screen.note(f"task {task.name!r} runs: {without_secrets(task.script.strip())}")
        if not screen.agree("Disable this task? Two that install certificates undo each other."):
            screen.warn(f"task {task.name!r} still installs certificates besides the agent")
            continue
        try:
            disable(nas, task)
        except DsmRefused as error:
            screen.warn(f"{error}: disable {task.name!r} in Control Panel > Task Scheduler")
    for line in found.cron_lines:
        screen.note(f"crontab: {without_secrets(line.text)}")
        if screen.agree("Comment this line out?"):
            remove_cron_line(nas, line)
        else:
            screen.warn(f"the crontab still has: {without_secrets(line.text)}")
    for key in found.keys:
        if key.id != own_key:
            screen.warn(
                f"{key.place} holds the AWS key {key.id}: delete it in IAM, then there "
                f"(aws iam delete-access-key --access-key-id {key.id} --user-name ITS_USER)"
            )
    if not found.looked_at_tasks:
        screen.warn(
            "DSM does not tell its tasks: disable any that runs lego, acme.sh or certbot in Control Panel > "
            "Task Scheduler, since two that install certificates undo each other"
        )
    elif not found:
        screen.note("no job and no AWS key")


def choose_entries(
    nas: Nas, config: dict[str, Any], outputs: StackOutputs, stack_nas: NasOutputs, screen: Screen
) -> dict[str, str]:
    """Choose the certificate entry for each of the NAS's certificates; return it by the first name.

    What is configured stays. An entry whose names are all ours is handed over by its id, on consent, so that
    all that it serves gets the new certificate and no second entry appears.
    """
    entries = {one["names"][0]: str(one["entry"]) for one in config.get("certificates", [])}
    for wanted in stack_nas.agent_config["certificates"]:
        name = wanted["names"][0]
        covering = [] if name in entries else find_entries(nas, _names_of(outputs, wanted))
        for entry in covering:
            screen.note(
                f"entry {entry.id} {entry.description!r} is a certificate for {', '.join(entry.names)}"
            )
            if screen.agree("Replace it in place, so that all that it serves gets the new one?"):
                entries[name] = entry.id
                break
        if covering and name not in entries:
            # Its description would lead the agent to that very entry.
            entries[name] = f"{name} (synology-https)"
    return entries


def _names_of(outputs: StackOutputs, wanted: dict[str, Any]) -> list[str]:
    """Return all names of a NAS's certificate, which are more than those that the NAS needs."""
    for request in outputs.requests.values():
        if request["secret"] == wanted["secret"]:
            return list(request["domains"])
    return list(wanted["names"])
