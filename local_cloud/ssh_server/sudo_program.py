"""The simulated sudo's program: lecture, prompt, three tries; `sudo.py` writes its settings.

It reads the password from standard input byte by byte, as sudo does, and runs the command as the same user.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

# The first lines are sudo's own, the third thing is DSM's.
_LECTURE = """
We trust you have received the usual lecture from the local System
Administrator. It usually boils down to these three things:

    #1) Respect the privacy of others.
    #2) Think before you type.
    #3) Synology strongly advises you not to run commands as the root user.

"""


def main(folder: Path, arguments: list[str]) -> None:
    """Ask, and become the command; what it keeps is in `folder`."""
    settings: dict[str, Any] = json.loads((folder / "settings.json").read_text())
    mode = settings["mode"]
    with (folder / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(arguments) + "\n")
    prompt, ignore_cached = "Password: ", False
    while arguments and arguments[0].startswith("-"):
        option = arguments.pop(0)
        if option == "-p":
            prompt = arguments.pop(0).replace("%%", "%")
        elif option == "-k":
            ignore_cached = True
        elif option != "-S":
            sys.exit(f"sudo: invalid option {option}")

    if mode == "requires a terminal":
        sys.exit("sudo: sorry, you must have a tty to run sudo")
    if mode == "asks something else":
        _say("Verification code: ")
        _read_line()
        sys.exit(1)
    cached = mode == "cached, whatever -k says" or (mode == "cached" and not ignore_cached)
    if not cached and mode != "no password":
        if settings["lecture"] or not (folder / "lectured").exists():
            _say(_LECTURE)
            (folder / "lectured").touch()
        _ask(folder, prompt, settings)
    if mode == "not in sudoers":
        sys.exit("admin is not in the sudoers file.  This incident will be reported.")
    os.execvp(arguments[0], arguments)  # noqa: S606


def _ask(folder: Path, prompt: str, settings: dict[str, Any]) -> None:
    for attempt in range(1, settings["tries"] + 1):
        _say(prompt)
        line = _read_line()
        if line == f"{settings['password']}\n".encode():
            _say("\n")
            return
        if not line.endswith(b"\n"):
            _say("\nsudo: no password was provided\n")
            sys.exit(1)
        with (folder / "wrong").open("a") as wrong:
            wrong.write("x")
        time.sleep(settings["delay"])
        if attempt < settings["tries"]:
            _say("\nSorry, try again.\n")
    _say(f"\nsudo: {settings['tries']} incorrect password attempts\n")
    sys.exit(1)


def _say(text: str) -> None:
    os.write(2, text.encode())


def _read_line() -> bytes:
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
