"""The developer machine's command line: what there is to say, and which command is meant."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lambda_renewer.request import REVOCATION_REASONS
from synology_agent import __version__

from . import operations
from .checks import Resolvers, check_all
from .errors import SetupError
from .finish import ServicePort, finish
from .install import Wishes, install, read_roots
from .reach import Reach
from .remote import SSH_PORT, Target
from .remove import remove
from .rotate_key import rotate_key
from .screen import Screen
from .stack_outputs import StackOutputs, read_outputs
from .status import status

_INTERRUPTED = 130  # as a shell says of SIGINT
_EPILOG = """exit codes: 0 done, 1 failed or something is red (the reason is printed), 2 wrong command line

The commands use your own AWS credentials, as `pulumi up` did, and the outputs of the stack. On the NAS, SSH
must be on (Control Panel > Terminal & SNMP) and ACCOUNT an administrator; sudo's password is asked for once.
Each command can be run again: it looks first, and does what is missing. Begin with:

  python -m synology_setup check
  python -m synology_setup install admin@192.168.0.10"""

_FORMAT = functools.partial(argparse.RawDescriptionHelpFormatter, max_help_position=26)


def main(arguments: list[str] | None = None, screen: Screen | None = None) -> int:
    """Run the command line and return the exit code."""
    options = _parser().parse_args(arguments)
    screen = screen or Screen(agree=options.yes)
    try:
        return 0 if options.run(options, screen) is not False else 1
    except SetupError as error:
        screen.fail(str(error))
        return 1
    except KeyboardInterrupt:
        screen.fail("interrupted: run it again, it goes on from where it was")
        return _INTERRUPTED


def _outputs(options: argparse.Namespace) -> StackOutputs:
    return read_outputs(stack=options.stack, file=options.outputs)


def _reach(options: argparse.Namespace) -> Reach:
    return Reach(Target.parse(options.target), options.identity, options.root)


def _install(options: argparse.Namespace, screen: Screen) -> None:
    wishes = Wishes(options.ca_file, options.endpoint, options.mail)
    install(_reach(options), _outputs(options), options.nas, wishes, screen)


def _status(options: argparse.Namespace, screen: Screen) -> bool:
    outputs = None if options.without_aws else _outputs(options)
    return status(_reach(options), outputs, screen)


def _check(options: argparse.Namespace, screen: Screen) -> bool:
    outputs = _outputs(options)
    nases = [outputs.nas(options.name)] if options.name else list(outputs.nases.values())
    roots = read_roots(options.ca_file).decode("ascii") if options.ca_file else None
    findings = []
    for finding in check_all(outputs, nases, Resolvers.default(), ssh_port=options.ssh_port, roots=roots):
        screen.show(finding.ok, finding.what, finding.measured)
        findings.append(finding)
    screen.advise([(one.what, one.advice) for one in findings if one.advice])
    return all(one.ok is not False for one in findings)


def _rotate_key(options: argparse.Namespace, screen: Screen) -> None:
    rotate_key(_reach(options), _outputs(options), options.nas, screen)


def _remove(options: argparse.Namespace, screen: Screen) -> None:
    remove(_reach(options), _outputs(options), options.nas, screen)


def _finish(options: argparse.Namespace, screen: Screen) -> None:
    services = [ServicePort.parse(text) for text in options.service]
    finish(_reach(options), _outputs(options), options.nas, services, screen, undo=options.undo)


def _renew(options: argparse.Namespace, screen: Screen) -> None:
    _show(operations.renew(_outputs(options), options.name, force=options.force), screen)


def _report(options: argparse.Namespace, screen: Screen) -> None:
    _show(operations.report(_outputs(options), options.name), screen)


def _revoke(options: argparse.Namespace, screen: Screen) -> None:
    outputs, serial = _outputs(options), options.serial
    if serial is None:
        current = operations.report(outputs, options.name)
        serial = current.get("serial")
        if serial is None:
            raise SetupError(f"there is no certificate to revoke: {current['reason']}")
    if not screen.agree(f"Revoke serial {serial} of {options.name} ({options.reason})?"):
        raise SetupError("nothing was revoked")
    try:
        outcome = operations.revoke(
            outputs, options.name, serial=serial, reason=options.reason, now=options.now
        )
    except SetupError as error:
        raise SetupError(
            f"{error}\nTo go on where it stopped, run the same command with --serial {serial}"
        ) from None
    _show(outcome, screen)


def _show(outcome: dict[str, Any], screen: Screen) -> None:
    for key, value in outcome.items():
        screen.console.print(f"{key:18} {value}", markup=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m synology_setup",
        description="Puts the agent on a NAS over SSH, looks after it, and sends the renewer's operations.",
        epilog=_EPILOG,
        formatter_class=_FORMAT,
    )
    parser.add_argument("--version", action="version", version=f"synology-https {__version__}")
    source, nas, name = _source_options(), _nas_options(), _name_options()
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        word: str, run: Callable[..., object], parents: list[argparse.ArgumentParser], text: str
    ) -> argparse.ArgumentParser:
        described = f"{text[0].upper()}{text[1:]}."
        made = commands.add_parser(
            word, parents=parents, help=text, description=described, formatter_class=_FORMAT
        )
        made.set_defaults(run=run)
        return made

    made = command("install", _install, [nas, source], "put the agent on the NAS, or put right what is there")
    made.add_argument(
        "--ca-file",
        type=Path,
        metavar="FILE",
        help="PEM with roots that the NAS is to trust besides its own, such as a private authority's",
    )
    made.add_argument("--endpoint", metavar="URL", help="in place of AWS's own, such as a VPC endpoint")
    made.add_argument("--mail", metavar="ADDRESS", help="gets failed runs (default: DSM's own recipient)")

    made = command("check", _check, [source], "find what keeps people up, before it does")
    made.add_argument(
        "name", nargs="?", metavar="NAS", help="the NAS's name in the stack (default: all of them)"
    )
    made.add_argument("--ssh-port", type=int, default=SSH_PORT, metavar="PORT", help="of the NASes")
    made.add_argument(
        "--ca-file", type=Path, metavar="FILE", help="PEM with roots to trust besides the system's"
    )

    made = command("status", _status, [nas, source], "show what is on the NAS and what it serves")
    made.add_argument("--without-aws", action="store_true", help="look at the NAS alone")
    command("rotate-key", _rotate_key, [nas, source], "replace the NAS's access key")
    command("remove", _remove, [nas, source], "take agent, tasks and key away; DSM keeps its certificate")
    made = command(
        "finish", _finish, [nas, source], "set DSM's HTTPS redirect, its name, reverse proxy rules"
    )
    made.add_argument(
        "--service",
        action="append",
        default=[],
        metavar="NAME=PORT",
        help="a service of the stack and its port on the NAS, such as navidrome=4533; may be repeated",
    )
    made.add_argument("--undo", action="store_true", help="take the same settings back")

    made = command("renew", _renew, [name, source], "renew the certificate if it is due")
    made.add_argument("--force", action="store_true", help="renew it even if it is not due")
    command("report", _report, [name, source], "show what is current and when it is due")
    made = command("revoke", _revoke, [name, source], "replace the certificate, then revoke the old one")
    made.add_argument(
        "--reason",
        choices=sorted(REVOCATION_REASONS),
        default="unspecified",
        help="keyCompromise if somebody else may have the private key",
    )
    made.add_argument("--now", action="store_true", help="revoke first: the NAS serves a revoked certificate")
    made.add_argument("--serial", help="the certificate to revoke (default: the current one)")
    return parser


def _source_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    source = options.add_mutually_exclusive_group()
    source.add_argument("--stack", help="the Pulumi stack (default: the selected one)")
    source.add_argument(
        "--outputs", type=Path, metavar="FILE", help="what `pulumi stack output --json` printed"
    )
    options.add_argument("--yes", action="store_true", help="answer questions about what to do with yes")
    return options


def _nas_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument(
        "target", metavar="ACCOUNT@NAS[:PORT]", help="a DSM administrator and the NAS's name or address"
    )
    options.add_argument("--nas", metavar="NAME", help="the NAS's name in the stack, where there are several")
    options.add_argument(
        "-i", "--identity", type=Path, metavar="FILE", help="private key to log in with (default: your own)"
    )
    options.add_argument("--root", default="", help=argparse.SUPPRESS)  # a simulated DSM's folder
    return options


def _name_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("name", metavar="NAME", help="the certificate's name in the stack: its domain")
    return options
