"""Wheels are installed once, as they were locked: others make no bundle."""

from __future__ import annotations

import hashlib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infrastructure import bundle as bundles
from infrastructure.bundle import LOCAL, BundleError, build_bundle


def test_a_wheel_with_another_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(tmp_path)
    good = sha256(wheel)
    bad = "0" * 64
    lock_on(tmp_path, f"{wheel.as_uri()} --hash=sha256:{bad}", monkeypatch)
    with pytest.raises(BundleError) as refused:
        build_bundle(LOCAL, tmp_path / "build")
    text = str(refused.value)
    assert "pip could not install the Lambda's wheels for local" in text
    assert "DO NOT MATCH THE HASHES" in text
    assert bad in text
    assert good in text
    assert not list((tmp_path / "build" / "lambda").iterdir())  # nothing half-installed is found later

    lock_on(tmp_path, f"{wheel.as_uri()} --hash=sha256:{good}", monkeypatch)
    with zipfile.ZipFile(build_bundle(LOCAL, tmp_path / "build")) as archive:
        assert archive.read("parcel.py") == b"CONTENT = 1\n"


def test_a_requirement_without_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock_on(tmp_path, make_wheel(tmp_path).as_uri(), monkeypatch)
    with pytest.raises(BundleError, match=r"(?i)hash"):
        build_bundle(LOCAL, tmp_path / "build")


def test_a_source_distribution_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its set-up script would run as the user, and give other bytes on each machine."""
    archive = tmp_path / "parcel-1.0.tar.gz"
    archive.write_bytes(b"")
    lock_on(tmp_path, f"parcel==1.0 --hash=sha256:{sha256(archive)}", monkeypatch)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(BundleError, match="parcel"):
        build_bundle(LOCAL, tmp_path / "build")


def test_builds_at_the_same_time_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(tmp_path)
    lock_on(tmp_path, f"{wheel.as_uri()} --hash=sha256:{sha256(wheel)}", monkeypatch)
    with ThreadPoolExecutor(3) as threads:
        runs = [threads.submit(build_bundle, LOCAL, tmp_path / "build") for _ in range(3)]
    assert len({run.result().read_bytes() for run in runs}) == 1
    left = sorted(path.name for path in (tmp_path / "build" / "lambda").iterdir())
    assert left == ["renewer-local.zip", bundles._installed_wheels(LOCAL, tmp_path / "build" / "lambda").name]


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def lock_on(folder: Path, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = folder / "requirements.txt"
    lock.write_text(line + "\n")
    monkeypatch.setattr(bundles, "_LOCK", lock)


def make_wheel(folder: Path) -> Path:
    """Make the smallest wheel there is (PyPA, "Binary distribution format")."""
    wheel = folder / "parcel-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("parcel.py", "CONTENT = 1\n")
        archive.writestr(
            "parcel-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: parcel\nVersion: 1.0\n"
        )
        archive.writestr(
            "parcel-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("parcel-1.0.dist-info/RECORD", "parcel.py,,\n")
    return wheel
