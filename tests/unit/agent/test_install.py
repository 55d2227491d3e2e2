"""The transaction's own decisions: what it keeps, for how long, and when it says which failure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from synology_agent.document import fingerprint, read_document
from synology_agent.dsm import Dsm, Entry, Port, Service
from synology_agent.errors import DsmError, InstallFailed, RollbackFailed
from synology_agent.install import Pair, install, stage

from .certificates import Authority, Issued, issue

ENTRY = Entry("xoEBak", "example.com", (Service("smbftpd", "ftpd", False, "FTPS"),))


class StubDsm(Dsm):
    """A DSM without a port: an import writes the copies, unless the next of `answers` refuses it."""

    def __init__(self, root: Path, old: Issued) -> None:
        super().__init__(root)
        self.answers: list[str] = []
        for folder in self.folders():
            folder.mkdir(parents=True)
            (folder / "cert.pem").write_text(old.leaf)
            (folder / "chain.pem").write_text(old.chain)
            (folder / "privkey.pem").write_text(old.private_key)

    def folders(self) -> list[Path]:
        return [self.archive_folder(ENTRY.id), self.copy_folder(ENTRY.services[0])]

    def import_into(self, _: Entry, leaf: Path, chain: Path | None, private_key: Path) -> None:
        answer = self.answers.pop(0) if self.answers else "does it"
        if answer == "refuses":
            raise DsmError("refused")
        if answer == "stops":
            raise KeyboardInterrupt
        if answer == "lies":
            return
        folders = self.folders() if answer == "does it" else self.folders()[:1]
        for folder in folders:
            (folder / "cert.pem").write_bytes(leaf.read_bytes())
            (folder / "privkey.pem").write_bytes(private_key.read_bytes())
            (folder / "chain.pem").write_bytes(chain.read_bytes() if chain else b"")

    def ports(self, _: Sequence[Service], __: str) -> list[Port]:
        return []

    def leaves(self) -> set[str | None]:
        return {self.leaf_fingerprint(folder) for folder in self.folders()}


@pytest.fixture
def old(intermediate: Authority) -> Issued:
    return issue(["nas.example.com"], intermediate)


@pytest.fixture
def dsm(tmp_path: Path, old: Issued) -> StubDsm:
    return StubDsm(tmp_path / "root", old)


@pytest.fixture
def new(tmp_path: Path, document: dict[str, Any]) -> Pair:
    return stage(read_document(json.dumps(document)), tmp_path / "staging")


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "state" / "backup"


def run(dsm: Dsm, new: Pair, backup: Path, entry: Entry = ENTRY) -> str:
    return install(dsm, entry, new, "nas.example.com", backup, lambda _: None)


def test_the_staged_pair(new: Pair, issued: Issued) -> None:
    assert new.leaf.read_text() == issued.leaf
    assert new.chain and new.chain.read_text() == issued.chain
    assert new.full_chain.read_text() == issued.leaf + issued.chain
    assert new.private_key.read_text() == issued.private_key
    assert new.fingerprint == fingerprint(issued.leaf)


def test_an_install_leaves_no_backup(dsm: StubDsm, new: Pair, backup: Path) -> None:
    assert run(dsm, new, backup) == "1 copies, served at no port of nginx"
    assert dsm.leaves() == {new.fingerprint}
    assert not backup.exists()


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (["refuses", "refuses"], "refused. The old one is back: nothing was changed"),
        (["refuses"], "refused. The old one is back: 1 copies"),
        (["lies", "lies"], "these copies did not change: the archive, FTPS. The old one is back"),
        (["lies"], "these copies did not change: the archive, FTPS. The old one is back"),
        (["does half"], "these copies did not change: FTPS. The old one is back: 1 copies"),
    ],
)
def test_a_failed_install_ends_with_the_old_pair(
    dsm: StubDsm, new: Pair, backup: Path, old: Issued, answers: list[str], words: str
) -> None:
    dsm.answers = answers
    with pytest.raises(InstallFailed) as failed:
        run(dsm, new, backup)
    assert words in str(failed.value)
    assert dsm.leaves() == {fingerprint(old.leaf)}
    assert not backup.exists()


@pytest.mark.parametrize("answers", [["does half", "refuses"], ["does half", "lies"]])
def test_an_old_pair_that_does_not_come_back_is_kept(
    dsm: StubDsm, new: Pair, backup: Path, old: Issued, answers: list[str]
) -> None:
    dsm.answers = answers
    with pytest.raises(RollbackFailed, match="the old files are in"):
        run(dsm, new, backup)
    assert (backup / "privkey.pem").read_text() == old.private_key


def test_the_original_pair_outlives_any_number_of_interruptions(
    dsm: StubDsm, new: Pair, backup: Path, old: Issued
) -> None:
    dsm.answers = ["does half", "stops"]
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(dsm, new, backup)
        dsm.answers = ["stops"]
    assert (backup / "privkey.pem").read_text() == old.private_key
    dsm.answers = ["refuses"]
    with pytest.raises(InstallFailed):
        run(dsm, new, backup)
    assert dsm.leaves() == {fingerprint(old.leaf)}


@pytest.mark.parametrize("left", [[], ["cert.pem"], ["chain.pem", "privkey.pem"]])
def test_a_backup_that_was_half_written_or_half_removed_is_made_anew(
    dsm: StubDsm, new: Pair, backup: Path, old: Issued, left: list[str]
) -> None:
    backup.mkdir(parents=True)
    for name in left:
        (backup / name).write_text("half")
    dsm.answers = ["refuses"]
    with pytest.raises(InstallFailed):
        run(dsm, new, backup)
    assert dsm.leaves() == {fingerprint(old.leaf)}


def test_the_mark_of_a_complete_backup_goes_first(
    dsm: StubDsm, new: Pair, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while it removes the backup, a run must not leave one that looks complete."""

    def half(folder: str, ignore_errors: bool = False) -> None:
        del ignore_errors
        if Path(folder).exists():
            (Path(folder) / "cert.pem").unlink()
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("shutil.rmtree", half)
        with pytest.raises(KeyboardInterrupt):
            run(dsm, new, backup)
    assert backup.exists()
    assert run(dsm, new, backup)
    assert not backup.exists()


def test_the_backup_of_another_entry_is_none(dsm: StubDsm, new: Pair, backup: Path, old: Issued) -> None:
    """The config may name another entry after an interrupted run."""
    dsm.answers = ["stops"]
    with pytest.raises(KeyboardInterrupt):
        run(dsm, new, backup)
    (backup / "complete").write_text("other1")
    (backup / "cert.pem").write_text("of another entry")
    dsm.answers = ["refuses"]
    with pytest.raises(InstallFailed):
        run(dsm, new, backup)
    assert dsm.leaves() == {fingerprint(old.leaf)}


def test_an_old_pair_with_text_around_it_comes_back_byte_by_byte(
    dsm: StubDsm, new: Pair, backup: Path, old: Issued
) -> None:
    """As `openssl pkcs12` writes it, with a friendly name in whatever encoding."""
    odd = b"Bag Attributes\n    friendlyName: M\xfcller\n" + old.leaf.encode()
    for folder in dsm.folders():
        (folder / "cert.pem").write_bytes(odd)
    dsm.answers = ["does half"]
    with pytest.raises(InstallFailed):
        run(dsm, new, backup)
    assert {(folder / "cert.pem").read_bytes() for folder in dsm.folders()} == {odd}


def test_an_old_self_signed_leaf_has_no_chain(dsm: StubDsm, new: Pair, backup: Path, old: Issued) -> None:
    for folder in dsm.folders():
        (folder / "chain.pem").write_bytes(b"")
    dsm.answers = ["does half"]
    with pytest.raises(InstallFailed):
        run(dsm, new, backup)
    assert {(folder / "chain.pem").read_bytes() for folder in dsm.folders()} == {b""}
    assert dsm.leaves() == {fingerprint(old.leaf)}
