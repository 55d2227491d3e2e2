"""Runs on the NAS, under its Python 3.8: changes the agent's config file, and shows it without its secrets.

Reads from standard input `{"set": {field: value}, "remove": [field]}`, prints `{"config": …, "changed": …}`.
The file is replaced in whole or not at all, 0600; the secrets in it leave the NAS never.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any


def main(path: str) -> None:
    """Change the file at `path`, if anything is to be changed."""
    order: dict[str, Any] = json.load(sys.stdin)
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - a script of its own, as short as can be
            before: dict[str, Any] = json.load(file)
    except FileNotFoundError:
        before = {}
    after = {name: value for name, value in before.items() if name not in order["remove"]}
    after.update(order["set"])
    changed = after != before
    if changed:
        try:
            _write(f"{path}.part", path, after)
        except OSError as problem:
            with contextlib.suppress(OSError):
                os.unlink(f"{path}.part")  # noqa: PTH108
            sys.exit(f"not written, what was there is untouched: {problem}")
    shown = {name: value for name, value in after.items() if not name.endswith("secret_access_key")}
    print(json.dumps({"config": shown, "changed": changed}))


def _write(part: str, path: str, config: dict[str, Any]) -> None:
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(config, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)  # noqa: PTH105


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (OSError, ValueError) as problem:
        # A traceback shows more than is good.
        sys.exit(f"cannot be read ({problem}); if it is damaged, remove it there: the next run makes another")
