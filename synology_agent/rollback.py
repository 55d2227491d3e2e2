"""A rollback by hand: what the last install replaced comes back, and the new certificate is held back."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Callable

from .backup import Backup, Backups
from .config import Config, WantedCertificate
from .dsm import Dsm
from .errors import ConfigError, DsmError
from .install import Transaction, rollback_failed
from .pair import read_leaf
from .state import CertificateState, Installed, alone


def rollback(
    config: Config,
    dsm: Dsm,
    home: Path,
    name: str | None,
    force: bool,
    say: Callable[[str], None],
    tell: Callable[[str], None],
) -> int:
    """Put back what stood before the last install, prove it, and hold the newer serial back.

    Args:
        config, dsm, home, say, tell: as for a run.
        name: first name of the certificate; may be missing where there is one.
        force: even if what comes back has expired.

    Raises:
        ConfigError: there is no such certificate, or nothing to put back.
        RollbackFailed: what stood before could not be proven.
        Busy: a run is under way.
    """
    wanted = _choose(config, name)
    with alone(home):
        state = CertificateState(home, wanted.entry)
        backups = Backups(state.backups)
        installed = state.read()
        backup = backups.unfinished() or _last_other(backups, installed)
        if backup is None:
            raise ConfigError(f"{wanted.name}: nothing to put back: no install has replaced anything yet")
        before = _described(backup, installed)
        if before.not_after and before.not_after <= datetime.now(timezone.utc) and not force:
            raise ConfigError(
                f"{wanted.name}: what would come back expired at {before.not_after:%Y-%m-%d %H:%M} UTC; "
                "`rollback --force` puts it back all the same"
            )
        try:
            proven = Transaction(dsm, backups, wanted.own_name, say).undo(backup)
        except (DsmError, OSError, ValueError) as error:
            raise rollback_failed(f"{wanted.name}: {error}", backup) from None
        state.write(before)
    back = f"serial {before.serial}" if before.serial else "what DSM had before"
    tell(
        f"{wanted.name}: {back} is back, {proven}; serial {before.held or 'of that install'} is held back "
        "until a newer one comes, or `run --force`"
    )
    return 0


def _choose(config: Config, name: str | None) -> WantedCertificate:
    found = [wanted for wanted in config.certificates if name in (None, wanted.name)]
    if len(found) != 1:
        known = ", ".join(wanted.name for wanted in config.certificates)
        raise ConfigError(f"NAME is {name!r}, and one of these is wanted: {known}")
    return found[0]


def _last_other(backups: Backups, installed: Installed) -> Backup | None:
    """Return the backup of the last install of another certificate; `run --force` repeats installs."""
    backup = backups.newest()
    while backup is not None and installed.fingerprint in backup.before.fingerprints:
        backups.consume(backup)
        backup = backups.newest()
    return backup


def _described(backup: Backup, installed: Installed) -> Installed:
    """Describe what stands once `backup` is back; the version stays, so that a run has nothing to do."""
    if not backup.before.entry:
        return Installed(held=installed.held or installed.serial)
    try:
        leaf = read_leaf(backup.pair.leaf)
    except (OSError, ValueError) as error:
        raise ConfigError(f"the backup in {backup.folder} cannot be read: {error}") from None
    return Installed(
        version=installed.version,
        entry=backup.before.entry,
        serial=leaf.serial,
        fingerprint=leaf.fingerprint,
        issuer=leaf.issuer_name,
        not_before=leaf.not_before,
        not_after=leaf.not_after,
        names=leaf.names,
        bound=installed.bound,
        assign="" if backup.before.services else installed.assign,  # a newer one takes them again
        held=installed.held or installed.serial,
    )
