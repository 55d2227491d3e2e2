"""The Lambda's zip: the same bytes wherever it is built, what the lock says and no more, and enough to run.

arm64 and x86_64 bundles are read, not run: the local AWS runs Lambdas with this machine's Python. Their
wheels are the same distributions in the same versions as the local bundle's, which is imported here.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infrastructure import bundle as bundles
from infrastructure.bundle import LOCAL, BundleError, Platform, build_bundle, lambda_platform
from local_cloud.ministack.server import LocalAws

PROJECT = Path(__file__).parents[2]
BUILD = PROJECT / "build"
PLATFORMS = [lambda_platform("arm64"), lambda_platform("x86_64"), LOCAL]
LAMBDA_MACHINES = {"arm64": 183, "x86_64": 62}  # EM_AARCH64 and EM_X86_64 (ELF header, e_machine)
MODULES = [
    "lambda_renewer.handler",
    "lambda_renewer.issue",
    "lambda_renewer.account",
    "lambda_renewer.delegation",
]
# What Lambda's python3.13 runtime has; urllib3 and jmespath too, but the bundle brings its own.
RUNTIME = ["boto3", "botocore", "s3transfer", "dateutil", "six.py"]
SURPLUS = {"pycparser"}  # cffi wants it at installation, for C declarations that nothing here has
# Imported where it is there, else requests warns at each start (requests/__init__.py).
OPTIONAL = {"charset-normalizer"}


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


def wheels_of(platform: Platform) -> Path:
    """Return the folder that the platform's wheels are installed in."""
    return bundles._installed_wheels(platform, BUILD / "lambda")


def locked() -> dict[str, str]:
    """Return the lock file's versions by normalized name (PyPA, "Names and normalization")."""
    lines = (PROJECT / "lambda_renewer" / "requirements.txt").read_text().splitlines()
    pinned = [re.match(r"([A-Za-z0-9._-]+)==(\S+)", line) for line in lines]
    return {normal(found[1]): found[2] for found in pinned if found}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


# --- The same bytes ---------------------------------------------------------------------------------------

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


def test_builds_at_the_same_time_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(tmp_path)
    lock_on(tmp_path, f"{wheel.as_uri()} --hash=sha256:{sha256(wheel)}", monkeypatch)
    with ThreadPoolExecutor(3) as threads:
        runs = [threads.submit(build_bundle, LOCAL, tmp_path / "build") for _ in range(3)]
    assert len({run.result().read_bytes() for run in runs}) == 1
    left = sorted(path.name for path in (tmp_path / "build" / "lambda").iterdir())
    assert left == ["renewer-local.zip", bundles._installed_wheels(LOCAL, tmp_path / "build" / "lambda").name]


# --- The zip itself ---------------------------------------------------------------------------------------


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


# --- What is in it ----------------------------------------------------------------------------------------


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


def records(platform: Platform) -> dict[str, dict[str, str]]:
    """Return the files of each installed distribution with their hashes, from its RECORD."""
    found = {}
    for record in wheels_of(platform).glob("*.dist-info/RECORD"):
        rows = csv.reader(io.StringIO(record.read_text()))
        found[normal(record.parent.name.split("-")[0])] = {row[0]: row[1] for row in rows if row}
    return found


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


# --- Enough to run, in an interpreter that has nothing else ------------------------------------------------


@pytest.fixture(scope="module")
def unpacked(zips: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    with zipfile.ZipFile(zips["local"]) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of the local AWS's Lambdas."""
    aws = LocalAws(BUILD)
    aws.prepare()
    return aws.python


@pytest.fixture(scope="module")
def runtime(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Lambda's runtime adds, and nothing else."""
    folder = tmp_path_factory.mktemp("runtime")
    (site,) = (python.parents[1] / "lib").glob("python3*/site-packages")
    for name in RUNTIME:
        (folder / name).symlink_to(site / name)
    return folder


IMPORT = """
import importlib, json, sys
sys.path[:0] = sys.argv[1:3]
for name in sys.argv[3:]:
    importlib.import_module(name)
print(json.dumps({name: getattr(module, "__file__", None) for name, module in sys.modules.items()}))
"""


def import_renewer(
    python: Path, bundle: Path, runtime: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, *options, "-c", IMPORT, bundle, runtime, *MODULES],
        capture_output=True,
        text=True,
        env={"PATH": os.defpath},
        check=False,
    )


def imported_distributions(modules: dict[str, str | None], bundle: Path) -> set[str]:
    files = {
        Path(file).relative_to(bundle).as_posix()
        for file in modules.values()
        if file and within(file, bundle)
    }
    return {name for name, record in records(LOCAL).items() if files & record.keys()}


def within(file: str, folder: Path) -> bool:
    return Path(file).is_relative_to(folder)


def test_the_renewer_imports_in_the_local_awss_interpreter(
    python: Path, unpacked: Path, runtime: Path
) -> None:
    done = import_renewer(python, unpacked, runtime, "-I")
    assert done.returncode == 0, done.stderr


def test_a_bare_interpreter_imports_it_and_takes_all_but_boto_from_the_bundle(
    python: Path, unpacked: Path, runtime: Path
) -> None:
    done = import_renewer(python, unpacked, runtime, "-I", "-S")
    assert done.returncode == 0, done.stderr
    modules = json.loads(done.stdout)
    for name in MODULES:
        assert within(modules[name], unpacked)
    third_party = {
        name.split(".")[0]: Path(file)
        for name, file in modules.items()
        if file and not within(file, Path(sys.base_prefix).resolve()) and "/lib-dynload/" not in file
    }
    standard = set(sys.stdlib_module_names)
    outside = {
        name
        for name, file in third_party.items()
        if name not in standard and name != "__main__" and not within(str(file), unpacked)
    }
    assert outside == {name.removesuffix(".py") for name in RUNTIME}
    # No distribution is shipped that an issuance never imports, but for those that are known to be surplus.
    assert set(locked()) - imported_distributions(modules, unpacked) == SURPLUS


def test_each_distribution_is_needed(python: Path, unpacked: Path, runtime: Path, tmp_path: Path) -> None:
    parts = {
        name: {
            file.split("/")[0] for file in record if not file.startswith("..") and ".dist-info" not in file
        }
        for name, record in records(LOCAL).items()
    }
    not_missed = set()
    for name, tops in sorted(parts.items()):
        aside = tmp_path / name
        aside.mkdir()
        taken = [top for top in tops if (unpacked / top).exists()]
        assert taken or name in SURPLUS, name
        for top in taken:
            (unpacked / top).rename(aside / top)
        try:
            done = import_renewer(python, unpacked, runtime, "-I", "-S")
        finally:
            for top in taken:
                (aside / top).rename(unpacked / top)
        if done.returncode == 0:
            not_missed.add(name)
        else:
            assert re.search(r"(ModuleNotFoundError|ImportError)", done.stderr), (name, done.stderr)
    assert not_missed == SURPLUS | OPTIONAL


# --- Wheels that are not what was locked --------------------------------------------------------------------


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
