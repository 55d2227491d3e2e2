"""The one file that goes to a NAS: its size, its imports, and every Python that it may meet."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lambda_renewer.document import EMPTY
from local_cloud.dsm.issuing import Issuer, issue
from local_cloud.interpreters import find_python
from synology_agent import __version__
from synology_setup.agent_zipapp import PROJECT
from tests.agent_documents import leaf_of
from tests.integration.agent_bench import NAMES, Nas, Secret

VERSIONS = ["3.8", "3.9", "3.11", "3.13"]
LARGEST_BYTES = 60_000


@pytest.fixture(params=VERSIONS)
def python(request: pytest.FixtureRequest) -> Path:
    found = find_python(request.param)
    if found is None:
        pytest.skip(f"needs Python {request.param}, on PATH or under pyenv")
    return found


def test_it_installs_under_every_python(nas: Nas, secret: Secret, ca: Issuer, python: Path) -> None:
    new = issue(NAMES, issuer=ca)
    secret.put_pair(new)
    nas.serve(secret)
    code, output = nas.run_file(python)
    assert code == 0, output
    assert nas.everywhere() == {leaf_of(new)}
    assert "nothing to do" in nas.run_file(python)[1]
    code, output = nas.run_file(python, "status")
    assert code == 0, output
    assert "example.com: installed and served" in output
    assert nas.run_file(python, "check")[0] == 0
    code, output = nas.run_file(python, "rollback")
    assert code == 0, output


def test_it_is_small_and_names_its_version(agent: Path) -> None:
    assert agent.stat().st_size < LARGEST_BYTES
    done = subprocess.run([sys.executable, agent, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"synology-agent {__version__}\n"


def test_a_run_is_read_in_one_file() -> None:
    assert len((PROJECT / "synology_agent" / "run.py").read_text().splitlines()) <= 200


def test_it_imports_the_standard_library_only() -> None:
    """Every run of the file is under -I -S; this sees the lines that none of them reached."""
    found = set[str]()
    for path in (PROJECT / "synology_agent").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 8))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add((node.module or "").partition(".")[0])
    assert {"ssl", "json", "urllib"} <= found
    # The agent's own name is in what the file begins with, which stands beside the package.
    assert found - {"synology_agent"} <= sys.stdlib_module_names


def test_each_module_is_compiled_once_and_a_run_with_nothing_to_do_needs_few(
    nas: Nas, secret: Secret, ca: Issuer, python: Path
) -> None:
    secret.put_pair(issue(NAMES, issuer=ca))
    nas.serve(secret)
    assert nas.run_file(python)[0] == 0
    script = (
        "import builtins, runpy, sys\n"
        "compiled, compile_it = [], builtins.compile\n"
        "def count(source, name, *rest, **named):\n"
        "    compiled.append(name)\n"
        "    return compile_it(source, name, *rest, **named)\n"
        "builtins.compile = count\n"
        f"sys.argv = [{str(nas.agent)!r}, '--root', {str(nas.dsm.root)!r}]\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit:\n    print(*compiled, sep='\\n')\n"
    )
    done = subprocess.run([python, "-I", "-S", "-c", script], capture_output=True, text=True, check=True)
    said, *compiled = done.stdout.splitlines()
    assert "nothing to do" in said
    modules = [name for name in compiled if name.startswith(f"{nas.agent}/synology_agent/")]
    assert f"{nas.agent}/synology_agent/run.py" in modules
    assert len(modules) == len(set(modules))
    for unneeded in ("install", "proof", "document", "backup"):
        assert f"{nas.agent}/synology_agent/{unneeded}.py" not in modules


def test_every_module_that_a_run_loads_is_pythons_own(nas: Nas, secret: Secret, dsm_python: Path) -> None:
    nas.serve(secret)
    secret.put(EMPTY)
    script = (
        "import runpy, sys\n"
        f"sys.argv = [{str(nas.agent)!r}, '--root', {str(nas.dsm.root)!r}]\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as ended:\n    print(ended.code)\n"
        "for module in list(sys.modules.values()):\n    print(getattr(module, '__file__', None) or '')\n"
        "import os; print(os.path.dirname(os.__file__))\n"
    )
    done = subprocess.run(
        [dsm_python, "-I", "-S", "-c", script], capture_output=True, text=True, check=True, env={**os.environ}
    )
    _, code, *files, library = done.stdout.splitlines()
    assert code == "10"
    loaded = [file for file in files if file]
    assert f"{nas.agent}/synology_agent/run.py" in loaded
    assert all(file.startswith((f"{library}/", f"{nas.agent}/")) for file in loaded)
    assert not any("site-packages" in file for file in loaded)
