"""Whether the Lambda's bundle holds all that an issuance imports, boto3 aside, which Lambda's runtime has."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

# boto3's own distributions, without those that the bundle must bring itself (jmespath, urllib3).
_RUNTIME = ("boto3", "botocore", "s3transfer", "dateutil", "six.py")
_MODULES = ("handler", "issue", "account", "delegation", "revocation")
_PROGRAM = """
import importlib, json, sys
sys.path[:0] = sys.argv[1:3]
for module in sys.argv[3:]:
    importlib.import_module("lambda_renewer." + module)
print(json.dumps({name: getattr(module, "__file__", None) for name, module in sys.modules.items()}))
"""


class Imported(NamedTuple):
    """What an interpreter with nothing but the bundle and boto3 imported for an issuance.

    Attributes:
        failure: why it could not, or None.
        packages: the top-level packages that came from the bundle.
    """

    failure: str | None
    packages: list[str]


def import_from(bundle: Path, site_packages: Path, work: Path) -> Imported:
    """Import the renewer's modules in a bare interpreter (`-I -S`).

    Args:
        bundle: the Lambda's zip for this machine.
        site_packages: where boto3 is installed.
        work: folder to unpack into; it is made anew.
    """
    shutil.rmtree(work, ignore_errors=True)
    unpacked, runtime = work / "bundle", work / "runtime"
    runtime.mkdir(parents=True)
    for name in _RUNTIME:
        (runtime / name).symlink_to(site_packages / name)
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(unpacked)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", _PROGRAM, unpacked, runtime, *_MODULES],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return Imported(done.stderr.strip().splitlines()[-1], [])
    files: dict[str, str | None] = json.loads(done.stdout)
    own = {name.split(".")[0] for name, file in files.items() if file and Path(file).is_relative_to(unpacked)}
    return Imported(None, sorted(own))
