"""The command line: `synology-agent [run|status|check|rollback|version]`."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from pathlib import Path
from typing import Iterator, Sequence

from . import __version__, errors
from .config import read_config
from .dsm import Dsm

_COMMANDS = ("run", "status", "check", "rollback", "version")
_INTERRUPTED = 130  # as a shell says of SIGINT
_HOME = """
All that the agent keeps is in its own folder: the config, and the folder `state` beside it, which holds
the last three certificates that it replaced."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] not in (*_COMMANDS, "-h", "--help", "--version"):
        words.insert(0, "run")
    options = _parser().parse_args(words)
    try:
        return _COMMAND_LINES[options.command](options)
    except errors.AgentError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("FAILED: interrupted; the next run finishes or undoes what was begun", file=sys.stderr)
        return _INTERRUPTED
    except Exception as error:
        # No values: a traceback's last line may hold a secret, its frames do not.
        print(
            f"FAILED: a fault of the agent itself, {type(error).__name__}; --verbose shows where",
            file=sys.stderr,
        )
        if getattr(options, "verbose", False):
            import traceback  # noqa: PLC0415

            traceback.print_tb(error.__traceback__)
        return errors.AgentError.exit_code


def exit_codes() -> list[tuple[int, str]]:
    """Return every exit code with its meaning."""

    def kinds(kind: type[errors.AgentError]) -> Iterator[type[errors.AgentError]]:
        yield kind
        for narrower in kind.__subclasses__():
            if narrower.__module__ == errors.__name__:
                yield from kinds(narrower)

    meanings = {kind.exit_code: (kind.__doc__ or "").splitlines()[0] for kind in kinds(errors.AgentError)}
    meanings[errors.AgentError.exit_code] = "A fault of the agent itself."
    return [(0, "Every certificate is installed and served."), *sorted(meanings.items())]


def _run(options: argparse.Namespace) -> int:
    from .run import Options, run  # noqa: PLC0415 - the other commands do without

    return run(
        read_config(options.config),
        Dsm(options.root),
        options.config.parent / "state",
        Options(options.dry_run, options.force, options.allow_older, options.patient, options.bind_again),
        _say if options.verbose else _say_nothing,
        _tell,
    )


def _status(options: argparse.Namespace) -> int:
    from .status import status  # noqa: PLC0415

    return status(
        read_config(options.config), Dsm(options.root), options.config.parent / "state", options.json, _tell
    )


def _check(options: argparse.Namespace) -> int:
    from .check import check, check_key  # noqa: PLC0415

    if options.key:
        return check_key(options.config, options.patient, _tell)
    return check(options.config, Dsm(options.root), options.config.parent / "state", _tell)


def _rollback(options: argparse.Namespace) -> int:
    from .rollback import rollback  # noqa: PLC0415

    say = _say if options.verbose else _say_nothing
    config, home = read_config(options.config), options.config.parent / "state"
    return rollback(config, Dsm(options.root), home, options.name, options.force, say, _tell)


def _version(_: argparse.Namespace) -> int:
    print(f"synology-agent {__version__}")
    return 0


_COMMAND_LINES = {
    "run": _run,
    "status": _status,
    "check": _check,
    "rollback": _rollback,
    "version": _version,
}


def _parser() -> argparse.ArgumentParser:
    codes = "".join(f"  {code:2}  {meaning}\n" for code, meaning in exit_codes())
    parser = argparse.ArgumentParser(
        prog="synology-agent",
        description="Fetch the certificate from AWS, prove it, have DSM install it, check what is served.\n"
        "Without a command it runs, as Task Scheduler lets it.",
        epilog=f"exit codes, the greater the worse:\n{codes}{_HOME}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"synology-agent {__version__}")
    common = _common_options()
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    run = commands.add_parser("run", parents=[common], help="bring every certificate up to date (default)")
    run.add_argument("--dry-run", action="store_true", help="change nothing, and tell what would be done")
    run.add_argument("--force", action="store_true", help="install again, also what a rollback holds back")
    run.add_argument("--allow-older", action="store_true", help="install even an older certificate")
    run.add_argument(
        "--bind-again", action="store_true", help="bind as at the first install, new services too"
    )
    run.add_argument("--patient", action="store_true", help="wait until AWS knows a key made a moment ago")
    status = commands.add_parser("status", parents=[common], help="show what is installed and served")
    status.add_argument("--json", action="store_true", help="for programs")
    check = commands.add_parser(
        "check", parents=[common], help="try everything that a run needs; change nothing"
    )
    check.add_argument("--key", action="store_true", help="only whether AWS accepts the access key")
    check.add_argument("--patient", action="store_true", help="with --key, as of run")
    rollback = commands.add_parser(
        "rollback", parents=[common], help="put back what the last install replaced"
    )
    rollback.add_argument("name", nargs="?", help="the certificate's first name, where there are several")
    rollback.add_argument("--force", action="store_true", help="even if that has expired")
    commands.add_parser("version", help="show the version")
    return parser


def _common_options() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config",
        type=Path,
        default=Path(sys.argv[0]).resolve().parent / "config.json",
        help="the config file, mode 0600 (default: config.json beside the agent)",
    )
    common.add_argument(
        "--root", type=Path, default=Path("/"), help="the folder that DSM stands below (default: /)"
    )
    common.add_argument("--verbose", action="store_true", help="tell each step")
    return common


def _say_nothing(_: str) -> None:
    pass


def _say(line: str) -> None:
    _tell("  " + line)


def _tell(line: str) -> None:
    """Print a line; that nobody reads it any more, or that it has odd letters, must not undo an install."""
    with suppress(OSError, ValueError):
        print(line, flush=True)
