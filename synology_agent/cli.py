"""The command line: `synology-agent [run|version]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import __version__, errors
from .config import read_config
from .dsm import Dsm
from .run import run

_EPILOG = """exit codes, the greater the worse:
   0  every certificate is installed and served
   1  another run is under way, or a fault of the agent itself
   2  the config file or the command line is wrong
  10  nothing is issued yet
  11  the certificate was revoked, and a new one is coming; the old one is served still
  20  AWS could not be reached, or refused
  30  the certificate is not fit to be served; DSM was not touched
  40  one of DSM's commands failed before anything was changed
  41  the new certificate was not served; the old one is back
  50  neither could be proven: look at the NAS now

All that the agent keeps is in its own folder: the config, and the folder `state` beside it.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "version":
        print("synology-agent " + __version__)
        return 0
    try:
        config = read_config(options.config)
        say = _say if options.verbose else _say_nothing
        return run(config, Dsm(options.root), options.config.parent / "state", say, _tell)
    except errors.AgentError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="synology-agent",
        description="Fetch the certificate from AWS, prove it, have DSM install it, check what is served.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", choices=("run", "version"), default="run", help="default: run")
    parser.add_argument(
        "--config",
        type=Path,
        default=Path(sys.argv[0]).resolve().parent / "config.json",
        help="the config file, mode 0600 (default: config.json beside the agent)",
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=Path("/"),
        help="the folder that DSM's files and commands are below (default: /)",
    )
    parser.add_argument("--verbose", action="store_true", help="tell each step")
    return parser


def _say_nothing(_: str) -> None:
    pass


def _say(line: str) -> None:
    print("  " + line, flush=True)


def _tell(line: str) -> None:
    print(line, flush=True)
