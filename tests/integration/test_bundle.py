"""The Lambda's zip: the same bytes wherever it is built, what the lock says and no more.

arm64 and x86_64 bundles are read, not run: the local AWS runs Lambdas with this machine's Python. Their
wheels are the same distributions in the same versions as the local bundle's: see test_bundle_imports.py.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure import bundle as bundles
from infrastructure.bundle import LOCAL, Platform, build_bundle, lambda_platform
from tests.integration.bundle_wheels import BUILD, PROJECT, locked, normal, records, wheels_of

PLATFORMS = [lambda_platform("arm64"), lambda_platform("x86_64"), LOCAL]
LAMBDA_MACHINES = {"arm64": 183, "x86_64": 62}  # EM_AARCH64 and EM_X86_64 (ELF header, e_machine)


@pytest.fixture(scope="module")
def zips() -> dict[str, Path]:
    """The bundles, built from wheels that are installed once."""
    return {platform.name: build_bundle(platform, BUILD) for platform in PLATFORMS}


@pytest.fixture(params=[platform.name for platform in PLATFORMS])
def platform(request: pytest.FixtureRequest) -> Platform:
    return next(one for one in PLATFORMS if one.name == request.param)


@pytest.fixture
def archive(platform: Platform, zips: dict[str, Path]) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(zips[platform.name]) as opened:
        yield opened


# --- The same bytes -------------------------------------------------------------------------------------

SCRIPT = """
import os, sys, time
from pathlib import Path
os.umask(int(sys.argv[1], 8))
time.tzset()
from infrastructure.bundle import LOCAL, build_bundle, lambda_platform
print(build_bundle(LOCAL if sys.argv[2] == "local" else lambda_platform(sys.argv[2]), Path(sys.argv[3])))
"""


def build_copy(project: Path, platform: Platform, build: Path, cwd: Path, *, umask: str, zone: str) -> bytes:
    """Build with the sources in `project` in a process of its own, from the wheels installed here."""
    (build / "lambda").mkdir(parents=True, exist_ok=True)
    installed = wheels_of(platform)
    (build / "lambda" / installed.name).symlink_to(installed)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, umask, platform.name, str(build)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(project), "TZ": zone, "PIP_NO_INDEX": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip()).read_bytes()


def copy_sources(to: Path) -> Path:
    for package in ("infrastructure", "lambda_renewer"):
        shutil.copytree(PROJECT / package, to / package)
    return to


def test_built_twice_it_is_the_same_bytes(platform: Platform, zips: dict[str, Path]) -> None:
    first = zips[platform.name].read_bytes()
    assert build_bundle(platform, BUILD).read_bytes() == first


@pytest.mark.parametrize(("umask", "zone"), [("077", "Pacific/Kiritimati"), ("000", "America/St_Johns")])
def test_umask_time_zone_and_folder_do_not_matter(
    platform: Platform, zips: dict[str, Path], tmp_path: Path, umask: str, zone: str
) -> None:
    built = build_copy(PROJECT, platform, tmp_path / "build", tmp_path, umask=umask, zone=zone)
    assert built == zips[platform.name].read_bytes()


def test_a_checkout_with_crlf_line_ends_and_other_times_gives_the_same_bytes(
    platform: Platform, zips: dict[str, Path], tmp_path: Path
) -> None:
    copy = copy_sources(tmp_path / "copy")
    changed = 0
    for path in [*copy.rglob("*.py"), *copy.rglob("*.txt"), *copy.rglob("*.in")]:
        text = path.read_bytes()
        path.write_bytes(text.replace(b"\n", b"\r\n"))
        os.utime(path, (1_000_000_000 + changed, 1_000_000_000 + changed))
        path.chmod(0o600)
        changed += b"\n" in text
    assert changed > 10
    built = build_copy(copy, platform, tmp_path / "build", copy, umask="027", zone="UTC")
    assert built == zips[platform.name].read_bytes()


def test_other_files_beside_the_sources_do_not_matter(zips: dict[str, Path], tmp_path: Path) -> None:
    copy = copy_sources(tmp_path / "copy")
    renewer = copy / "lambda_renewer"
    (renewer / "__pycache__").mkdir(exist_ok=True)
    for name in (
        "__pycache__/handler.cpython-313.pyc",
        ".handler.py.swp",
        "notes.md",
        "handler.py.orig",
        ".DS_Store",
    ):
        (renewer / name).write_text("not ours")
    built = build_copy(copy, LOCAL, tmp_path / "build", copy, umask="022", zone="UTC")
    assert built == zips["local"].read_bytes()


def test_the_order_and_the_times_of_installed_wheels_do_not_matter(
    zips: dict[str, Path], tmp_path: Path
) -> None:
    copy = tmp_path / "lambda" / wheels_of(LOCAL).name
    for path in sorted(wheels_of(LOCAL).rglob("*"), reverse=True):
        if path.is_file():
            to = copy / path.relative_to(wheels_of(LOCAL))
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(path.read_bytes())
            to.chmod(0o755)
    assert build_bundle(LOCAL, tmp_path).read_bytes() == zips["local"].read_bytes()


def test_a_change_of_the_sources_changes_the_bytes(zips: dict[str, Path], tmp_path: Path) -> None:
    copy = copy_sources(tmp_path / "copy")
    with (copy / "lambda_renewer" / "clock.py").open("a") as source:
        source.write("# changed\n")
    built = build_copy(copy, LOCAL, tmp_path / "build", copy, umask="022", zone="UTC")
    assert built != zips["local"].read_bytes()


# --- The zip itself -------------------------------------------------------------------------------------


def test_each_entry_is_stored_with_one_time_and_one_mode_in_order(archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    assert names == sorted(set(names))
    for entry in entries:
        assert entry.compress_type == zipfile.ZIP_STORED
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
        assert entry.create_system == 3
        assert entry.external_attr >> 16 == 0o100644  # Lambda runs it as another user: it must be readable
        assert not entry.extra
        assert not entry.comment
        assert not entry.filename.startswith(("/", "../"))
    assert archive.testzip() is None


def test_nothing_of_the_installer_is_in_it(archive: zipfile.ZipFile) -> None:
    for name in archive.namelist():
        assert not re.search(r"(^|/)(RECORD|INSTALLER|REQUESTED|direct_url\.json)$", name), name
        assert not name.startswith("bin/")
        assert "__pycache__" not in name
        assert not name.endswith((".pyc", ".pth"))


def test_it_fits_into_lambda(archive: zipfile.ZipFile) -> None:
    # AWS Lambda Developer Guide, quotas: 50 MB zipped for a direct upload, 250 MB unzipped.
    assert sum(entry.file_size for entry in archive.infolist()) < 50 * 10**6


# --- What is in it --------------------------------------------------------------------------------------


def test_its_distributions_are_those_of_the_lock(archive: zipfile.ZipFile) -> None:
    found = {}
    for name in archive.namelist():
        if name.endswith(".dist-info/METADATA"):
            metadata = archive.read(name).decode()
            fields = dict(
                line.split(": ", 1) for line in metadata.split("\n\n")[0].splitlines() if ": " in line
            )
            found[normal(fields["Name"])] = fields["Version"]
    assert found == locked()
    assert not {"boto3", "botocore"} & found.keys()


def test_no_file_of_boto_is_in_it(archive: zipfile.ZipFile) -> None:
    assert not [
        name for name in archive.namelist() if name.split("/")[0] in {"boto3", "botocore", "s3transfer"}
    ]


def test_each_file_is_of_a_locked_wheel_as_published_or_of_the_renewer(
    archive: zipfile.ZipFile, platform: Platform
) -> None:
    published = {name: digest for record in records(platform).values() for name, digest in record.items()}
    sources = {f"lambda_renewer/{path.name}" for path in (PROJECT / "lambda_renewer").glob("*.py")}
    for name in archive.namelist():
        content = archive.read(name)
        if name in sources:
            assert content == (PROJECT / name).read_bytes().replace(b"\r\n", b"\n")
            continue
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        assert published[name] == f"sha256={digest}", name
    left_out = published.keys() - set(archive.namelist())
    allowed = r"(.*\.dist-info/(RECORD|INSTALLER|REQUESTED|direct_url\.json)|(\.\./)*bin/.*|.*\.pyc)"
    assert not [name for name in left_out if not re.fullmatch(allowed, name) and not is_pruned(name)]
    assert sources <= set(archive.namelist())


def is_pruned(name: str) -> bool:
    return bundles._NOT_IMPORTED.match(name) is not None


def test_deflated_it_is_under_six_megabytes(platform: Platform, archive: zipfile.ZipFile) -> None:
    """Of Lambda's own; what is compiled for this machine may be larger."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as deflated:
        for name in archive.namelist():
            assert not is_pruned(name)
            deflated.writestr(name, archive.read(name))
    if platform.name == "arm64":
        assert len(packed.getvalue()) < 6 * 10**6


@pytest.mark.parametrize("architecture", LAMBDA_MACHINES)
def test_its_shared_objects_are_for_lambdas_processor_and_python(
    architecture: str, zips: dict[str, Path]
) -> None:
    with zipfile.ZipFile(zips[architecture]) as archive:
        objects = {name: archive.read(name) for name in archive.namelist() if re.search(r"\.so(\.|$)", name)}
        elves = [name for name in archive.namelist() if archive.read(name)[:4] == b"\x7fELF"]
    assert set(elves) == objects.keys()
    assert {name.split("/")[0].split(".")[0] for name in objects} >= {"cryptography", "_cffi_backend"}
    for name, content in objects.items():
        assert content[:4] == b"\x7fELF"
        assert struct.unpack("<H", content[18:20])[0] == LAMBDA_MACHINES[architecture], name
        assert re.search(r"\.(cpython-313-[a-z0-9_]+-linux-gnu|abi3)\.so$", name), name


def test_the_lambda_bundles_differ_from_the_local_one_only_in_what_is_compiled(zips: dict[str, Path]) -> None:
    """So what is shown with the local bundle holds for the others' Python code."""
    contents = {}
    for name, path in zips.items():
        with zipfile.ZipFile(path) as archive:
            contents[name] = {
                entry: archive.read(entry)
                for entry in archive.namelist()
                if entry.endswith(".py") and ".dist-info/" not in entry
            }
    assert contents["arm64"] == contents["x86_64"] == contents["local"]
