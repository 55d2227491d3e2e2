"""Which private keys are offered."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import paramiko  # type: ignore[import-untyped,unused-ignore]
import pytest

from synology_setup.errors import SetupError
from synology_setup.remote.keys import MOST_KEYS, Offer, agent_keys, choose_keys
from tests.unit.setup.answers import Answers

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs the package openssh-client")


def make(path: Path, passphrase: str = "", kind: str = "ed25519") -> Path:
    argv = ("ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", path)
    subprocess.run(argv, check=True, capture_output=True)
    return path


def agent(folder: Path, *names: str) -> list[Offer]:
    return [Offer(name, paramiko.PKey.from_path(make(folder / name))) for name in names]


def names(offers: list[Offer]) -> list[str]:
    return [Path(offer.name).name for offer in offers]


def test_two_at_most_the_named_one_first(tmp_path: Path) -> None:
    folder = tmp_path / ".ssh"
    folder.mkdir()
    make(folder / "id_ed25519")
    identity = make(tmp_path / "mine")
    held = agent(tmp_path, "first", "second", "third")
    assert MOST_KEYS == 2
    assert names(choose_keys(identity, held, folder, Answers())) == ["mine", "first"]
    assert names(choose_keys(None, held, folder, Answers())) == ["first", "second"]
    assert names(choose_keys(None, held[:1], folder, Answers())) == ["first", "id_ed25519"]
    assert names(choose_keys(None, [], folder, Answers())) == ["id_ed25519"]
    assert choose_keys(None, [], tmp_path / "none", Answers()) == []


def test_the_same_key_is_offered_once(tmp_path: Path) -> None:
    path = make(tmp_path / "id_ed25519")
    held = [Offer("agent", paramiko.PKey.from_path(path))]
    assert names(choose_keys(None, held, tmp_path, Answers())) == ["agent"]
    assert names(choose_keys(path, held, tmp_path, Answers())) == ["id_ed25519"]


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_passphrase_is_asked_for_the_named_key_only(tmp_path: Path, kind: str) -> None:
    make(tmp_path / "id_rsa", "geheim", "rsa")
    assert choose_keys(None, [], tmp_path, Answers()) == []
    person = Answers("geheim")
    path = make(tmp_path / "mine", "geheim", kind)
    assert names(choose_keys(path, [], tmp_path, person)) == ["mine"]
    assert person.prompts == [f"Passphrase of {path}: "]


def test_an_encrypted_key_that_the_agent_holds_needs_no_passphrase(tmp_path: Path) -> None:
    path = make(tmp_path / "mine", "geheim")
    held = [*agent(tmp_path, "other"), Offer("held", paramiko.PKey.from_path(path, b"geheim"))]  # type: ignore[arg-type,unused-ignore]
    assert names(choose_keys(path, held, tmp_path / "none", Answers())) == ["mine", "other"]


def test_a_wrong_passphrase_is_no_secret_in_the_error(tmp_path: Path) -> None:
    path = make(tmp_path / "mine", "geheim")
    with pytest.raises(SetupError, match=r"passphrase of the identity .*mine is wrong") as caught:
        choose_keys(path, [], tmp_path, Answers("daneben"))
    assert "daneben" not in str(caught.value)


def test_an_identity_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="does not exist"):
        choose_keys(tmp_path / "none", [], tmp_path, Answers())
    public = make(tmp_path / "mine").with_suffix(".pub")
    with pytest.raises(SetupError, match="cannot be read as a private key"):
        choose_keys(public, [], tmp_path, Answers())


def test_a_broken_default_key_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "id_ed25519").write_text("nonsense")
    make(tmp_path / "id_ecdsa", kind="ecdsa")
    assert names(choose_keys(None, [], tmp_path, Answers())) == ["id_ecdsa"]


def test_no_agent_has_no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for value in (None, str(tmp_path / "gone")):
        if value is None:
            monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        else:
            monkeypatch.setenv("SSH_AUTH_SOCK", value)
        with agent_keys() as keys:
            assert keys == []
