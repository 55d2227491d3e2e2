"""Runs certbot as a Lambda would: `python -I -B certbot_run.py FOLDER [--modules FILE] CERTBOT-ARGUMENTS`.

FOLDER holds certbot and its plugin, packaged without boto3, which the runtime has.
"""

import json
import sys


def main() -> None:
    """Run certbot's own entry, then write the names of all imported modules to FILE."""
    folder, *words = sys.argv[1:]
    modules = None
    if words[0] == "--modules":
        modules, words = words[1], words[2:]
    sys.path.insert(0, folder)
    from certbot.main import main as certbot  # type: ignore[import-not-found]  # noqa: PLC0415

    failure = certbot(words)
    if failure:
        sys.exit(str(failure))
    if modules:
        with open(modules, "w", encoding="utf-8") as file:  # noqa: PTH123
            json.dump([name for name in sys.modules if not name.startswith("__")], file)


main()
