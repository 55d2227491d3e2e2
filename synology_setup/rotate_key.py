"""`rotate-key`: a new access key for the NAS, proven by the NAS itself before the old one is deleted."""

from __future__ import annotations

import shlex

from .access_keys import MOST_KEYS, ListedKey, NasKeys
from .errors import SetupError
from .reach import Reach, ReachedNas, reach
from .screen import Screen
from .spare_keys import drop_others
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
        current = _current_key(there, keys)
        key_id = current.id
        if current.on_its_way:
            with screen.step(f"{key_id} of an interrupted command, proven by the NAS"):
                _prove(there, there.agent.config)
        else:
            _make_room(keys, key_id, screen)
            with screen.step("A new key, proven by the NAS"):
                key_id = _replace(there, keys)
                screen.note(f"{key_id} is in place of {current.id}")
        with screen.step("The old key is deleted"):
            drop_others(keys, key_id, screen, surely=lambda key: key.is_ours)
            keys.has_arrived(key_id, there.facts.host)


def _current_key(there: ReachedNas, keys: NasKeys) -> ListedKey:
    """Return the key that the NAS has, as IAM lists it."""
    key_id = there.agent.read_config().get("access_key_id")
    if not key_id:
        raise SetupError("the NAS has no access key to be rotated: run `install` first")
    listed = keys.listed()
    for key in listed:
        if key.id == key_id:
            return key
    others = ", ".join(key.id for key in listed) or "none"
    raise SetupError(
        f"the NAS's key {key_id} is not one of {keys.user}'s ({others}): `--nas` names another NAS, or the "
        "key was deleted, and `install` makes another"
    )


def _make_room(keys: NasKeys, key_id: str, screen: Screen) -> None:
    for other in drop_others(keys, key_id, screen, surely=lambda key: key.on_its_way):
        raise SetupError(
            f"{keys.user} has another key, {other}, and IAM allows {MOST_KEYS}: delete it in IAM if "
            "nobody uses it, then start again"
        )


def _replace(there: ReachedNas, keys: NasKeys) -> str:
    """Put a new key in place of the old one once the NAS has proven it; return its id."""
    new = keys.make()
    config, trial = shlex.quote(there.agent.config), shlex.quote(_trial(there))
    there.nas.run(f"umask 077; cp -p {config} {trial}").check("copying the config")
    there.agent.change_config(
        {"access_key_id": new.id, "secret_access_key": new.secret.reveal()},
        remove=("second_access_key_id", "second_secret_access_key"),
        path=_trial(there),
    )
    try:
        _prove(there, _trial(there))
    except SetupError:
        there.nas.run(["rm", "-f", _trial(there)])
        keys.delete(new.id)
        raise
    there.nas.run(f"mv -f {trial} {config}").check("putting the new key in place")
    return new.id


def _prove(there: ReachedNas, config: str) -> None:
    """Have the NAS ask AWS with the key in that config."""
    result = there.agent.run(*_PROOF, "--config", config)
    if result.status != 0:
        raise SetupError(f"AWS does not answer to the key from the NAS, so the old one stays: {result.said}")


def _trial(there: ReachedNas) -> str:
    return f"{there.agent.home}/config.new.json"
