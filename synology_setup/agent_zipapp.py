"""Build the agent as one file that Python 3.8 runs: `python -m synology_setup.agent_zipapp`."""

from __future__ import annotations

import zipfile
from pathlib import Path

PROJECT = Path(__file__).parents[1]

# DSM's Python is python3 on root's PATH; -I keeps the user's site-packages and PYTHON* variables out.
_INTERPRETER = b"#!/usr/bin/python3 -I\n"
_MAIN = "import sys\n\nfrom synology_agent.cli import main\n\nsys.exit(main())\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def build_agent(destination: Path) -> Path:
    """Write the zipapp to `destination` and return its path."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    files = {"__main__.py": _MAIN.encode()}
    for path in sorted((PROJECT / "synology_agent").glob("*.py")):
        files[f"synology_agent/{path.name}"] = path.read_bytes().replace(b"\r\n", b"\n")
    with destination.open("wb") as file:
        file.write(_INTERPRETER)
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in sorted(files.items()):
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    destination.chmod(0o755)
    return destination


if __name__ == "__main__":
    agent = build_agent(PROJECT / "build" / "synology-agent.pyz")
    print(f"{agent.relative_to(PROJECT)}: {agent.stat().st_size} bytes")
