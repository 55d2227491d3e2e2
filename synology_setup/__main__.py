"""The developer machine's command line: `python -m synology_setup renew|report|revoke NAME`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from lambda_renewer.request import REVOCATION_REASONS

from . import operations
from .errors import SetupError
from .stack_outputs import StackOutputs, read_outputs

_EPILOG = """exit codes: 0 done, 1 failed (the reason is printed), 2 the command line is wrong

The commands use your own AWS credentials, as `pulumi up` did. NAME is the certificate's name in the stack:
its domain. They wait as long as the renewer takes, up to 15 minutes."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        outputs = read_outputs(stack=options.stack, file=options.outputs)
        outcome = options.run(outputs, options)
    except SetupError as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    for key, value in outcome.items():
        print(f"{key:18} {value}")
    return 0


def _renew(outputs: StackOutputs, options: argparse.Namespace) -> dict[str, Any]:
    return operations.renew(outputs, options.name, force=options.force)


def _report(outputs: StackOutputs, options: argparse.Namespace) -> dict[str, Any]:
    return operations.report(outputs, options.name)


def _revoke(outputs: StackOutputs, options: argparse.Namespace) -> dict[str, Any]:
    serial = options.serial
    if serial is None:
        current = operations.report(outputs, options.name)
        serial = current.get("serial")
        if serial is None:
            raise SetupError(f"there is no certificate to revoke: {current['reason']}")
    if not options.yes and not _agreed(f"Revoke serial {serial} of {options.name} ({options.reason})?"):
        raise SetupError("nothing was revoked")
    try:
        return operations.revoke(outputs, options.name, serial=serial, reason=options.reason, now=options.now)
    except SetupError as error:
        raise SetupError(
            f"{error}\nTo go on where it stopped, run the same command with --serial {serial}"
        ) from None


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise SetupError("to revoke without being asked, say --yes")
    return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m synology_setup",
        description="The renewer's operations, from the machine where `pulumi up` ran.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("name", metavar="NAME", help="the certificate's name in the stack: its domain")
    source = common.add_mutually_exclusive_group()
    source.add_argument("--stack", help="the Pulumi stack (default: the selected one)")
    source.add_argument(
        "--outputs", type=Path, metavar="FILE", help="what `pulumi stack output --json` printed"
    )

    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    renew = commands.add_parser("renew", parents=[common], help="renew the certificate if it is due")
    renew.add_argument("--force", action="store_true", help="renew it even if it is not due")
    renew.set_defaults(run=_renew)

    report = commands.add_parser("report", parents=[common], help="show what is current and when it is due")
    report.set_defaults(run=_report)

    revoke = commands.add_parser(
        "revoke", parents=[common], help="replace the certificate, then revoke the old one"
    )
    revoke.add_argument(
        "--reason",
        choices=sorted(REVOCATION_REASONS),
        default="unspecified",
        help="keyCompromise if somebody else may have the private key",
    )
    revoke.add_argument(
        "--now", action="store_true", help="revoke first: the NAS serves a revoked certificate"
    )
    revoke.add_argument("--serial", help="the certificate to revoke (default: the current one)")
    revoke.add_argument("--yes", action="store_true", help="do not ask")
    revoke.set_defaults(run=_revoke)
    return parser


if __name__ == "__main__":
    sys.exit(main())
