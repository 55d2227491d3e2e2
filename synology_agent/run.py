"""A run, from config to probe: read this file first."""

from __future__ import annotations

import fcntl
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator

from .aws import SecretsManager
from .config import Config, WantedCertificate
from .document import read_document
from .dsm import QUICKCONNECT, Dsm, Entry
from .errors import AgentError, ConfigError, DsmError
from .files import private_folder
from .install import install, not_served, stage
from .state import CertificateState, Installed
from .tls import rehearse


def run(config: Config, dsm: Dsm, home: Path, say: Callable[[str], None], tell: Callable[[str], None]) -> int:
    """Bring every configured certificate up to date.

    One that fails does not keep the others from it.

    Args:
        config: the agent's settings.
        dsm: the NAS.
        home: folder for the agent's state, below DSM's root.
        say: is told each step, for --verbose.
        tell: is told one line a certificate, for Task Scheduler's mail.

    Returns:
        The exit code: 0, or that of the worst failure.
    """
    worst = 0
    with _alone(home):
        aws = SecretsManager(config)
        for wanted in config.certificates:
            try:
                tell(_bring_up_to_date(config, wanted, aws, dsm, home, say))
            except AgentError as error:
                tell(f"{wanted.names[0]}: FAILED: {error}")
                worst = max(worst, error.exit_code)
            except OSError as error:
                tell(f"{wanted.names[0]}: FAILED before DSM was touched: {error}")
                worst = max(worst, DsmError.exit_code)
    say(f"{aws.calls} calls to AWS")
    return worst


def _bring_up_to_date(
    config: Config,
    wanted: WantedCertificate,
    aws: SecretsManager,
    dsm: Dsm,
    home: Path,
    say: Callable[[str], None],
) -> str:
    name = wanted.names[0]
    state = CertificateState(home, wanted.secret)
    installed = state.read()
    entry = find_entry(dsm, wanted.entry)

    version = aws.current_version(wanted.secret)
    say("{}: AWSCURRENT is version {}, installed is {}".format(name, version, installed.version or "none"))
    if version and version == installed.version:
        missing = not_served(dsm, entry, installed.fingerprint, name)
        if not missing:
            return f"{name}: nothing to do, good until {installed.not_after}"
        say("{}: DSM lost it at {}".format(name, ", ".join(missing)))

    version, text = aws.current_document(wanted.secret)
    certificate = read_document(text)
    try:
        staged = stage(certificate, state.staging)
        rehearse(staged.full_chain, staged.private_key, wanted.names, config.ca_file)
        say(f"{name}: serial {certificate.serial} by {certificate.issuer} passed the rehearsal")
        proven = install(dsm, entry, staged, name, state.backup, say)
    finally:
        shutil.rmtree(str(state.staging), ignore_errors=True)

    not_after = f"{certificate.not_after:%Y-%m-%d %H:%M} UTC"
    try:
        state.write(Installed(version, certificate.fingerprint, not_after))
    except OSError as error:
        raise AgentError(
            f"installed and served, which could not be remembered: {error}; the next run installs it again"
        ) from None
    return (
        f"{name}: installed serial {certificate.serial} by {certificate.issuer}, "
        f"good until {not_after}: {proven}"
    )


def find_entry(dsm: Dsm, wanted: str) -> Entry:
    """Return DSM's certificate entry with the id `wanted`, or the only one of that description.

    Raises:
        ConfigError: there is none, or more than one, or it is QuickConnect's.
    """
    entries = dsm.entries()
    found = [entry for entry in entries if entry.id == wanted]
    found = found or [entry for entry in entries if entry.description == wanted]
    if len(found) != 1:
        known = ", ".join(f"{entry.id} ({entry.description!r})" for entry in entries)
        raise ConfigError(
            f"entry is {wanted!r}, and DSM has {len(found)} such certificate entries; it has {known}"
        )
    if any((service.subscriber, service.service) == QUICKCONNECT for service in found[0].services):
        raise ConfigError(f"entry is {wanted!r}, which is QuickConnect's own certificate: choose another")
    return found[0]


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Keep a second run out while the context lasts."""
    try:
        lock = (private_folder(home) / "lock").open("w")
    except OSError as error:
        raise AgentError(f"the agent's own folder cannot be used: {error}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AgentError("another run is under way; this one ends without doing anything") from None
        yield
