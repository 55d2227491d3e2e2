"""The tags that everything of a stack has, as far as AWS lets it be tagged."""

from __future__ import annotations

import pulumi


def tags(**more: str) -> dict[str, str]:
    """Return the tags of a resource of this stack: project, stack and `more`."""
    return {"project": pulumi.get_project(), "stack": pulumi.get_stack(), **more}
