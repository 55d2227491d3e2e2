"""Which host keys are trusted, measured against OpenSSH's own files and words."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import paramiko  # type: ignore[import-untyped,unused-ignore]
import pytest

from synology_setup.errors import SetupError
from synology_setup.remote import HostKeyChanged, HostKeyRefused, KnownHosts, Target
from synology_setup.remote.host_keys import describe
from tests.unit.setup.answers import Answers

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs the package openssh-client")

NAS = Target("admin", "nas.local")
PORTED = Target("admin", "nas.local", 2222)


@dataclass
class Files:
    users: Path
    ours: Path

    @property
    def hosts(self) -> KnownHosts:
        return KnownHosts((self.users,), self.ours)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "users" / "known_hosts", tmp_path / "ours" / "known_hosts")


def make_key(folder: Path, name: str = "key", kind: str = "ed25519") -> paramiko.PKey:
    keygen("-q", "-t", kind, "-N", "", "-f", folder / name)
    return paramiko.PKey.from_path(folder / name)


def keygen(*arguments: str | Path) -> str:
    return subprocess.run(["ssh-keygen", *arguments], check=True, capture_output=True, text=True).stdout


def write(file: Path, *lines: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_the_description_is_that_of_ssh_keygen(tmp_path: Path, kind: str) -> None:
    key = make_key(tmp_path, kind=kind)
    bits, fingerprint, *_, shown = keygen("-lf", tmp_path / "key").split()
    assert describe(key) == f"{bits} {fingerprint} {shown}"


def test_an_unknown_key_is_asked_for_once_and_kept(tmp_path: Path, files: Files) -> None:
    key, person = make_key(tmp_path), Answers()
    files.hosts.verify(PORTED, key, person)
    assert len(person.confirmed) == 1
    assert describe(key) in person.confirmed[0]
    files.hosts.verify(PORTED, key, person)
    assert len(person.confirmed) == 1
    assert files.ours.stat().st_mode & 0o777 == 0o600
    assert "[nas.local]:2222" in keygen("-F", PORTED.known_as, "-f", files.ours)
    assert not files.users.exists()
    assert [file.name for file in files.ours.parent.iterdir()] == ["known_hosts"]


def test_a_refused_key_is_not_kept(tmp_path: Path, files: Files) -> None:
    with pytest.raises(HostKeyRefused, match="not accepted, nothing was sent"):
        files.hosts.verify(NAS, make_key(tmp_path), Answers(trust=False))
    assert not files.ours.exists()


def test_the_port_is_part_of_the_name(tmp_path: Path, files: Files) -> None:
    person = Answers()
    files.hosts.verify(NAS, make_key(tmp_path, "one"), person)
    files.hosts.verify(PORTED, make_key(tmp_path, "two"), person)
    assert len(person.confirmed) == 2
    assert len(files.ours.read_text().splitlines()) == 2


@pytest.mark.parametrize("hashed", [False, True], ids=["plain", "hashed"])
def test_the_users_own_file_is_read(tmp_path: Path, files: Files, hashed: bool) -> None:
    key, person = make_key(tmp_path), Answers()
    write(files.users, "# mine", f"other,nas.local {key.get_name()} {key.get_base64()} a comment")
    if hashed:
        keygen("-q", "-H", "-f", files.users)
        assert "nas.local" not in files.users.read_text()
    before = files.users.read_bytes()
    files.hosts.verify(NAS, key, person)
    assert not person.confirmed
    assert files.hosts.key_types(NAS) == ["ssh-ed25519"]
    assert files.users.read_bytes() == before


@pytest.mark.parametrize(
    ("patterns", "known"),
    [
        ("*.local", True),
        ("nas.loca?", True),
        ("NAS.local", True),
        ("*,!nas.local", False),
        ("nas", False),
        ("|1|broken", False),
        ("[nas.local]:2222", False),
        ("[n]as.local", False),
    ],
)
def test_patterns(tmp_path: Path, files: Files, patterns: str, known: bool) -> None:
    key, person = make_key(tmp_path), Answers()
    write(files.users, f"{patterns} {key.get_name()} {key.get_base64()}")
    files.hosts.verify(NAS, key, person)
    assert bool(person.confirmed) is not known


@pytest.mark.parametrize("mine", [True, False], ids=["ours", "the user's"])
def test_a_changed_key_is_refused_with_both_and_with_what_to_do(
    tmp_path: Path, files: Files, mine: bool
) -> None:
    old, new, person = make_key(tmp_path, "old"), make_key(tmp_path, "new"), Answers()
    holder = files.ours if mine else files.users
    write(holder, f"nas.local {old.get_name()} {old.get_base64()}")
    with pytest.raises(HostKeyChanged) as caught:
        files.hosts.verify(NAS, new, person)
    assert not person.confirmed
    for part in (describe(old), describe(new), f'ssh-keygen -R "nas.local" -f "{holder}"'):
        assert part in str(caught.value)
    keygen("-R", "nas.local", "-f", holder)  # what the text says
    files.hosts.verify(NAS, new, person)
    assert len(person.confirmed) == 1


def test_another_type_than_the_known_one_is_a_change(tmp_path: Path, files: Files) -> None:
    old, new = make_key(tmp_path, "old"), make_key(tmp_path, "new", "ecdsa")
    write(files.users, "broken", f"nas.local {old.get_name()} {old.get_base64()}", "nas.local ssh-rsa !")
    with pytest.raises(HostKeyChanged):
        files.hosts.verify(NAS, new, Answers())


def test_one_of_two_known_keys_is_enough(tmp_path: Path, files: Files) -> None:
    one, two = make_key(tmp_path, "one"), make_key(tmp_path, "two")
    write(files.users, *(f"nas.local {key.get_name()} {key.get_base64()}" for key in (one, two)))
    files.hosts.verify(NAS, one, Answers())
    files.hosts.verify(NAS, two, Answers())


def test_a_revoked_key_is_refused(tmp_path: Path, files: Files) -> None:
    key = make_key(tmp_path)
    line = f"nas.local {key.get_name()} {key.get_base64()}"
    write(files.users, line, f"@revoked {line}")
    with pytest.raises(HostKeyChanged, match="revoked"):
        files.hosts.verify(NAS, key, Answers())


def test_an_authority_is_not_a_host_key(tmp_path: Path, files: Files) -> None:
    key, person = make_key(tmp_path), Answers()
    write(files.users, f"@cert-authority * {key.get_name()} {key.get_base64()}")
    files.hosts.verify(NAS, key, person)
    assert person.confirmed


def test_a_known_key_of_a_type_nobody_knows_is_still_another_key(tmp_path: Path, files: Files) -> None:
    write(files.users, "nas.local ssh-quantum AAAA")
    with pytest.raises(HostKeyChanged, match="ssh-quantum"):
        files.hosts.verify(NAS, make_key(tmp_path), Answers())


def test_what_others_wrote_into_our_file_stays(tmp_path: Path, files: Files) -> None:
    files.ours.parent.mkdir()
    files.ours.write_text("# a note\nelse ssh-ed25519 AAAA")  # no newline at its end
    files.hosts.verify(NAS, make_key(tmp_path), Answers())
    lines = files.ours.read_text().splitlines()
    assert lines[:2] == ["# a note", "else ssh-ed25519 AAAA"]
    assert len(lines) == 3


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, files: Files) -> None:
    files.ours.parent.write_text("a file where the folder should be")
    with pytest.raises(SetupError, match="known_hosts"):
        files.hosts.verify(NAS, make_key(tmp_path), Answers())
