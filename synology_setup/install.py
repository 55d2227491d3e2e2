"""`install`: from the stack's outputs to a served certificate. Run again, it repairs and upgrades.

Every step looks first and changes only what is not as it should be, so that an installation that was
interrupted anywhere is finished by the next one. The access key is the only thing that cannot be looked at: a
key that did not reach the NAS is known in IAM by its description, and deleted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .access_keys import MOST_KEYS, ListedKey, NasKeys
from .agent_on_nas import AgentOnNas
from .errors import SetupError
from .mail import read_mail
from .nas import DsmRefused, Nas
from .reach import Reach, ReachedNas, reach
from .remote import FileMissing, get, put
from .schedule import clicks, ensure_tasks, has_task_api, minute_of
from .screen import Screen
from .spare_keys import drop_others
from .stack_outputs import NasOutputs, StackOutputs
from .status import show_certificates
from .take_over import choose_entries, stop_old_jobs

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_NOT_ISSUED = (10, 11)  # exit codes of the agent: the renewer has still to issue


@dataclass(frozen=True)
class Wishes:
    """What the person asked for besides.

    Attributes:
        ca_file: PEM file with roots that the NAS is to trust besides its own, or None to leave what is there.
        endpoint: URL in place of AWS's own for the agent, or None.
        mail: address for a run that fails; without it DSM's own recipient.
    """

    ca_file: Path | None = None
    endpoint: str | None = None
    mail: str | None = None


def install(way: Reach, outputs: StackOutputs, nas_name: str | None, wishes: Wishes, screen: Screen) -> None:
    """Put the agent on the NAS, or put right what is there.

    Raises:
        SetupError: it did not come to a served certificate; a second run goes on from there.
    """
    stack_nas = outputs.nas(nas_name)
    keys = NasKeys(stack_nas.user, outputs.region)
    listed = keys.listed()  # before the NAS is touched: AWS must answer
    with reach(way, screen) as there:
        changes: list[str] = []
        before = there.agent.read_config()
        _ask_if_another(before, stack_nas, screen)
        with screen.step("The agent's file"):
            if there.agent.put_agent():
                changes.append("agent")
                screen.note(f"{there.agent.agent}")
        with screen.step("What an older recipe left"):
            stop_old_jobs(there.nas, before.get("access_key_id"), screen)
            entries = choose_entries(there.nas, before, outputs, stack_nas, screen)
        with screen.step("The access key and the config"):
            key_id = _configure(there, before, keys, listed, stack_nas, entries, wishes, changes, screen)
        with screen.step("Task Scheduler"):
            _schedule(there, wishes, changes, screen)
        with screen.step("The agent's first run" if changes else "The agent's run"):
            _run(there.agent, screen)
        keys.has_arrived(key_id, there.facts.host)
        drop_others(keys, key_id, screen, surely=lambda key: key.on_its_way)
        show_certificates(there.agent, screen)
    if not changes:
        screen.note("nothing to do: everything was in place")
    screen.repeat_warnings()
    screen.console.print(f"Open [bold]{stack_nas.url}[/bold]")


def _configure(
    there: ReachedNas,
    before: dict[str, Any],
    keys: NasKeys,
    listed: list[ListedKey],
    stack_nas: NasOutputs,
    entries: dict[str, str],
    wishes: Wishes,
    changes: list[str],
    screen: Screen,
) -> str:
    agent = there.agent
    kept = {one["names"][0]: one for one in before.get("certificates", [])}
    wanted: dict[str, Any] = {
        **stack_nas.agent_config,
        "certificates": [
            {
                **one,
                "entry": entries.get(one["names"][0], one["entry"]),
                "assign": kept.get(one["names"][0], one).get("assign", "auto"),
            }
            for one in stack_nas.agent_config["certificates"]
        ],
    }
    if wishes.endpoint is not None:
        wanted["endpoint"] = wishes.endpoint
    if wishes.ca_file is not None:
        wanted["ca_file"] = f"{agent.home}/ca.pem"
        _put_roots(there.nas, wanted["ca_file"], read_roots(wishes.ca_file))
    key_id = str(before.get("access_key_id", ""))
    if not any(key.id == key_id and key.active for key in listed):
        key_id = _give_new_key(agent, keys, listed, wanted, screen)
        changes.append("key")
    elif agent.change_config(wanted):
        changes.append("config")
        screen.note(f"{agent.config} is put right")
    return key_id


def _ask_if_another(before: dict[str, Any], stack_nas: NasOutputs, screen: Screen) -> None:
    """Ask where the NAS is set up as another one of a stack: `--nas` may be wrong."""
    now, wanted = before.get("metric_namespace"), stack_nas.agent_config.get("metric_namespace")
    if now and now != wanted and not screen.agree(f"This NAS is set up as {now}. Set it up as {wanted}?"):
        raise SetupError(f"the NAS stays set up as {now}: name the one that is meant with --nas")


def _give_new_key(
    agent: AgentOnNas, keys: NasKeys, listed: list[ListedKey], wanted: dict[str, Any], screen: Screen
) -> str:
    left = [key for key in listed if not key.on_its_way]
    for key in listed:
        if key.on_its_way:
            keys.delete(key.id)
            screen.note(f"{key.id} had not reached the NAS, and is deleted")
    if len(left) >= MOST_KEYS:
        oldest = left[0]
        screen.note(f"IAM has {' and '.join(map(str, left))}; it allows {MOST_KEYS}, and the NAS has neither")
        if not screen.agree(f"Delete {oldest.id}?"):
            raise SetupError(
                f"{keys.user} has {MOST_KEYS} access keys already, so none can be made: delete one in IAM"
            )
        keys.delete(oldest.id)
    made = keys.make()
    agent.change_config(
        {**wanted, "access_key_id": made.id, "secret_access_key": made.secret.reveal()},
        remove=("second_access_key_id", "second_secret_access_key"),
    )
    screen.note(f"access key {made.id} of {keys.user} is on the NAS, and nowhere else")
    return made.id


def read_roots(file: Path) -> bytes:
    """Read the certificates of `--ca-file`, PEM, without what stands between them.

    Raises:
        SetupError: it cannot be read, or holds none.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise SetupError(f"--ca-file {file} cannot be read: {error.strerror}") from None
    certificates = _CERTIFICATE.findall(content)
    if not certificates:
        raise SetupError(f"--ca-file {file} holds no certificate in PEM")
    return b"\n".join(certificates) + b"\n"


def _put_roots(nas: Nas, path: str, content: bytes) -> None:
    try:
        there = get(nas.shell, path)
    except FileMissing:
        there = b""
    if there != content:
        put(nas.shell, content, path, 0o644)


def _schedule(there: ReachedNas, wishes: Wishes, changes: list[str], screen: Screen) -> None:
    nas, command = there.nas, there.agent.command
    by_hand = f"Unless they are there, make them by hand:\n{clicks(command, minute_of(there.facts.host))}"
    if not has_task_api(nas):
        screen.warn(f"DSM {there.facts.product} offers no API for tasks. {by_hand}")
        return
    recipient = next(iter(read_mail(nas, send_test=False).recipients), "")
    try:
        done = ensure_tasks(nas, command, wishes.mail, recipient)
    except DsmRefused as error:
        screen.warn(f"the tasks could not be made: {error}. {by_hand}")
        return
    for line in done:
        screen.note(line)
    changes += ["tasks"] * bool(done)
    mail = read_mail(nas, send_test=bool(changes))
    if mail.works is False:
        screen.warn(mail.said)
    else:
        screen.note(mail.said)


def _run(agent: AgentOnNas, screen: Screen) -> None:
    result = agent.run("run", "--patient")
    output = result.said
    screen.note(output)
    if result.status in _NOT_ISSUED:
        screen.warn("no certificate is there yet: the agent installs it at its next run after it was issued")
    elif result.status != 0:
        raise SetupError(
            f"the agent is in place, and its run ended with exit code {result.status} "
            f"(docs/agent.md has its meaning): {output.splitlines()[-1] if output else 'it said nothing'}"
        )
