"""Files are replaced as a whole, and nobody else can read them at any time."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from synology_agent.files import private_folder, write_private


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o377, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_a_new_file_is_its_owners_whatever_the_umask(tmp_path: Path) -> None:
    write_private(tmp_path / "key", b"secret")
    assert mode(tmp_path / "key") == 0o600
    assert (tmp_path / "key").read_bytes() == b"secret"


@pytest.mark.parametrize("old", [0o644, 0o666, 0o400])
def test_a_file_that_was_open_to_others_is_closed(tmp_path: Path, old: int) -> None:
    for name in ("key", "key.unfinished"):
        (tmp_path / name).write_bytes(b"a longer text than the new one")
        (tmp_path / name).chmod(old)
    write_private(tmp_path / "key", b"new")
    assert mode(tmp_path / "key") == 0o600
    assert (tmp_path / "key").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """It is another file that takes the name: whoever has the old one open keeps it whole."""
    path = tmp_path / "key"
    write_private(path, b"old")
    with path.open("rb") as reader:
        write_private(path, b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_private(tmp_path / "key", b"old")

    def full(_: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_private(tmp_path / "key", b"new")
    assert (tmp_path / "key").read_bytes() == b"old"


@pytest.mark.parametrize("old", [None, 0o755, 0o777])
def test_a_folder_is_its_owners(tmp_path: Path, old: int | None) -> None:
    path = tmp_path / "a" / "b"
    if old is not None:
        path.mkdir(parents=True)
        path.chmod(old)
    assert private_folder(path) == path
    assert mode(path) == 0o700
