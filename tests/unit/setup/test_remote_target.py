"""How the NAS is named on the command line, and in known_hosts."""

from __future__ import annotations

import pytest

from synology_setup.errors import SetupError
from synology_setup.remote import Target


@pytest.mark.parametrize(
    ("text", "target", "known_as"),
    [
        ("admin@nas", Target("admin", "nas", 22), "nas"),
        ("admin@nas.local:2222", Target("admin", "nas.local", 2222), "[nas.local]:2222"),
        ("a.b@192.168.0.10", Target("a.b", "192.168.0.10", 22), "192.168.0.10"),
        ("admin@[fd00::2]:2222", Target("admin", "fd00::2", 2222), "[fd00::2]:2222"),
        ("admin@[fe80::1%eth0]", Target("admin", "fe80::1%eth0", 22), "fe80::1%eth0"),
        ("admin@fd00::2", Target("admin", "fd00::2", 22), "fd00::2"),
        ("admin@nas:22", Target("admin", "nas", 22), "nas"),
    ],
)
def test_forms(text: str, target: Target, known_as: str) -> None:
    assert Target.parse(text) == target
    assert target.known_as == known_as
    assert Target.parse(str(target)) == target


@pytest.mark.parametrize(
    "text",
    ["nas", "@nas", "admin@", "admin@nas:", "admin@nas:x", "a@b@c", "admin@[fd00::2", "ad min@nas", ""],
)
def test_other_forms_are_refused_with_the_value(text: str) -> None:
    with pytest.raises(SetupError, match="ACCOUNT@NAME") as caught:
        Target.parse(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("port", [0, 65_536, 99_999])
def test_ports_out_of_range(port: int) -> None:
    with pytest.raises(SetupError, match=f"the port {port}"):
        Target.parse(f"admin@nas:{port}")
