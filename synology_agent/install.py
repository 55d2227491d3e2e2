"""The install as a transaction: keep the old, replace, bind, prove every copy and port, or put all back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable

from .backup import Backup, Backups, Before
from .binding import Plan
from .copies import find_unlisted, package_of
from .dsm import ApiRefused, Dsm
from .entries import ARCHIVE, Entry, entry_of, find_service, owners
from .errors import DsmError, InstallFailed, RollbackFailed
from .files import replace_files
from .files_installer import FilesInstaller
from .installers import Installer, choose_installer
from .pair import Pair, holds, read_pair
from .ports import Port, read_ports
from .serving import Expectation, fingerprints_in, prove_served, silent_ports, stale_copies

# They read their certificate only at start (likely).
_RESTARTED = {"DirectoryServer", "VPNCenter"}


@dataclass(frozen=True)
class Proven:
    """What an install left behind.

    Attributes:
        entry: id of the entry.
        bound: keys of the services that it serves.
        text: what was proven, for a person.
    """

    entry: str
    bound: tuple[str, ...]
    text: str


def rollback_failed(what: str, backup: Backup) -> RollbackFailed:
    """Return the error for `what` went wrong when `backup` was to be put back."""
    return RollbackFailed(
        f"{what}. Look at Control Panel > Security > Certificate now; the old files are in {backup.folder}"
    )


class Transaction:
    """Installs one certificate on one NAS."""

    def __init__(self, dsm: Dsm, backups: Backups, own_name: str, say: Callable[[str], None]) -> None:
        """Work on `dsm`; ask its own page for `own_name`; `say` is told each step."""
        self._dsm = dsm
        self._nas = choose_installer(dsm)
        self._way = self._nas.way
        self._backups = backups
        self._own_name = own_name
        self._say = say
        self._entries: list[Entry] = []
        self._silent: list[Port] | None = None
        self._reads = 0
        self._notes: list[str] = []

    def install(self, entry: Entry | None, description: str, new: Pair, plan: Plan) -> Proven:
        """Put `new` into `entry`, or into a new one, bind what `plan` takes, and prove it.

        Raises:
            InstallFailed: what stood before is back, and proven.
            RollbackFailed: neither could be proven.
        """
        backup = self._begin(entry, plan)
        try:
            entry = self._replace(entry, description, new)
            backup.before.to = entry.id
            backup.save()
            self._bind(entry, plan, backup.before)
            self._renew_unlisted(new, plan, backup)
            self._restart_packages([one.key for one in entry_of(self._entries, entry.id).services], backup)
            proven = self._prove(entry.id, new)
        except (DsmError, OSError, ValueError) as error:
            raise self._fail(error, backup) from None
        self._backups.finish()
        return proven

    def undo_interrupted(self, error: Exception) -> None:
        """Undo what a killed run left half done, which this run cannot finish for `error`.

        Raises:
            RollbackFailed: it could not be undone.
        """
        interrupted = self._backups.unfinished()
        if interrupted is None:
            return
        try:
            self.undo(interrupted)
        except (DsmError, OSError, ValueError) as second:
            raise rollback_failed(
                f"{error}. Besides, an interrupted install could not be undone: {second}", interrupted
            ) from None

    def undo(self, backup: Backup) -> str:
        """Put back what stood before `backup`'s install, end the journal, and return what was proven.

        Raises:
            DsmError: DSM refused, or something else is served.
            OSError: a file could not be written.
            ValueError: the backup cannot be read.
        """
        before, self._reads = backup.before, 0
        self._listen()
        self._read_back()
        ids = {one.id for one in self._entries}
        if before.default in ids:
            self._make_default(before.default)
        bound = owners(self._entries)
        for key, owner in before.owners.items():
            if owner in ids and key in bound and before.to in ("", bound[key]):  # else its owner's choice
                self._move(key, owner)
        if before.entry:
            self._put_back(entry_of(self._entries, before.entry), backup)
        self._put_files_back(backup)
        proven = prove_served(self._dsm, self._before(before), self._own_name, self._say)
        if before.files or self._reads > 1:  # something was put back
            with suppress(DsmError):  # what can be probed is proven already
                self._dsm.reload_nginx()
            self._restart_packages(before.owners, backup)
        self._backups.consume(backup)
        return proven

    def _begin(self, entry: Entry | None, plan: Plan) -> Backup:
        """Open the journal; that of an interrupted install goes on, since what it kept is what was good."""
        self._listen()
        backup = self._backups.unfinished()
        if backup is not None and backup.before.entry not in ("", entry.id if entry else ""):
            self._say(f"the interrupted install into entry {backup.before.entry} is undone")
            self.undo(backup)
            backup = None
        self._read_back()
        if backup is None:
            before = Before(
                entry=entry.id if entry else "",
                fingerprints=fingerprints_in(self._archive(entry.id)) if entry else [],
                default=next((one.id for one in self._entries if one.is_default), ""),
                owners=owners(self._entries),
            )
            backup = self._backups.begin(before, self._archive(entry.id) if entry else None)
        for service in plan.take:
            kept = fingerprints_in(self._dsm.real(service.copy_folder))
            backup.before.services.setdefault(service.key, kept)
        backup.save()
        return backup

    def _replace(self, entry: Entry | None, description: str, new: Pair) -> Entry:
        known = {one.id for one in self._entries}
        self._with_fallback(
            lambda nas: nas.create(description, new) if entry is None else nas.replace(entry, new)
        )
        made = [one for one in self._entries if one.id not in known and one.description == description]
        if entry is None and not made:
            raise DsmError(f"DSM made no entry {description!r}, though it said so")
        entry = entry_of(self._entries, entry.id if entry is not None else made[0].id)
        if not holds(self._archive(entry.id), new.fingerprint):
            raise DsmError(f"the archive of entry {entry.id} did not change, though DSM said so")
        self._say(f"entry {entry.id} has the new certificate, by {self._way}")
        return entry

    def _put_back(self, entry: Entry, backup: Backup) -> None:
        expected = Expectation()
        expected.add(self._dsm, entry, backup.before.fingerprints)
        if stale_copies(expected):
            self._with_fallback(lambda nas: nas.replace(entry, backup.pair))

    def _with_fallback(self, write: Callable[[Installer], None]) -> None:
        """Write by the web API; where it refuses what was proven good, by files."""
        try:
            write(self._nas)
        except ApiRefused as refusal:
            self._say(f"{refusal}; trying files and hooks")
            self._way = f"{FilesInstaller.way}, since {refusal}"
            write(FilesInstaller(self._dsm))
        self._read_back()

    def _bind(self, entry: Entry, plan: Plan, before: Before) -> None:
        for service in plan.take:
            self._move(service.key, entry.id)
        if plan.default:
            self._make_default(entry.id)
        ids = {one.id for one in self._entries}
        for key, owner in owners(self._entries).items():
            old = before.owners.get(key, owner)
            if owner == entry.id and old != owner and old in ids and key not in before.services:
                self._say(f"DSM moved {key} along with the default")
                self._move(key, old)

    def _make_default(self, entry_id: str) -> None:
        """Make the entry the default, unless it is; read back."""
        if entry_of(self._entries, entry_id).is_default:
            return
        self._nas.make_default(entry_of(self._entries, entry_id))
        self._read_back()
        if not entry_of(self._entries, entry_id).is_default:
            raise DsmError(f"DSM did not make entry {entry_id} the default, though it said so")
        self._say(f"entry {entry_id} is the default now")

    def _move(self, key: str, entry_id: str) -> None:
        """Bind the service to the entry, unless it is; its owner is fresh, and the result is read back."""
        owner = owners(self._entries).get(key, "")
        if owner == entry_id:
            return
        service = find_service(self._dsm, self._entries, key)
        self._nas.bind(service, owner, entry_id)
        self._read_back()
        if owners(self._entries).get(key) != entry_id:
            raise DsmError(f"DSM did not move {service} to entry {entry_id}, though it said so")
        self._say(f"{service} is bound to entry {entry_id}")

    def _put_files_back(self, backup: Backup) -> None:
        files = {self._dsm.real(path): backup.folder / name for path, name in backup.before.files.items()}
        replace_files({path: kept.read_bytes() for path, kept in files.items() if path.parent.is_dir()})

    def _renew_unlisted(self, new: Pair, plan: Plan, backup: Backup) -> None:
        self._put_files_back(backup)  # a run that was killed may have renewed half of a folder
        olds = [backup.pair] if backup.before.fingerprints else []
        if plan.take_unlisted:
            owned = {backup.before.owners.get(key) for key in backup.before.services}
            olds += [read_pair(self._archive(one.id)) for one in self._entries if one.id in owned]
        services = [service for one in self._entries for service in one.services]
        listed = {self._dsm.real(service.copy_folder) for service in services}
        for copy in find_unlisted(self._dsm, olds, new, listed):
            name = self._dsm.on_nas(copy.folder)
            if not copy.files:
                self._notes.append(f"NOT renewed: {name}, as its key is not that of its certificate")
                continue
            for path in copy.files:
                backup.keep_file(self._dsm.on_nas(path), path.read_bytes())
            replace_files(copy.files)
            self._notes.append(f"{name} too, which DSM does not list")

    def _restart_packages(self, keys: Iterable[str], backup: Backup) -> None:
        """Restart those that run and have read what was replaced: of the services `keys`, and of files."""
        found = {key.partition("/")[0] for key in keys} & _RESTARTED
        found |= {package_of(self._dsm, self._dsm.real(path).parent) for path in backup.before.files}
        for package in sorted(found):
            self._restart(package)

    def _restart(self, package: str) -> None:
        if not self._dsm.is_running(package):
            return
        try:
            self._dsm.restart_package(package)
            self._notes.append(f"{package} restarted")
        except DsmError as error:
            self._notes.append(f"{package} NOT restarted, and serves the old one until it is: {error}")

    def _prove(self, entry_id: str, new: Pair) -> Proven:
        entry = entry_of(self._entries, entry_id)
        expected = Expectation()
        expected.add(self._dsm, entry, [new.fingerprint])
        expected.silent = self._silent or ()
        # Files are read by nothing until nginx is told; what has a host name may have a port unknown here.
        reload = self._way != self._nas.way or any(service.has_host for service in entry.services)
        served = prove_served(self._dsm, expected, self._own_name, self._say, reload)
        text = "; ".join([f"{len(expected.services)} copies by {self._way}, {served}", *self._notes])
        return Proven(entry.id, tuple(sorted(expected.services)), text)

    def _before(self, before: Before) -> Expectation:
        entries = self._entries
        expected = Expectation(silent=self._silent or ())
        if before.fingerprints:
            expected.add(self._dsm, entry_of(entries, before.entry), before.fingerprints)
        for key, leaves in before.services.items():
            owner = before.owners.get(key)
            if owner and owners(entries).get(key) == owner and owner != before.entry:
                good = [*leaves, *fingerprints_in(self._archive(owner))]
                expected.services[key] = good
                expected.folders[self._dsm.real(find_service(self._dsm, entries, key).copy_folder)] = good
        return expected

    def _fail(self, error: Exception, backup: Backup) -> InstallFailed | RollbackFailed:
        self._say(f"failed: {error}; putting back what was there")
        try:
            self.undo(backup)
        except (DsmError, OSError, ValueError) as second:
            return rollback_failed(
                f"{error}. What was there before could not be put back: {second}. The next run tries again",
                backup,
            )
        return InstallFailed(f"{error}. What was served before is back, and proven; the next run tries again")

    def _listen(self) -> None:
        """Remember which ports give no answer, before anything is changed."""
        if self._silent is None:
            self._silent = silent_ports(read_ports(self._dsm), self._own_name)

    def _read_back(self) -> None:
        """Read DSM's entries; after each write, since `success` is no proof."""
        self._entries = self._nas.entries()
        self._reads += 1

    def _archive(self, entry_id: str) -> Path:
        return self._dsm.real(f"{ARCHIVE}/{entry_id}")
