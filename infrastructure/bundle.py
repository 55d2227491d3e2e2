"""The Lambda's zip: the renewer and its hash-pinned wheels, the same bytes wherever it is built.

Stored, not deflated, since deflate's bytes differ between zlib builds; names sorted; one time and one mode
for every file; our own sources with LF line ends, whatever the checkout has; nothing that the installer
adds. So a second `pulumi up`, from any machine, finds nothing to do.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "lambda_renewer"
RUNTIME = "python3.13"

_PROJECT = Path(__file__).parent.parent
_LOCK = _PROJECT / PACKAGE / "requirements.txt"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
_FILE_MODE = 0o100644
_UNIX = 3  # the "made by" system of a zip entry that has a file mode (APPNOTE.TXT section 4.4.2)
_LEFT_OUT = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
# What no run of the renewer imports, a sixth of the wheels: each cold start fetches and unpacks the bundle.
_NOT_IMPORTED = re.compile(
    r"aws_lambda_powertools/event_handler/|aws_lambda_powertools/utilities/(?!__init__\.py|jmespath_utils/)"
    r"|acme/_internal/tests/|urllib3/contrib/emscripten/"
    r"|cffi/|pycparser/"  # cryptography needs cffi's _cffi_backend, not what compiles C declarations
    r"|charset_normalizer/[^/]+\.so$"  # compiled twins of its .py files; no answer here needs a guess
    r"|.*\.(pyi|h)$|.*/py\.typed$"
)


class BundleError(RuntimeError):
    """The Lambda bundle could not be built."""


@dataclass(frozen=True)
class Platform:
    """Where the bundle runs.

    Attributes:
        name: `arm64` or `x86_64`, as Lambda names them, or `local`.
        pip_options: pip's options that choose wheels for it.
    """

    name: str
    pip_options: tuple[str, ...]


def lambda_platform(architecture: str) -> Platform:
    """Return Lambda's python3.13 on `architecture` (`arm64` or `x86_64`): Amazon Linux 2023, glibc 2.34."""
    machine = {"arm64": "aarch64", "x86_64": "x86_64"}[architecture]
    tags = [f"manylinux_2_{minor}_{machine}" for minor in (34, 28)] + [f"manylinux2014_{machine}"]
    version = RUNTIME.removeprefix("python")
    return Platform(
        architecture,
        (
            *(option for tag in tags for option in ("--platform", tag)),
            *("--python-version", version, "--implementation", "cp"),
        ),
    )


LOCAL = Platform("local", ())


def build_bundle(platform: Platform, build: Path) -> Path:
    """Build the zip and return its path, `<build>/lambda/renewer-<platform>.zip`.

    Wheels are installed once for each lock file and platform; later builds take them from `build`.

    Raises:
        BundleError: pip could not install the locked wheels; its own words are in the text.
    """
    folder = build / "lambda"
    folder.mkdir(parents=True, exist_ok=True)
    wheels = _installed_wheels(platform, folder)
    bundle = folder / f"renewer-{platform.name}.zip"
    with tempfile.TemporaryDirectory(dir=folder) as own:  # another build may be under way here
        unfinished = Path(own) / bundle.name
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive:
            for name, content in sorted((*_wheel_files(wheels), *_own_files())):
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.create_system = _UNIX
                entry.external_attr = _FILE_MODE << 16
                archive.writestr(entry, content)
        unfinished.replace(bundle)
    return bundle


def _own_files() -> Iterator[tuple[str, bytes]]:
    for path in (_PROJECT / PACKAGE).rglob("*.py"):
        yield path.relative_to(_PROJECT).as_posix(), path.read_bytes().replace(b"\r\n", b"\n")


def _wheel_files(wheels: Path) -> Iterator[tuple[str, bytes]]:
    for path in wheels.rglob("*"):
        name = path.relative_to(wheels)
        if path.name in _LEFT_OUT or name.parts[0] == "bin" or _NOT_IMPORTED.match(name.as_posix()):
            continue
        if path.is_file():
            yield name.as_posix(), path.read_bytes()


def _installed_wheels(platform: Platform, folder: Path) -> Path:
    lock = _LOCK.read_bytes().replace(b"\r\n", b"\n")
    inputs = hashlib.sha256(lock + repr((platform, sys.version_info[:2])).encode()).hexdigest()
    wheels = folder / f"wheels-{platform.name}-{inputs[:16]}"
    if wheels.exists():
        return wheels
    with tempfile.TemporaryDirectory(dir=folder) as unfinished:
        target = Path(unfinished) / "wheels"
        _pip_install(platform, target)
        for cache in target.rglob("__pycache__"):
            shutil.rmtree(cache)
        try:
            target.rename(wheels)
        except OSError:  # another build was first
            if not wheels.exists():
                raise
    return wheels


def _pip_install(platform: Platform, target: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--target", str(target), "--no-user", "--no-deps", "--no-compile", "--require-hashes"]
    command += ["--only-binary", ":all:", *platform.pip_options, "--requirement", str(_LOCK)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BundleError(f"pip could not install the Lambda's wheels for {platform.name}:\n{done.stderr}")
