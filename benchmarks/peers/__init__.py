"""The programs that the benchmarks compare with, each from pinned versions in a place of its own."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from infrastructure.bundle import Platform
from local_cloud.environments import provide_environment
from local_cloud.processes import alone

CERTBOT_LAMBDA = Path(__file__).with_name("certbot-lambda.txt")
_HERE = Path(__file__).parent
_LEGO_SOURCES = ("go.mod", "go.sum", "main.go")
_BUILD_SECONDS = 900


def provide_certbot(build: Path) -> Path:
    """Return certbot, with its route53 plugin.

    Raises:
        ServiceError: pip could not install it.
    """
    python = provide_environment(build / "bench" / "certbot-venv", _HERE / "certbot.txt")
    return python.with_name("certbot")


def provide_awscli(build: Path) -> Path:
    """Return AWS's own command line.

    Raises:
        ServiceError: pip could not install it.
    """
    return provide_environment(build / "bench" / "awscli-venv", _HERE / "awscli.txt").with_name("aws")


def awscli_roots(program: Path) -> Path:
    """Return the public roots that AWS's command line at `program` trusts unless told otherwise."""
    return next(program.parents[1].glob("lib/python*/site-packages/**/cacert.pem"))


def provide_lego(build: Path) -> Path | None:
    """Return a program that issues with lego's library, built once; None where there is no Go.

    lego's own command is not built: the Go module proxy does not serve the modules of all its DNS providers.

    Raises:
        subprocess.SubprocessError: it could not be built.
    """
    sources = [(name, (_HERE / "lego" / name).read_bytes()) for name in _LEGO_SOURCES]
    digest = hashlib.sha256(b"".join(content for _, content in sources)).hexdigest()[:16]
    folder = build.resolve() / "bench" / "lego" / digest
    program = folder / "peer"
    with alone(build.resolve() / "bench" / "lego.lock"):
        if program.is_file():
            return program
        if shutil.which("go") is None:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in sources:
            (folder / name).write_bytes(content)
        subprocess.run(
            ["go", "build", "-mod=readonly", "-trimpath", "-ldflags", "-s -w", "-o", "unfinished", "."],
            cwd=folder,
            env={**os.environ, "GOWORK": "off"},
            check=True,
            timeout=_BUILD_SECONDS,
        )
        (folder / "unfinished").replace(program)
    return program


def lego_version() -> str:
    """Return the version of the library."""
    return (_HERE / "lego" / "go.mod").read_text().partition("lego/v5 ")[2].split()[0]


def package_certbot(platform: Platform, folder: Path) -> Path:
    """Install certbot and its plugin into `folder` as the renewer's bundle is made, and return `folder`.

    Hash-pinned wheels for the Lambda's platform, without boto3, which the runtime has, without byte code.

    Args:
        platform: where it is to run.
        folder: what would be zipped.

    Raises:
        subprocess.SubprocessError: pip could not install it.
    """
    shutil.rmtree(folder, ignore_errors=True)
    options: list[str | Path] = [
        "--quiet",
        "--disable-pip-version-check",
        "--target",
        folder,
        "--no-user",
        "--no-deps",
    ]
    options += ["--no-compile", "--require-hashes", "--only-binary", ":all:", *platform.pip_options]
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "install",
        *options,
        "--requirement",
        CERTBOT_LAMBDA,
    ]
    subprocess.run(command, check=True, timeout=_BUILD_SECONDS)
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for cache in folder.rglob("__pycache__"):
        shutil.rmtree(cache)
    return folder
