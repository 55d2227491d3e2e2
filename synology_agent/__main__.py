"""What the agent's one file begins with: it imports its own modules, and hands over to the command line.

Python's import from a zip compiles each module twice, once to find it and once to load it (`get_filename` of
zipimport), and keeps nothing of either: a tenth of a run's time, for nothing.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Sequence

_PACKAGE = "synology_agent"


class CompiledOnce:
    """Imports the agent's modules from its file, and compiles each when it is loaded."""

    def __init__(self, file: Any) -> None:
        """Read from `file`, Python's own importer of the zip."""
        self._file = file

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module of the agent's is, and nothing of any other."""
        if name.partition(".")[0] != _PACKAGE:
            return None
        spec = ModuleSpec(name, self, is_package=name == _PACKAGE)  # type: ignore[arg-type]  # none inherits
        spec.origin, spec.has_location = self._path(name), True
        return spec

    def create_module(self, _spec: ModuleSpec) -> None:
        """Let Python make the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Compile the module's text, and run it."""
        name = module.__name__
        exec(compile(self.get_source(name), self._path(name), "exec", dont_inherit=True), module.__dict__)  # noqa: S102

    def get_source(self, name: str) -> str:
        """Return a module's text, for a traceback too."""
        return str(self._file.get_data(self._path(name)), "utf-8")

    def _path(self, name: str) -> str:
        module = "__init__" if name == _PACKAGE else name.rpartition(".")[2]
        return f"{self._file.archive}/{_PACKAGE}/{module}.py"


if __name__ == "__main__":
    file = globals()["__loader__"]
    if hasattr(file, "archive"):  # not under `python -m synology_agent`, which has files of its own
        sys.meta_path.insert(0, CompiledOnce(file))
    from synology_agent.cli import main

    sys.exit(main())
