"""What is installed and what is served, without asking AWS."""

from __future__ import annotations

import json
import platform
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable, Sequence

from . import __version__
from .backup import Backups
from .config import Config, WantedCertificate
from .dsm import Dsm
from .entries import Entry, find_entry
from .errors import AgentError, DsmError, NotIssuedYet
from .installers import choose_installer
from .pair import holds
from .ports import Port, read_ports
from .serving import served_at
from .state import CertificateState

_DAY_SECONDS = 86_400


def status(config: Config, dsm: Dsm, home: Path, as_json: bool, tell: Callable[[str], None]) -> int:
    """Tell what every configured certificate's entry holds and serves; docs/agent.md names the JSON's fields.

    Returns:
        0 where everything configured is installed and served; 60 where DSM serves something else; 10 where
        nothing of ours is installed yet.

    Raises:
        DsmError: DSM does not answer.
    """
    found = read_status(config, dsm, home)
    if as_json:
        tell(json.dumps(found, indent=2, sort_keys=True))
    else:
        for line in _lines(found):
            tell(line)
    codes = [0]
    for certificate in found["certificates"]:
        if not certificate["serial"]:
            codes.append(NotIssuedYet.exit_code)
        elif not certificate["ok"]:
            codes.append(DsmError.exit_code)
    return max(codes)


def read_status(config: Config, dsm: Dsm, home: Path) -> dict[str, Any]:
    """Return the status as JSON has it.

    Raises:
        DsmError: DSM does not answer.
    """
    nas = choose_installer(dsm)
    entries, ports = nas.entries(), read_ports(dsm)
    certificates = [_certificate(wanted, dsm, home, entries, ports) for wanted in config.certificates]
    ours = [one["entry"]["id"] for one in certificates if one["entry"]]
    return {
        "agent": __version__,
        "dsm": ".".join(map(str, dsm.release)),
        "python": platform.python_version(),
        "way": nas.way,
        "certificates": certificates,
        "other_services": [
            {
                "service": service.key,
                "name": str(service),
                "entry": entry.id,
                "description": entry.description,
            }
            for entry in entries
            for service in entry.services
            if entry.id not in ours
        ],
    }


def _certificate(
    wanted: WantedCertificate, dsm: Dsm, home: Path, entries: Sequence[Entry], ports: Sequence[Port]
) -> dict[str, Any]:
    state = CertificateState(home, wanted.entry)
    installed, problem, entry = state.read(), "", None
    try:
        entry = find_entry(entries, wanted, installed.entry)
    except AgentError as error:
        problem = str(error)
    serves = _serves(dsm, entry, ports, installed.fingerprint, wanted.own_name) if entry else []
    unfinished = Backups(state.backups).unfinished() is not None
    as_installed = (
        entry is not None and entry.leaf is not None and entry.leaf.fingerprint == installed.fingerprint
    )
    left = installed.not_after - datetime.now(timezone.utc) if installed.not_after else None
    return {
        "name": wanted.name,
        "names": list(wanted.names),
        "entry": None
        if entry is None
        else {"id": entry.id, "description": entry.description, "default": entry.is_default},
        "problem": problem,
        "serial": installed.serial,
        "fingerprint": installed.fingerprint,
        "issuer": installed.issuer,
        "not_after": installed.not_after.strftime("%Y-%m-%dT%H:%M:%SZ") if installed.not_after else None,
        "days_left": round(left.total_seconds() / _DAY_SECONDS, 1) if left else None,
        "held": installed.held,
        "unfinished": unfinished,
        "serves": serves,
        "last_run": state.read_last_run() or None,
        "ok": as_installed and not unfinished and not problem and all(one["ok"] for one in serves),
    }


def _serves(
    dsm: Dsm, entry: Entry, ports: Sequence[Port], fingerprint: str, own_name: str
) -> list[dict[str, Any]]:
    found = []
    for service in entry.services:
        if service.is_quickconnect:
            continue
        probed = [port for port in ports if port.service == service.key]
        stale = [str(port) for port in probed if served_at(port, own_name) != fingerprint]
        copy = holds(dsm.real(service.copy_folder), fingerprint)
        found.append(
            {
                "service": service.key,
                "name": str(service),
                "copy": copy,
                "ports": [str(port) for port in probed],
                "stale_ports": stale,
                "ok": copy and not stale,
            }
        )
    return found


def _lines(found: dict[str, Any]) -> list[str]:
    lines = ["synology-agent {agent} on DSM {dsm}, Python {python}, by {way}".format(**found)]
    for one in found["certificates"]:
        entry = one["entry"]
        lines += ["", "{}: {}".format(one["name"], "installed and served" if one["ok"] else _trouble(one))]
        rows = [
            ("names", ", ".join(one["names"])),
            ("entry", "{id} ({description}){0}".format(", the default" if entry["default"] else "", **entry))
            if entry
            else ("entry", "none yet"),
            ("certificate", "serial {serial} by {issuer}".format(**one) if one["serial"] else "none of ours"),
            ("valid until", "{not_after}, {days_left} days left".format(**one) if one["not_after"] else "-"),
            ("held back", one["held"] and f"serial {one['held']}, until a newer one or `run --force`"),
        ]
        last = one["last_run"]
        rows.append(("last run", "{at}, exit code {exit_code}: {line}".format(**last) if last else "never"))
        lines += [f"  {label:<12} {text}" for label, text in rows if text]
        lines += [
            "  {:<12} {}{}{}".format(
                "serves" if number == 0 else "",
                service["name"],
                ", port " + ", ".join(service["ports"]) if service["ports"] else "",
                "" if service["ok"] else "  <- another certificate",
            )
            for number, service in enumerate(one["serves"])
        ]
    others = found["other_services"]
    if others:
        lines += ["", "served with other certificates:"]
        lines += ["  {name}: {entry} ({description})".format(**one) for one in others]
    return lines


def _trouble(one: dict[str, Any]) -> str:
    if one["problem"]:
        return str(one["problem"])
    if one["unfinished"]:
        return "an install was interrupted; the next run finishes or undoes it"
    return "NOT as installed; the next run mends it" if one["serial"] else "nothing of ours is installed yet"
