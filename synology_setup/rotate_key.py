"""`rotate-key`: a new access key for the NAS, proven by the NAS itself before the old one is deleted."""

from __future__ import annotations

import shlex

from .access_keys import MOST_KEYS, NasKeys
from .errors import SetupError
from .reach import Reach, ReachedNas, reach
from .screen import Screen
from .stack_outputs import StackOutputs

_PROOF = ("check", "--key", "--patient")


def rotate_key(way: Reach, outputs: StackOutputs, nas_name: str | None, screen: Screen) -> None:
    """Replace the NAS's access key.

    The new key stands in a config of its own until AWS has answered to it from the NAS, then that file takes
    the config's place. Interrupted anywhere, the NAS has a key that works, and the next run tidies up.

    Raises:
        SetupError: the old key is still in use.
    """
    stack_nas = outputs.nas(nas_name)
    keys = NasKeys(stack_nas.user, outputs.region)
    with reach(way, screen) as there:
        current = there.agent.read_config().get("access_key_id")
        if not current:
            raise SetupError("the NAS has no access key to be rotated: run `install` first")
        listed = keys.listed()
        if any(key.id == current and key.on_its_way for key in listed):
            screen.note(f"an interrupted rotation had come as far as putting {current} in place")
            _finish(keys, str(current), there, screen)
            return
        for key in listed:
            if key.id != current and key.on_its_way:
                keys.delete(key.id)
                screen.note(f"{key.id} of an interrupted rotation is deleted")
        others = [key for key in keys.listed() if key.id != current]
        if any(key.id == current for key in listed) and len(others) + 1 >= MOST_KEYS:
            raise SetupError(
                f"{keys.user} has another key, {others[0]}, and IAM allows {MOST_KEYS}: delete it in IAM if "
                "nobody uses it, then start again"
            )
        with screen.step("A new key, proven by the NAS"):
            new = keys.make()
            _try(there, keys, new.id, new.secret.reveal())
            config, trial = shlex.quote(there.agent.config), shlex.quote(_trial(there))
            there.nas.run(f"mv -f {trial} {config}").check("putting the new key in place")
            screen.note(f"{new.id} is in place of {current}")
        _finish(keys, new.id, there, screen)


def _trial(there: ReachedNas) -> str:
    return f"{there.agent.home}/config.new.json"


def _try(there: ReachedNas, keys: NasKeys, key_id: str, secret: str) -> None:
    """Write a config with the new key alone, and have the NAS ask AWS with it."""
    config, trial = shlex.quote(there.agent.config), shlex.quote(_trial(there))
    there.nas.run(f"umask 077; cp -p {config} {trial}").check("copying the config")
    there.agent.change_config(
        {"access_key_id": key_id, "secret_access_key": secret},
        remove=("second_access_key_id", "second_secret_access_key"),
        path=_trial(there),
    )
    result = there.agent.run(*_PROOF, "--config", _trial(there))
    if result.status != 0:
        there.nas.run(["rm", "-f", _trial(there)])
        keys.delete(key_id)
        said = (result.stdout + result.stderr).decode(errors="replace").strip()
        raise SetupError(f"AWS does not answer to the new key from the NAS, so the old one stays: {said}")


def _finish(keys: NasKeys, key_id: str, there: ReachedNas, screen: Screen) -> None:
    with screen.step("The old key is deleted"):
        for other in keys.listed():
            if other.id != key_id:
                keys.delete(other.id)
                screen.note(f"{other.id} is deleted")
        keys.describe(key_id, f"synology-https on {there.facts.host}")
