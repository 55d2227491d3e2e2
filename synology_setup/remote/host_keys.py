"""Which host keys are trusted: the user's known_hosts, and a file of ours beside it."""

from __future__ import annotations

import base64
import binascii
import contextlib
import fnmatch
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from paramiko import PKey  # type: ignore[import-untyped,unused-ignore]
from paramiko.hostkeys import HostKeys  # type: ignore[import-untyped,unused-ignore]

from synology_setup.errors import SetupError

from .errors import HostKeyChanged, HostKeyRefused
from .questions import Questions
from .target import Target

_FIELDS = 3  # names, key type, key: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT
_KEY_NAMES = {"ssh-ed25519": "ED25519", "ssh-rsa": "RSA"}


@dataclass(frozen=True)
class _Known:
    file: Path
    key_type: str
    blob: bytes
    revoked: bool


@dataclass(frozen=True)
class KnownHosts:
    """Trusted host keys.

    Attributes:
        read: known_hosts files that are only read.
        ours: read as well, and a newly trusted key is added to it.
    """

    read: tuple[Path, ...]
    ours: Path

    @classmethod
    def of_user(cls) -> KnownHosts:
        """Return the user's own: `~/.ssh/known_hosts`, and `~/.synology-https/known_hosts` for new ones."""
        home = Path.home()
        return cls((home / ".ssh" / "known_hosts",), home / ".synology-https" / "known_hosts")

    def key_types(self, target: Target) -> list[str]:
        """Return the types of the known keys: asked for first, else another type looks like a change."""
        return list(dict.fromkeys(one.key_type for one in self._known(target) if not one.revoked))

    def verify(self, target: Target, key: PKey, questions: Questions) -> None:
        """Accept a known key, ask for an unknown one and keep it.

        Raises:
            HostKeyChanged: another key is known for the target, or this one is revoked.
            HostKeyRefused: it was unknown and the answer was no.
            SetupError: the file of ours cannot be written.
        """
        known = list(self._known(target))
        same = [one for one in known if one.blob == key.asbytes()]
        if any(one.revoked for one in same):
            raise HostKeyChanged(
                f"{target} shows a host key that {same[0].file} marks as revoked: {describe(key)}. "
                "Nothing was sent. Whoever answers there may not be your NAS"
            )
        if same:
            return
        trusted = [one for one in known if not one.revoked]
        if trusted:
            raise HostKeyChanged(_changed(target, key, trusted))
        if not questions.confirm(
            f"The host key of {target} is not known yet:\n  {describe(key)}\n"
            "On the NAS, `ssh-keygen -lf` of its key file in /etc/ssh prints the same. Trust it?"
        ):
            raise HostKeyRefused(f"the host key of {target} was not accepted, nothing was sent")
        self._add(target, key)

    def _known(self, target: Target) -> Iterator[_Known]:
        for file in dict.fromkeys((*self.read, self.ours)):
            try:
                lines = file.read_text("utf-8", errors="replace").splitlines()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise SetupError(f"the known host keys cannot be read: {error}") from error
            for line in lines:
                fields = line.split()
                revoked = fields[:1] == ["@revoked"]
                if revoked:
                    del fields[0]
                if len(fields) < _FIELDS or fields[0].startswith(("#", "@")):
                    continue  # certificate authorities too: DSM has no host certificates
                if _names(fields[0], target.known_as):
                    with contextlib.suppress(binascii.Error):
                        yield _Known(file, fields[1], base64.b64decode(fields[2], validate=True), revoked)

    def _add(self, target: Target, key: PKey) -> None:
        line = f"{target.known_as} {key.get_name()} {key.get_base64()}\n"
        temporary = self.ours.with_name(f".{self.ours.name}.{secrets.token_hex(8)}")
        try:
            self.ours.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            before = self.ours.read_text("utf-8") if self.ours.exists() else ""
            if before and not before.endswith("\n"):
                before += "\n"
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
                file.write(before + line)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.ours)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise SetupError(f"the host key of {target} cannot be kept in {self.ours}: {error}") from error


def describe(key: PKey) -> str:
    """Return what `ssh-keygen -lf` prints for the key: bits, SHA256 fingerprint, type."""
    name = key.get_name()
    kind = "ECDSA" if name.startswith("ecdsa-") else _KEY_NAMES.get(name, name)
    return f"{key.get_bits()} {key.fingerprint} ({kind})"


def _names(patterns: str, host: str) -> bool:
    named = False
    for pattern in patterns.split(","):
        if pattern.startswith("|"):
            with contextlib.suppress(ValueError, IndexError, AssertionError):
                named |= HostKeys.hash_host(host, pattern) == pattern
        elif pattern.startswith("!"):
            if _matches(host, pattern[1:]):
                return False
        else:
            named |= _matches(host, pattern)
    return named


def _matches(host: str, pattern: str) -> bool:
    """Match with `*` and `?` only, as sshd(8) has it; a bracket is the `[host]:port` form."""
    return fnmatch.fnmatchcase(host.lower(), pattern.lower().replace("[", "[[]"))


def _changed(target: Target, key: PKey, trusted: list[_Known]) -> str:
    known = "\n".join(f"  known   {_describe_blob(one)}   in {one.file}" for one in trusted)
    removal = "\n".join(
        f'  ssh-keygen -R "{target.known_as}" -f "{file}"'
        for file in dict.fromkeys(one.file for one in trusted)
    )
    return (
        f"the host key of {target} is not the one that is known, and nothing was sent.\n{known}\n"
        f"  shown   {describe(key)}\n"
        "Either DSM was installed anew or the address belongs to another machine now, or somebody stands in "
        "between. Compare with what the NAS itself says (`ssh-keygen -lf` of its key file in /etc/ssh). "
        f"If the new key is right, forget the old one and start again:\n{removal}"
    )


def _describe_blob(known: _Known) -> str:
    try:
        return describe(PKey.from_type_string(known.key_type, known.blob))
    except Exception:  # a type that paramiko does not know, or a broken key
        return f"{known.key_type} (of a type that is not supported here)"
