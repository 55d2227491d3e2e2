"""Make docs/messages.md: every error message of the project, read from its source.

`python -m docs.scripts.messages` writes the page; a test holds it to the source.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PAGE = PROJECT / "docs" / "messages.md"
_PACKAGES = {
    "infrastructure": "`pulumi preview` and `pulumi up`",
    "lambda_renewer": "The renewer: in the Lambda's log, and from `report`, `renew` and `revoke`",
    "synology_agent": "The agent on the NAS: in Task Scheduler's mail, and from `status` and `check`",
    "synology_setup": "Set-up on your machine",
}
_HEAD = """# Every error message

Search this page for the words that you saw; `…` stands for what changes.
[Troubleshooting](troubleshooting.md) goes by symptom.
"""
_SHORTEST = 12
_OTHERS = {"_wrong", "bad"}
"""What makes one of our errors, or a red finding of `check`, besides the classes."""


def page() -> str:
    """Return the page's text."""
    modules = {
        package: {path: ast.parse(path.read_text(encoding="utf-8")) for path in _files(package)}
        for package in _PACKAGES
    }
    makers = _error_classes([tree for trees in modules.values() for tree in trees.values()]) | _OTHERS
    parts = [_HEAD]
    for package, title in _PACKAGES.items():
        parts.append(f"\n## {title}\n")
        for path, tree in modules[package].items():
            messages = sorted(set(_messages(tree, makers)))
            if messages:
                name = path.relative_to(PROJECT).as_posix()
                parts.append(f"\n`{name}`\n\n" + "".join(f"- {_shown(text)}\n" for text in messages))
    return "".join(parts)


def _files(package: str) -> list[Path]:
    return sorted((PROJECT / package).rglob("*.py"))


def _error_classes(trees: list[ast.Module]) -> set[str]:
    """Return the names of the classes that descend from Exception."""
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found: set[str] = set()
    while more := {
        name
        for name, above in bases.items()
        if name not in found and above & {*found, "Exception", "RuntimeError", "ValueError"}
    }:
        found |= more
    return found


def _messages(tree: ast.AST, makers: set[str]) -> Iterator[str]:
    """Yield the texts of the errors that a module makes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in makers:
            for argument in node.args:
                text = " ".join(_text(argument).split())
                if len(text.replace("…", "")) >= _SHORTEST:
                    yield text


def _text(node: ast.expr) -> str:
    """Return the text of an expression, with … for what is known only when it runs."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(value) for value in node.values)
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return _without_fields(_text(node.func.value))
    if isinstance(node, ast.IfExp):
        return _text(node.body)
    return "…"


def _without_fields(template: str) -> str:
    parts = template.replace("{{", "\0").split("{")
    return (parts[0] + "".join("…" + part.partition("}")[2] for part in parts[1:])).replace("\0", "{")


def _shown(text: str) -> str:
    """Return the text as Markdown shows it unchanged."""
    for mark in "\\<>*_`[]|":
        text = text.replace(mark, f"\\{mark}")
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
