"""A run, from config to probe: read this file first."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Callable, NamedTuple

from .aws import Aws, Metric, life_metrics
from .binding import plan_install, what_is_lost
from .config import Config, WantedCertificate
from .dsm import Dsm
from .entries import ARCHIVE, Entry, description_of, find_entry
from .errors import AgentError, AwsError, DsmError, RollbackFailed
from .installers import Listing
from .pair import leaves, read_leaf, stage
from .state import CertificateState, Installed, alone

if TYPE_CHECKING:
    from .install import Transaction

Say = Callable[[str], None]


class Options(NamedTuple):
    """How a run differs from what Task Scheduler does.

    Attributes:
        dry_run: change nothing, and tell what would be done.
        force: install even what is installed already, or was held back by a rollback.
        allow_older: install even what is older than what is installed.
        patient: the access key may have been made a moment ago.
        bind_again: carry `assign` out as at the first install, such as for a service that is new.
    """

    dry_run: bool = False
    force: bool = False
    allow_older: bool = False
    patient: bool = False
    bind_again: bool = False


def run(config: Config, dsm: Dsm, home: Path, options: Options, say: Say, tell: Say) -> int:
    """Bring every configured certificate up to date; one that fails does not keep the others from it.

    Args:
        config, dsm, options: what is wanted, where, and how it differs from the usual.
        home: folder for the agent's state, below DSM's root.
        say: is told each step, for --verbose.
        tell: is told one line a certificate, for Task Scheduler's mail.

    Returns:
        The exit code: 0, or that of the worst failure.
    """
    worst = 0
    with alone(home):
        aws = Aws(config, patient=options.patient, say=say)
        metrics: list[Metric] = []
        listing = Listing(dsm)
        for wanted in config.certificates:
            state = CertificateState(home, wanted.entry)
            code = 0
            try:
                line = _bring_up_to_date(config, wanted, aws, dsm, listing, state, options, say)
            except (AgentError, OSError) as error:
                code = error.exit_code if isinstance(error, AgentError) else DsmError.exit_code
                line = f"FAILED: {error}. {_still_served(state.read())}"
            tell(f"{wanted.name}: {line}")
            worst = max(worst, code)
            if not options.dry_run:
                _remember(state, code, line, say)
                metrics += _life_left(dsm, wanted, state.read())
        _send_metrics(config, aws, metrics, tell)
    say(f"{aws.calls} calls to AWS")
    return worst


def _bring_up_to_date(
    config: Config,
    wanted: WantedCertificate,
    aws: Aws,
    dsm: Dsm,
    listing: Listing,
    state: CertificateState,
    options: Options,
    say: Say,
) -> str:
    installed, transaction = state.read(), None
    try:
        entries = listing.entries()
        entry = find_entry(entries, wanted, installed.entry)
        version = aws.current_version(wanted.secret)
        say(
            "AWSCURRENT is version {}, installed is {}".format(version or "none", installed.version or "none")
        )
        again = options.force or options.bind_again
        if version and version == installed.version and not again and not state.is_unfinished():
            lost = [] if installed.held else what_is_lost(dsm, listing, entry, wanted, installed)
            if not lost:
                held = f"; serial {installed.held} is held back since a rollback" if installed.held else ""
                return f"nothing to do, {_until(installed)}{held}"
            say("DSM lost it: {}".format(", ".join(lost)))

        # Here, as most runs end above, and each compiles what it imports: Python keeps no byte code of a zip.
        from .document import not_issued_yet, read_document  # noqa: PLC0415
        from .proof import prove  # noqa: PLC0415

        transaction = _begin(dsm, wanted, state, say)
        listing.forget()
        if not version:
            raise not_issued_yet()
        version, text = aws.current_document(wanted.secret)
        certificate = read_document(text)
        if certificate.serial == installed.held and not options.force:
            return (
                f"serial {installed.held} is held back since a rollback, until a newer one or `run --force`"
            )

        pair = stage(certificate, state.staging)
        prove(certificate, pair, wanted.names, config.ca_file, installed, options.allow_older)
        say(f"serial {certificate.serial} by {certificate.issuer} is good for {', '.join(wanted.names)}")
        names = read_leaf(pair.leaf).names
        known = Installed() if options.bind_again else installed
        plan = plan_install(config, dsm, entries, entry, wanted, names, known)
        for service in plan.take:
            say(f"{service} will be bound to it")
        if options.dry_run:
            return _would(entry, certificate.serial, [str(service) for service in plan.take], plan.default)
        proven = transaction.install(entry, description_of(wanted), pair, plan)
    except (AgentError, OSError) as error:
        listing.forget()
        if state.is_unfinished() and not isinstance(error, RollbackFailed) and not options.dry_run:
            (transaction or _begin(dsm, wanted, state, say)).undo_interrupted(error)
        raise
    finally:
        state.clear_staging()

    record = Installed.of(certificate, version, proven, wanted.assign, installed)
    try:
        state.write(record)
    except OSError as error:
        raise AgentError(
            f"serial {record.serial} is installed and served, which could not be remembered: {error}; "
            "the next run installs it again"
        ) from None
    return f"installed serial {record.serial} by {record.issuer}, {_until(record)}: {proven.text}"


def _begin(dsm: Dsm, wanted: WantedCertificate, state: CertificateState, say: Say) -> Transaction:
    from .backup import Backups  # noqa: PLC0415 - as above
    from .install import Transaction  # noqa: PLC0415

    return Transaction(dsm, Backups(state.backups), wanted.own_name, say)


def _would(entry: Entry | None, serial: str, taken: list[str], default: bool) -> str:
    where = f"into entry {entry}" if entry else "into a new entry"
    bound = ", and bind {}".format(", ".join(taken)) if taken else ""
    return f"would install serial {serial} {where}{bound}{', and make it the default' if default else ''}"


def _still_served(installed: Installed) -> str:
    if not installed.serial:
        return "Nothing of ours was installed before; what DSM serves stays"
    return f"Installed last was serial {installed.serial}, {_until(installed)}"


def _until(installed: Installed) -> str:
    return f"good until {installed.not_after:%Y-%m-%d %H:%M} UTC" if installed.not_after else "of unknown end"


def _remember(state: CertificateState, code: int, line: str, say: Say) -> None:
    try:
        state.write_last_run(datetime.now(timezone.utc), code, line)
    except OSError as error:
        say(f"how this run ended could not be remembered: {error}")


def _send_metrics(config: Config, aws: Aws, metrics: list[Metric], tell: Say) -> None:
    """Send what is left of the certificates' lives; a run does not fail for it: silence raises the alarm."""
    if config.metric_namespace and metrics:
        try:
            aws.put_metrics(config.metric_namespace, metrics)
        except AwsError as error:
            tell(f"the metrics were not sent: {error}")


def _life_left(dsm: Dsm, wanted: WantedCertificate, installed: Installed) -> list[Metric]:
    """Measure the leaf that stands in the entry of ours now, whoever put it there."""
    found = leaves(dsm.real(f"{ARCHIVE}/{installed.entry}")) if installed.entry else []
    now = datetime.now(timezone.utc)
    return life_metrics(wanted.name, found[0].not_before, found[0].not_after, now) if found else []
