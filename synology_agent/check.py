"""Everything that a run would need, tried without changing anything."""

from __future__ import annotations

import os
import platform
import shutil
import ssl
from datetime import datetime, timezone
from pathlib import Path
from typing import Callable, Iterator, NamedTuple

from .aws import Aws
from .binding import plan_install
from .certificates import read_pem
from .config import Config, WantedCertificate, read_config
from .document import not_issued_yet, read_document
from .dsm import Dsm
from .entries import Entry, find_entry
from .errors import AgentError, ConfigError, DsmError, NotIssuedYet, Withdrawn
from .installers import choose_installer
from .pair import read_leaf, stage
from .ports import read_ports
from .proof import prove
from .serving import served_at
from .state import CertificateState
from .tls import trusting

_TESTED = ((6, 2), (7, 3))


class Finding(NamedTuple):
    """One thing that was tried; its level is `ok`, `warn` or `FAIL`."""

    level: str
    what: str
    detail: str
    exit_code: int = 0

    def __str__(self) -> str:
        """Show it as a line."""
        return f"{self.level:<5} {self.what:<14} {self.detail}"


def check(config_path: Path, dsm: Dsm, home: Path, tell: Callable[[str], None]) -> int:
    """Try everything, tell a line for each, and return the exit code of the worst failure."""
    worst = 0
    for finding in findings(config_path, dsm, home):
        tell(str(finding))
        worst = max(worst, finding.exit_code)
    return worst


def check_key(config_path: Path, patient: bool, tell: Callable[[str], None]) -> int:
    """Ask AWS for every configured certificate's version and nothing else; DSM is not looked at.

    Returns:
        0 where AWS lets the access key read them, whatever they hold; else the exit code of the failure.
    """
    worst = 0
    config = read_config(config_path)
    aws = Aws(config, patient=patient, say=lambda _: None)
    for wanted in config.certificates:
        try:
            version = aws.current_version(wanted.secret)
            finding = Finding("ok", wanted.name, f"AWS answers: AWSCURRENT is version {version or 'none'}")
        except AgentError as error:
            finding = _failed(wanted.name, error)
        tell(str(finding))
        worst = max(worst, finding.exit_code)
    return worst


def findings(config_path: Path, dsm: Dsm, home: Path) -> Iterator[Finding]:
    """Yield what was tried, in the order in which a run would meet it."""
    yield Finding("ok", "python", platform.python_version())
    yield _root(dsm)
    try:
        config = read_config(config_path)
    except ConfigError as error:
        yield _failed("config", error)
        return
    yield Finding("ok", "config", f"{config_path}, {len(config.certificates)} certificates")
    yield _roots(config)
    entries: list[Entry] | None = None
    try:
        yield _release(dsm)
        nas = choose_installer(dsm)
        entries = nas.entries()
        yield Finding("ok", "dsm", f"{len(entries)} certificate entries, by {nas.way}")
        for port in read_ports(dsm):
            served = served_at(port, config.certificates[0].own_name)
            level = "ok" if served else "warn"
            yield Finding(level, "port", f"{port}: {'serves ' + served[:16] if served else 'no TLS answer'}")
    except DsmError as error:
        yield _failed("dsm", error)
    try:
        aws = Aws(config, say=lambda _: None)
    except ConfigError as error:
        yield _failed("aws", error)
        return
    for wanted in config.certificates:
        yield from _certificate(config, wanted, dsm, home, entries, aws)
    skew = aws.clock_skew().total_seconds()
    level = "warn" if skew else "ok"
    yield Finding(level, "clock", f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} UTC, off by {skew:.0f} s")


def _certificate(
    config: Config, wanted: WantedCertificate, dsm: Dsm, home: Path, entries: list[Entry] | None, aws: Aws
) -> Iterator[Finding]:
    state, entry = CertificateState(home, wanted.entry), None
    installed = state.read()
    try:
        if entries is not None:
            entry = find_entry(entries, wanted, installed.entry)
            yield Finding(
                "ok", wanted.name, f"entry {entry}" if entry else f"{wanted.entry!r} will be created"
            )
        version = aws.current_version(wanted.secret)
        yield Finding("ok", wanted.name, f"AWS answers: AWSCURRENT is version {version or 'none'}")
        if not version:
            raise not_issued_yet()
        certificate = read_document(aws.current_document(wanted.secret)[1])
        staging = state.folder / "check"
        try:
            pair = stage(certificate, staging)
            prove(certificate, pair, wanted.names, config.ca_file, installed)
            names = read_leaf(pair.leaf).names
        finally:
            shutil.rmtree(str(staging), ignore_errors=True)
        yield Finding(
            "ok", wanted.name, f"serial {certificate.serial} by {certificate.issuer} is fit to be served"
        )
        if entries is not None:
            plan = plan_install(config, dsm, entries, entry, wanted, names, installed)
            taken = ", ".join(str(service) for service in plan.take) or "nothing"
            yield Finding(
                "ok", wanted.name, f"a run would bind {taken}{', and be the default' * plan.default}"
            )
    except (NotIssuedYet, Withdrawn) as error:
        yield Finding("warn", wanted.name, str(error), error.exit_code)
    except (AgentError, OSError) as error:
        yield _failed(wanted.name, error)


def _root(dsm: Dsm) -> Finding:
    if dsm.root == Path("/") and os.geteuid() != 0:
        return Finding("FAIL", "user", "not root: in Task Scheduler choose the user root", DsmError.exit_code)
    return Finding("ok", "user", f"uid {os.geteuid()}")


def _release(dsm: Dsm) -> Finding:
    release = dsm.release
    text = ".".join(map(str, release))
    if _TESTED[0] <= release <= _TESTED[1]:
        return Finding("ok", "release", f"DSM {text}")
    return Finding(
        "warn", "release", f"DSM {text}: this agent was made for 6.2 to 7.3, and proves what it does"
    )


def _roots(config: Config) -> Finding:
    try:
        trusting(config.ca_file)
    except ConfigError as error:
        return _failed("roots", error)
    system = len(ssl.create_default_context().get_ca_certs())
    own = read_pem(config.ca_file.read_text(encoding="ascii")) if config.ca_file else []
    text = f"{system} of the system" + "".join(f", and {root.issuer_name!r} by ca_file" for root in own)
    return Finding("ok" if system else "warn", "roots", text)


def _failed(what: str, error: Exception) -> Finding:
    code = error.exit_code if isinstance(error, AgentError) else DsmError.exit_code
    return Finding("FAIL", what, str(error), code)
