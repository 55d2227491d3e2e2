"""Runs the Lambda's handler as Lambda does: `python -I -B handler_run.py BUNDLE EVENTS [MODULES]`.

EVENTS is a JSON file with a list of events, handled in turn by one process. The outcomes are printed, one a
line. With MODULES the names of all modules that were imported go to that file.
"""

import json
import sys

_MILLISECONDS = 300_000


class Context:
    """The Lambda context."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the time left."""
        return _MILLISECONDS


def main() -> None:
    """Handle the events."""
    bundle, events, *modules = sys.argv[1:]
    # As in Lambda: the bundle first, then what the runtime has.
    sys.path.insert(0, bundle)
    from lambda_renewer.handler import handler  # noqa: PLC0415

    with open(events, encoding="utf-8") as file:  # noqa: PTH123
        for event in json.load(file):
            print(json.dumps(handler(event, Context())), flush=True)
    if modules:
        with open(modules[0], "w", encoding="utf-8") as file:  # noqa: PTH123
            json.dump([name for name in sys.modules if not name.startswith("__")], file)


main()
