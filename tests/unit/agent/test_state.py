"""The agent's record of what it installed."""

from __future__ import annotations

import json
import stat
from datetime import datetime, timezone
from pathlib import Path

import pytest

from synology_agent.state import CertificateState, Installed

NOW = datetime(2026, 11, 25, 2, tzinfo=timezone.utc)
INSTALLED = Installed(
    version="version",
    entry="xoEBak",
    serial="2a",
    fingerprint="fingerprint",
    issuer="R12",
    not_before=NOW,
    not_after=NOW.replace(year=2027),
    names=("example.com", "*.example.com"),
    bound=("system/default",),
    assign=("FTPS", "x"),
)


def record(home: Path) -> Path:
    (path,) = home.glob("*/installed.json")
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    CertificateState(tmp_path, "example.com").write(INSTALLED)
    assert CertificateState(tmp_path, "example.com").read() == INSTALLED
    assert stat.S_IMODE(record(tmp_path).stat().st_mode) == 0o600
    assert stat.S_IMODE(record(tmp_path).parent.stat().st_mode) == 0o700


def test_each_entry_has_its_own(tmp_path: Path) -> None:
    CertificateState(tmp_path, "one").write(INSTALLED)
    assert CertificateState(tmp_path, "other").read() == Installed()


def test_nothing_is_installed_at_first(tmp_path: Path) -> None:
    assert CertificateState(tmp_path / "absent", "example.com").read() == Installed()
    assert CertificateState(tmp_path / "absent", "example.com").read_last_run() == {}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"null", b'{"other": 1}', b"\xff"])
def test_a_record_that_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    CertificateState(tmp_path, "example.com").write(INSTALLED)
    record(tmp_path).write_bytes(content)
    assert CertificateState(tmp_path, "example.com").read() == Installed()


@pytest.mark.parametrize("change", [{"more": 1}, {"not_after": "soon"}, {"names": None}])
def test_a_record_of_another_shape_is_none(tmp_path: Path, change: object) -> None:
    CertificateState(tmp_path, "example.com").write(INSTALLED)
    fields = json.loads(record(tmp_path).read_text())
    assert isinstance(change, dict)
    record(tmp_path).write_text(json.dumps({**fields, **change}))
    assert CertificateState(tmp_path, "example.com").read() == Installed()


def test_the_last_run(tmp_path: Path) -> None:
    CertificateState(tmp_path, "example.com").write_last_run(NOW, 21, "FAILED")
    last = CertificateState(tmp_path, "example.com").read_last_run()
    assert last == {"at": "2026-11-25T02:00:00Z", "exit_code": 21, "line": "FAILED"}
