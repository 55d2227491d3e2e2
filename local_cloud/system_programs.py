"""System programs of the demo: those on PATH are used, missing ones are unpacked without installing.

On Debian and Ubuntu apt resolves and downloads with lists, cache and package status of its own below
`build/apt` but with the machine's sources and keys; `dpkg -x` then unpacks into `build/tools`. Nothing is
installed, no package script runs, no service starts, no root is needed. Elsewhere the user is told the line.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from local_cloud.processes import alone

_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # not on the PATH of a Debian user
_LIBRARY_FOLDERS = ("usr/lib", "usr/lib64", "usr/local/lib", "opt/homebrew/lib")
_PACKAGES = {
    "certutil": "libnss3-tools",
    "nginx": "nginx",
    "pebble": "pebble",
    "sshd": "openssh-server",
}
_INSTALL_LINES = (  # manager, the line's start, packages that it lacks
    ("apt-get", "sudo apt-get install", ()),
    ("dnf", "sudo dnf install", ("pebble",)),
    ("brew", "brew install", ()),
)
_WRAPPED_FOLDERS = ("*-linux-gnu*", "*-linux-gnu*/pulseaudio")  # the latter through an rpath of /usr/lib
_BREW_PACKAGES = {"certutil": "nss", "faketime": "libfaketime", "sshd": "openssh"}
_APT_SECONDS = 600
_DPKG_STATUS = Path("/var/lib/dpkg/status")
_LOADER_PACKAGES = ("libc6_",)  # another C library than the running loader's crashes every program


class ProgramMissing(RuntimeError):
    """A system program is missing and cannot be unpacked here; the text has the line to type."""


def find(program: str) -> Path | None:
    """Return the program's path from PATH or the system's sbin folders, or None."""
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS])
    found = shutil.which(program, path=places)
    return Path(found) if found else None


def provide(programs: Sequence[str], build: Path) -> dict[str, Path]:
    """Return the path of each program, unpacking below `build` what the machine does not have.

    A second call finds what the first unpacked and downloads nothing. If one package cannot be had, none of
    the missing programs is unpacked: ask separately for those that you can do without.

    Example:
        programs = provide(["nginx", "pebble"], Path("build"))

    Raises:
        ProgramMissing: there is no apt here, or it could not fetch the packages.
    """
    tools = build.resolve() / "tools"
    found: dict[str, Path] = {}
    missing: list[str] = []
    for program in programs:
        path = find(program) or _unpacked(program, tools)
        if path is None:
            missing.append(program)
        else:
            found[program] = path
    if missing:
        # apt's own lock would fail at once instead of waiting.
        with alone(build.resolve() / "system_programs.lock"):
            _unpack(missing, build.resolve())
            found |= {program: _wrap(program, tools) for program in missing}
    return {program: found[program] for program in programs}


def provide_library(name: str, program: str, build: Path) -> Path:
    """Return the path of a library that comes with a program's packages, as `faketime/libfaketime.so.1`.

    Raises:
        ProgramMissing: the program cannot be had, or it brings no such library.
    """
    roots = (Path("/"), build.resolve() / "tools")
    found = _library(name, roots)
    if found is None:
        provide([program], build)
        found = _library(name, roots)
    if found is None:
        raise ProgramMissing(f"{program} brings no {name}. To install: {install_line([program])}")
    return found


def _library(name: str, roots: Sequence[Path]) -> Path | None:
    folders = (root / folder for root in roots for folder in _LIBRARY_FOLDERS)
    places = (place for folder in folders for place in (folder, *sorted(folder.glob("*-linux-gnu*"))))
    return next((place / name for place in places if (place / name).is_file()), None)


def install_line(programs: Sequence[str]) -> str:
    """Return the one line to type for this machine's package manager."""
    for manager, line, lacking in _INSTALL_LINES:
        if find(manager) is None:
            continue
        names = _BREW_PACKAGES if manager == "brew" else {}
        packages = [names.get(one, _package(one)) for one in programs if one not in lacking]
        unknown = [one for one in programs if one in lacking]
        remark = f"   ({', '.join(unknown)}: not packaged for {manager})" if unknown else ""
        return (f"{line} {' '.join(packages)}" if packages else "") + remark
    return "install " + ", ".join(programs)


def _package(program: str) -> str:
    return _PACKAGES.get(program, program)


def _unpacked(program: str, tools: Path) -> Path | None:
    wrapper = tools / "bin" / program
    return wrapper if wrapper.is_file() and _real(program, tools) else None


def _real(program: str, tools: Path) -> Path | None:
    # Chromium's program in usr/bin is a script that wants the real one at /usr/lib.
    folders = (f"usr/lib/{program}", "usr/sbin", "usr/bin", "sbin")
    candidates = (tools / folder / program for folder in folders)
    return next((path for path in candidates if path.is_file()), None)


def _unpack(programs: Sequence[str], build: Path) -> None:
    if not (find("apt-get") and find("dpkg") and _DPKG_STATUS.is_file()):
        raise ProgramMissing(f"{', '.join(programs)} not found. To install: {install_line(programs)}")
    apt = build / "apt"
    settings = _write_apt_settings(apt)
    archives = apt / "cache" / "archives"
    packages = [_package(program) for program in programs]
    said = ""
    try:
        for old in archives.glob("*.deb"):
            old.unlink()
        said = _run(["apt-get", "-qq", "-c", settings, "update"])
        # --reinstall: what dpkg's status calls installed but `find` did not see is fetched all the same
        options = ["-y", "--no-install-recommends", "--download-only", "--reinstall"]
        _run(["apt-get", "-qq", "-c", settings, "install", *options, *packages])
        for archive in sorted(archives.glob("*.deb")):
            if not archive.name.startswith(_LOADER_PACKAGES):
                _run(["dpkg", "-x", archive, build / "tools"])
    except subprocess.SubprocessError as error:
        said += getattr(error, "stdout", None) or str(error)
        reason = " / ".join(said.strip().splitlines()[-2:])
        raise ProgramMissing(
            f"{', '.join(programs)} not found, and apt could not fetch {' '.join(packages)} ({reason}). "
            f"To install: {install_line(programs)}"
        ) from error


def _write_apt_settings(apt: Path) -> Path:
    """Write apt settings that keep all state below `apt`, read after the machine's own settings.

    The machine's update hooks are cleared: they tidy the machine's own cache and wake its services.
    The copied status also places dpkg's lock, which belongs to root otherwise.
    """
    for folder in ("state/lists/partial", "cache/archives/partial", "dpkg", "log"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_DPKG_STATUS, apt / "dpkg" / "status")
    settings = apt / "apt.conf"
    hooks = ("Pre-Invoke", "Post-Invoke", "Post-Invoke-Success")
    values = {
        "Dir::State": apt / "state",
        "Dir::State::lists": apt / "state" / "lists",
        "Dir::State::status": apt / "dpkg" / "status",
        "Dir::Cache": apt / "cache",
        "Dir::Cache::archives": apt / "cache" / "archives",
        "Dir::Log": apt / "log",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    cleared = [f"#clear APT::Update::{hook};" for hook in hooks]
    settings.write_text("\n".join([*cleared, *(f'{key} "{value}";' for key, value in values.items())]) + "\n")
    return settings


def _run(argv: Sequence[str | Path]) -> str:
    return subprocess.run(
        argv,
        check=True,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_APT_SECONDS,
    ).stdout


def _wrap(program: str, tools: Path) -> Path:
    """Write a script that starts the unpacked program with its libraries; `exec`, so signals reach it.

    Raises:
        ProgramMissing: the packages did not hold the program.
    """
    real = _real(program, tools)
    if real is None:
        raise ProgramMissing(f"{_package(program)} holds no {program}. To install: {install_line([program])}")
    libraries = [
        folder.relative_to(tools)
        for root in (tools / "lib", tools / "usr" / "lib")
        for folder in (root, *(one for pattern in _WRAPPED_FOLDERS for one in sorted(root.glob(pattern))))
        if folder.is_dir()
    ]
    joined = ":".join(f"$tools/{folder}" for folder in libraries)
    wrapper = tools / "bin" / program
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    wrapper.write_text(
        "#!/bin/sh\n"
        'tools=$(dirname "$(dirname "$(readlink -f "$0")")")\n'
        f'export LD_LIBRARY_PATH="{joined}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"\n'
        f'exec "$tools/{real.relative_to(tools)}" {_options(program, tools)}"$@"\n'
    )
    wrapper.chmod(0o755)
    return wrapper


def _options(program: str, tools: Path) -> str:
    """Return options by which sshd (9.8 and later) finds its unpacked helpers."""
    if program != "sshd":
        return ""
    helpers = {
        "SshdSessionPath": "usr/lib/openssh/sshd-session",
        "SshdAuthPath": "usr/lib/openssh/sshd-auth",
    }
    return "".join(f'-o "{key}=$tools/{path}" ' for key, path in helpers.items() if (tools / path).is_file())
