"""Files copied through a shell: DSM's SFTP is off by default, and shows another root than the shell's."""

from __future__ import annotations

import hashlib
import posixpath
import secrets
import shlex

from .errors import CopyFailed, FileMissing
from .shell import COMMAND_SECONDS, Shell

_MISSING = 66  # EX_NOINPUT of sysexits.h; cat itself ends with 1
_MOST_MODE = 0o7777

# Created as nobody's but its owner's (umask 077) and by this run alone (noclobber is O_EXCL); checked before
# the rename, which rename(2) does at once. `sync FILE` is coreutils 8.24, plain `sync` is for what is older.
_PYTHON_DIGEST = (  # Python 2 as well: DSM 6.2
    'import hashlib, sys; print(hashlib.sha256(getattr(sys.stdin, "buffer", sys.stdin).read()).hexdigest())'
)
_PUT = """
target={target} part={part} folder={folder}
digest() {{
    if command -v sha256sum; then sha256sum <"$part"
    elif command -v openssl; then openssl dgst -sha256 -r <"$part"
    else "$(command -v python3 || command -v python)" -c '{python_digest}' <"$part"
    fi | tail -n 1
}}
test -d "$folder" || {{ echo "there is no folder $folder" >&2; exit 1; }}
test ! -d "$target" || {{ echo "$target is a folder" >&2; exit 1; }}
trap 'rm -f "$part"' EXIT
trap 'exit 1' HUP INT PIPE TERM
umask 077
set -C
: >"$part" || exit 1
set +C
cat >"$part" || exit 1
sum=$(digest)
test "${{sum%% *}}" = {sha256} || {{ echo "what arrived is not what was sent" >&2; exit 1; }}
chmod {mode:o} "$part" || exit 1
sync "$part" 2>/dev/null || sync || :
mv -f "$part" "$target" || exit 1
sync "$folder" 2>/dev/null || sync || :
"""


def put(shell: Shell, content: bytes, path: str, mode: int, *, seconds: float = COMMAND_SECONDS) -> None:
    """Write a file in whole: it has the new content or, after any failure, what was there before.

    Args:
        shell: whose user becomes the file's owner.
        content: the new content; not limited, not interpreted.
        path: absolute; its folder exists.
        mode: the file's permissions, such as 0o600.
        seconds: how long the NAS may be silent.

    Raises:
        CopyFailed: it was not written; the text has the NAS's reason.
        ConnectionLost: it may have been written in whole or not at all: do it again.
        ValueError: the path or the mode is none.
    """
    _check(path)
    if not 0 <= mode <= _MOST_MODE:
        raise ValueError(f"the mode {mode:o} is no file's")
    folder, name = posixpath.split(path)
    part = posixpath.join(folder, f".{name}.{secrets.token_hex(8)}.part")
    script = _PUT.format(
        target=shlex.quote(path),
        part=shlex.quote(part),
        folder=shlex.quote(folder),
        sha256=hashlib.sha256(content).hexdigest(),
        python_digest=_PYTHON_DIGEST,
        mode=mode,
    )
    result = shell.run(script, content, seconds=seconds)
    if result.status != 0:
        words = result.stderr.decode(errors="replace").strip()
        raise CopyFailed(
            f"{path} was not written, what was there is untouched: {words or 'no reason was given'}"
        )


def get(shell: Shell, path: str, *, seconds: float = COMMAND_SECONDS) -> bytes:
    """Read a file in whole.

    Raises:
        FileMissing: there is nothing at the path.
        CommandFailed: it cannot be read, or is a folder.
        ConnectionLost: the connection ended before all of it was here.
        ValueError: the path is not absolute.
    """
    _check(path)
    quoted = shlex.quote(path)
    result = shell.run(f"test -e {quoted} || exit {_MISSING}; exec cat {quoted}", seconds=seconds)
    if result.status == _MISSING:
        raise FileMissing(f"the NAS has no file {path}")
    return result.check(f"reading {path}").stdout


def _check(path: str) -> None:
    if not path.startswith("/") or path.endswith("/") or "\0" in path or "\n" in path:
        raise ValueError(f"{path!r} is not the absolute path of a file")
