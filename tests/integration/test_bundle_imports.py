"""The Lambda's zip is enough to run: imported in an interpreter that has nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infrastructure.bundle import LOCAL, build_bundle
from local_cloud.ministack.server import LocalAws
from tests.integration.bundle_wheels import BUILD, locked, records

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
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    with zipfile.ZipFile(build_bundle(LOCAL, BUILD)) as archive:
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
