"""Build the agent as one file that Python 3.8 runs: `python -m synology_setup.agent_zipapp`."""

from __future__ import annotations

import ast
import io
import zipfile
from pathlib import Path

PROJECT = Path(__file__).parents[1]

# DSM's Python is python3 on root's PATH; -I keeps the user's site-packages and PYTHON* variables out.
_INTERPRETER = b"#!/usr/bin/python3 -I\n"
_MAIN = "__main__.py"
_EPOCH = (1980, 1, 1, 0, 0, 0)


# Its docstrings are what --help says of the exit codes.
_WHOLE = {"errors.py"}


def build_agent(destination: Path) -> Path:
    """Write the zipapp to `destination` and return its path."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    destination.write_bytes(agent_content())
    destination.chmod(0o755)
    return destination


def agent_content() -> bytes:
    """Return the zipapp, the same bytes for the same sources."""
    files: dict[str, bytes] = {}
    for path in sorted((PROJECT / "synology_agent").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        name = path.name if path.name == _MAIN else f"synology_agent/{path.name}"
        files[name] = (text if path.name in _WHOLE else _bare(text)).encode()
    file = io.BytesIO()
    file.write(_INTERPRETER)
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED, 9)
    return file.getvalue()


def _bare(source: str) -> str:
    """Return the source without its docstrings, a third of it; each line keeps its number."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is None:
            continue
        docstring = node.body[0]
        for number in range(docstring.lineno - 1, docstring.end_lineno or docstring.lineno):
            lines[number] = ""
        if len(node.body) == 1:
            lines[docstring.lineno - 1] = " " * docstring.col_offset + "..."
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    agent = build_agent(PROJECT / "build" / "synology-agent.pyz")
    print(f"{agent.relative_to(PROJECT)}: {agent.stat().st_size} bytes")
