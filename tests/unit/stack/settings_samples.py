"""Settings by text, as Pulumi gives them, over the defaults of Pulumi.yaml."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from infrastructure.settings import Settings, load_settings

PROJECT = Path(__file__).parents[3]
DECLARED: dict[str, dict[str, Any]] = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())["config"]
WANTED = {"domain": "example.com", "nas_address": "192.168.0.10", "terms_agreed": "true"}


def given_by(values: Mapping[str, str | None]) -> Callable[[str], str | None]:
    """Return what `pulumi.Config().get` would be with `values` over Pulumi.yaml's defaults."""
    merged = {**stack_defaults(), **WANTED, **values}
    return merged.get


def stack_defaults() -> dict[str, str | None]:
    return {
        key: about["default"] if isinstance(about["default"], str) else json.dumps(about["default"])
        for key, about in DECLARED.items()
        if "default" in about
    }


def load(**values: str | None) -> Settings:
    return load_settings(given_by(values))
