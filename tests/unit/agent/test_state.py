"""The agent's record of what it installed."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from synology_agent.state import CertificateState, Installed

INSTALLED = Installed("version", "fingerprint", "2027-02-23 02:00 UTC")


def record(home: Path) -> Path:
    (path,) = home.glob("*/installed.json")
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    CertificateState(tmp_path, "secret").write(INSTALLED)
    assert CertificateState(tmp_path, "secret").read() == INSTALLED
    assert stat.S_IMODE(record(tmp_path).stat().st_mode) == 0o600
    assert stat.S_IMODE(record(tmp_path).parent.stat().st_mode) == 0o700


def test_each_secret_has_its_own(tmp_path: Path) -> None:
    CertificateState(tmp_path, "one").write(INSTALLED)
    assert CertificateState(tmp_path, "other").read() == Installed()


def test_nothing_is_installed_at_first(tmp_path: Path) -> None:
    assert CertificateState(tmp_path / "absent", "secret").read() == Installed("", "", "")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"null", b'{"other": 1}', b"\xff"])
def test_a_record_that_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    CertificateState(tmp_path, "secret").write(INSTALLED)
    record(tmp_path).write_bytes(content)
    assert CertificateState(tmp_path, "secret").read() == Installed()
