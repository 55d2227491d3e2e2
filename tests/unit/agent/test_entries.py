"""Which of DSM's entries is ours, and never QuickConnect's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synology_agent.certificates import read_pem
from synology_agent.config import WantedCertificate
from synology_agent.dsm import Dsm
from synology_agent.entries import (
    Entry,
    all_services,
    description_of,
    entry_of,
    find_entry,
    find_service,
    owners,
    read_service,
)
from synology_agent.errors import ConfigError, DsmError

from .certificates import Authority, issue

PAGE: dict[str, Any] = {
    "subscriber": "system",
    "service": "default",
    "isPkg": False,
    "display_name": "DSM\nDesktop Service",
}
DRIVE: dict[str, Any] = {"subscriber": "SynologyDrive", "service": "SynologyDrive", "isPkg": True}
QUICKCONNECT: dict[str, Any] = {"subscriber": "system", "service": "quickconnect"}
NAMES = ("example.com", "*.example.com")


def wanted(entry: str) -> WantedCertificate:
    return WantedCertificate("arn", entry, NAMES)


@pytest.fixture
def entries(intermediate: Authority) -> list[Entry]:
    def entry(
        entry_id: str, description: str, *names: str, services: tuple[dict[str, Any], ...] = ()
    ) -> Entry:
        leaf = read_pem(issue(names or ["other.test"], intermediate).leaf)[0]
        return Entry(entry_id, description, False, tuple(map(read_service, services)), leaf)

    return [
        entry("xoEBak", "example.com", "example.com"),
        entry("twin01", "twin", "www.example.com"),
        entry("twin02", "twin"),
        entry("same01", "same", "example.com"),
        entry("same02", "same", "www.example.com"),
        entry("quick1", "QuickConnect", services=(QUICKCONNECT,)),
        entry("quick2", "Synology QuickConnect Certificate", "example.com"),
        entry("named1", "xoEBak"),
        entry("mine01", "renamed by its owner", "example.com"),
        Entry("broken", "broken", False, ()),
    ]


@pytest.mark.parametrize(
    ("text", "known", "found"),
    [
        ("xoEBak", "", "xoEBak"),  # by id before description
        ("example.com", "mine01", "xoEBak"),  # by description before what was ours
        ("twin02", "", "twin02"),
        ("twin", "", "twin01"),  # the one whose names ours covers
        ("same", "same02", "same02"),  # the one that was ours
        ("not there", "mine01", "mine01"),
        ("not there", "twin02", None),  # it serves another's names now
        ("not there", "quick2", None),
        ("not there", "broken", None),
        ("not there", "gone01", None),
        ("not there", "", None),
        ("abcdef", "", "xoEBak"),  # made for an id that went, and described by the first name
    ],
)
def test_the_entry_that_is_ours(entries: list[Entry], text: str, known: str, found: str | None) -> None:
    entry = find_entry(entries, wanted(text), known)
    assert (entry.id if entry else None) == found


def test_two_of_one_description_are_the_configs_fault(entries: list[Entry]) -> None:
    with pytest.raises(ConfigError, match=r"several .*: same01 \('same'\), same02 \('same'\)\. Put the id"):
        find_entry(entries, wanted("same"), "")


@pytest.mark.parametrize("text", ["quick1", "QuickConnect", "quick2", "Synology QuickConnect Certificate"])
def test_quickconnects_is_refused(entries: list[Entry], text: str) -> None:
    with pytest.raises(ConfigError, match="which is QuickConnect's own certificate and is never touched"):
        find_entry(entries, wanted(text), "")


def test_a_new_entry_is_not_described_by_an_id_that_went() -> None:
    assert description_of(wanted("xoEBak")) == "example.com"
    assert description_of(wanted("My NAS")) == "My NAS"


def test_an_entry_that_went_is_named(entries: list[Entry]) -> None:
    assert entry_of(entries, "twin02").id == "twin02"
    with pytest.raises(DsmError, match="no certificate entry gone01"):
        entry_of(entries, "gone01")


def test_services() -> None:
    page, drive, quickconnect = map(read_service, (PAGE, DRIVE, QUICKCONNECT))
    assert str(page) == "DSM Desktop Service"
    assert str(drive) == "SynologyDrive/SynologyDrive"
    assert page.copy_folder == "/usr/syno/etc/certificate/system/default"
    assert drive.copy_folder == "/usr/local/etc/certificate/SynologyDrive/SynologyDrive"
    assert page.is_settable
    assert not quickconnect.is_settable
    assert not read_service({**PAGE, "user_setable": False}).is_settable
    assert read_service({**PAGE, "user_setable": True}).is_settable


@pytest.mark.parametrize("listed", [[PAGE, DRIVE], {"a": [PAGE], "b": [DRIVE]}])
def test_services_that_are_bound_to_nothing(tmp_path: Path, listed: object) -> None:
    """The shape of SERVICES is unsure."""
    path = tmp_path / "usr/syno/etc/certificate/_archive/SERVICES"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(listed))
    dsm = Dsm(tmp_path)
    assert [service.key for service in all_services(dsm)] == ["system/default", "SynologyDrive/SynologyDrive"]
    bound = Entry("xoEBak", "", True, (read_service({**PAGE, "more": 1}),))
    assert owners([bound]) == {"system/default": "xoEBak"}
    assert find_service(dsm, [bound], "system/default").fields["more"] == 1
    assert find_service(dsm, [bound], "SynologyDrive/SynologyDrive").is_package
    with pytest.raises(DsmError, match="has no service system/FQDN"):
        find_service(dsm, [bound], "system/FQDN")


@pytest.mark.parametrize("text", ["", "7", "[7]", '[{"service": "x"}]', "null"])
def test_services_of_another_shape_are_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "usr/syno/etc/certificate/_archive/SERVICES"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert all_services(Dsm(tmp_path)) == []
