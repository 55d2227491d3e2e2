"""A command at a terminal, whose questions are answered as a person would."""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

_SECONDS = 300


def run_at_terminal(
    command: str, folder: Path, environment: Mapping[str, str], answers: Mapping[str, str]
) -> str:
    """Run a line of a shell; return what stood on the screen.

    Args:
        command: the line.
        folder: where it is run.
        environment: all that it gets.
        answers: pattern of what the screen ends with when it asks -> what is typed then.

    Raises:
        AssertionError: it failed, or came to no end in five minutes; the text ends with the screen.
    """
    keyboard, terminal = os.openpty()
    process = subprocess.Popen(
        ["/bin/sh", "-ec", command],
        cwd=folder,
        env={**environment, "TERM": "dumb", "COLUMNS": "200"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    screen, answered, deadline = "", 0, time.monotonic() + _SECONDS
    try:
        while time.monotonic() < deadline:
            if not select.select([keyboard], [], [], 1)[0]:
                continue
            try:
                screen += os.read(keyboard, 4096).decode(errors="replace")
            except OSError:  # Linux: the other side has closed it
                break
            for pattern, text in answers.items():
                if re.search(rf"(?:{pattern})\s*\Z", screen[answered:]):
                    answered = len(screen)
                    os.write(keyboard, f"{text}\n".encode())
                    break
        code = process.wait(timeout=max(1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"{command} came to no end:\n{screen}") from None
    finally:
        os.close(keyboard)
    assert code == 0, f"{command} exited with {code}:\n{screen}"
    return screen
