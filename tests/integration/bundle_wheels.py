"""The wheels that the Lambda's bundles are made of: as the lock has them, and as they are installed."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from infrastructure import bundle as bundles
from infrastructure.bundle import Platform

PROJECT = Path(__file__).parents[2]
BUILD = PROJECT / "build"


def wheels_of(platform: Platform) -> Path:
    """Return the folder that the platform's wheels are installed in."""
    return bundles._installed_wheels(platform, BUILD / "lambda")


def locked() -> dict[str, str]:
    """Return the lock file's versions by normalized name (PyPA, "Names and normalization")."""
    lines = (PROJECT / "lambda_renewer" / "requirements.txt").read_text().splitlines()
    pinned = [re.match(r"([A-Za-z0-9._-]+)==(\S+)", line) for line in lines]
    return {normal(found[1]): found[2] for found in pinned if found}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def records(platform: Platform) -> dict[str, dict[str, str]]:
    """Return the files of each installed distribution with their hashes, from its RECORD."""
    found = {}
    for record in wheels_of(platform).glob("*.dist-info/RECORD"):
        rows = csv.reader(io.StringIO(record.read_text()))
        found[normal(record.parent.name.split("-")[0])] = {row[0]: row[1] for row in rows if row}
    return found
