"""A Lambda's code: an archive as Pulumi's SDK (Mocks) or the engine gives it, to a zip's bytes."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

PACKAGE = "lambda_renewer/"


def zip_of(code: Any, local_bundle: Path) -> bytes:
    """Return the deflated zip of a FileArchive, or of an AssetArchive of files and texts.

    The program's bundle of the renewer has wheels for Lambda's platform, so `local_bundle`, the same renewer
    for this machine, takes its place. An upload of the stored zip would be held several times in memory,
    hence deflated.

    Raises:
        ValueError: the archive is of another kind.
    """
    path, assets = _part(code, "path"), _part(code, "assets")
    if path:
        with zipfile.ZipFile(path) as archive:
            entries = {one.filename: archive.read(one) for one in archive.infolist()}
    elif assets:
        entries = {name: _content(asset) for name, asset in assets.items()}
    else:
        raise ValueError(f"the local provider takes a FileArchive or an AssetArchive, not {code!r}")
    if any(name.startswith(PACKAGE) for name in entries):
        with zipfile.ZipFile(local_bundle) as archive:
            entries = {one.filename: archive.read(one) for one in archive.infolist()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100644 << 16
            out.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _content(asset: Any) -> bytes:
    path, text = _part(asset, "path"), _part(asset, "text")
    if path:
        return Path(path).read_bytes()
    if text is None:
        raise ValueError(f"the local provider takes files and texts in an archive, not {asset!r}")
    return str(text).encode()


def _part(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)
