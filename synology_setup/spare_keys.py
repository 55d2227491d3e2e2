"""Access keys of the NAS's user that are not the one on the NAS: deleted, surely or on consent."""

from __future__ import annotations

from collections.abc import Callable

from .access_keys import ListedKey, NasKeys
from .screen import Screen


def drop_others(
    keys: NasKeys, key_id: str | None, screen: Screen, *, surely: Callable[[ListedKey], bool]
) -> list[ListedKey]:
    """Delete every key but that of `key_id`; return those that the person keeps.

    Args:
        keys: of the NAS's user.
        key_id: of the key that stays, or None.
        screen: asks.
        surely: tells which keys are deleted without a question.
    """
    kept = []
    for other in keys.listed():
        if other.id == key_id:
            continue
        if surely(other) or screen.agree(f"{other} is not the one on this NAS. Delete it?"):
            keys.delete(other.id)
            screen.note(f"{other.id} is deleted")
        else:
            kept.append(other)
    return kept
