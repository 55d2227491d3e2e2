"""Apply the project's `__main__.py` through Pulumi's real engine, in a process of its own.

Reads and writes what `local_cloud.stack.program` does; the task also has `cli` and `folder`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from pulumi import automation

from local_cloud.stack.deploy import OUTPUTS

from .stack import EngineStack

# Settings of whoever runs this, for clouds and stacks of their own.
_FOREIGN = ("AWS_", "PULUMI_")


def main() -> int:
    """Apply the stack that standard input describes."""
    task = json.load(sys.stdin)
    for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
        del os.environ[name]
    stack = EngineStack(
        Path(task["cli"]),
        Path(task["folder"]),
        task["endpoint"],
        local_bundle=Path(task["local_bundle"]),
        resolver=task["lambda_environment"]["DNS_RESOLVER"],
        stack=task["stack"],
    )
    stack.configure(task["config"])
    try:
        done = stack.up(progress=lambda line: print(line, flush=True))
    except automation.CommandError as error:
        print(f"error: {error}")
        return 1
    print(OUTPUTS + json.dumps(done.outputs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
