"""What the NAS tells of itself, asked by the real script."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from local_cloud.dsm.releases import RELEASES
from synology_setup.errors import SetupError
from synology_setup.nas import Facts, Nas
from tests.unit.setup.local_shell import LocalShell


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A NAS with DSM 7.2, one volume and this Python."""
    defaults = tmp_path / "etc.defaults"
    defaults.mkdir()
    (defaults / "VERSION").write_text(RELEASES["7.2"].version_file())
    (defaults / "synoinfo.conf").write_text('other="x"\nupnpmodelname="DS920+"\n')
    (tmp_path / "volume1").mkdir()
    add_python(tmp_path / "usr/bin/python3", f'exec {sys.executable} "$@"')
    return tmp_path


def add_python(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def facts(root: Path) -> Facts:
    return Nas(LocalShell(), str(root)).read_facts()


def test_what_there_is(root: Path) -> None:
    found = facts(root)
    assert (found.dsm, found.product, found.model) == ((7, 2), "7.2.2-72806", "DS920+")
    assert (found.volume, found.home) == ("/volume1", f"{root}/volume1/@synology-https")
    assert found.python == f"{root}/usr/bin/python3"
    assert found.python_version == "{}.{}.{}".format(*sys.version_info[:3])
    assert abs(found.clock_ahead) < 120


def test_the_volume_with_the_agent_comes_first_then_the_lowest_number(root: Path) -> None:
    (root / "volume1").rmdir()
    for number in (10, 2):
        (root / f"volume{number}").mkdir()
    assert facts(root).home == f"{root}/volume2/@synology-https"
    (root / "volume10/@synology-https").mkdir()
    assert facts(root).home == f"{root}/volume10/@synology-https"


def test_a_clock_that_is_off(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = root / "programs"
    add_python(programs / "date", "echo 946684800")  # the year 2000, as after a power cut
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    assert facts(root).clock_ahead < -20 * 365 * 86_400


def test_a_package_is_used_where_dsms_own_python_is_too_old(root: Path) -> None:
    (root / "usr/bin/python3").write_text("#!/bin/sh\necho 3.5.1\n")
    with pytest.raises(SetupError, match=r"no Python 3.8 or later \(.*/usr/bin/python3 is 3.5.1\): install"):
        facts(root)
    package = root / "var/packages/python311/target/bin/python3"
    add_python(package, f'exec {sys.executable} "$@"')
    assert facts(root).python == str(package)


def test_a_python_that_lacks_tls_is_none(root: Path) -> None:
    (root / "usr/bin/python3").write_text("#!/bin/sh\necho 'No module named ssl' >&2\nexit 1\n")
    with pytest.raises(SetupError, match=r"no Python 3.8 or later: install the package 'Python 3.9'"):
        facts(root)


@pytest.mark.parametrize(
    ("version", "what"),
    [
        ('majorversion="6"\nminorversion="1"\n', r"the NAS has DSM 6.1: the agent needs 6.2 or later"),
        ('os_name="Linux"\n', "names no DSM version: this is no Synology NAS"),
        ('majorversion="x"\nminorversion="1"\n', "names no DSM version"),
    ],
    ids=["too old", "another system", "damaged"],
)
def test_what_is_no_nas_for_the_agent(root: Path, version: str, what: str) -> None:
    (root / "etc.defaults/VERSION").write_text(version)
    with pytest.raises(SetupError, match=what):
        facts(root)
