"""How the agent calls DSM's web API, and how it reads what that answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

import pytest

from synology_agent.dsm import Dsm, Entry, Service
from synology_agent.errors import ConfigError, DsmError
from synology_agent.run import find_entry

PAGE = {"subscriber": "system", "service": "default", "isPkg": False, "display_name": "DSM\nDesktop Service"}
DRIVE = {"subscriber": "SynologyDrive", "service": "SynologyDrive", "isPkg": True}
QUICKCONNECT = {"subscriber": "system", "service": "quickconnect"}
PAGE_SERVICE = Service("system", "default", False, "DSM Desktop Service")
PROXY_SERVICE = Service("ReverseProxy", "uuid", False, "proxy")


class Answering(Protocol):
    def __call__(self, stdout: str, stderr: str = "", code: int = 0) -> Dsm: ...


@pytest.fixture
def answering(tmp_path: Path) -> Answering:
    """Return a DSM whose synowebapi writes its arguments to the file `called` and answers this."""

    def make(stdout: str, stderr: str = "", code: int = 0) -> Dsm:
        program = tmp_path / "usr/syno/bin/synowebapi"
        program.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "stdout").write_text(stdout, encoding="utf-8")
        (tmp_path / "stderr").write_text(stderr, encoding="utf-8")
        program.write_text(
            f"#!/bin/sh\ncd '{tmp_path}'\nprintf '%s\\n' \"$@\" >called\n"
            f"cat stdout; cat stderr >&2; exit {code}\n"
        )
        program.chmod(0o755)
        return Dsm(tmp_path)

    return make


def data(value: object) -> str:
    return json.dumps({"success": True, "data": value})


def listing(*certificates: dict[str, Any]) -> str:
    return data({"certificates": list(certificates)})


def test_every_value_goes_out_as_json(answering: Answering, tmp_path: Path) -> None:
    """A bare 8ec29f37 would be a number, and a bare true is refused as an illegal key file."""
    answering(data({})).web_api("SYNO.Api", "import", 1, id="8ec29f37", desc='a "b" ü', files=["x"])
    assert (tmp_path / "called").read_text().splitlines() == [
        "--exec-fastwebapi",
        "api=SYNO.Api",
        "method=import",
        "version=1",
        'id="8ec29f37"',
        'desc="a \\"b\\" \\u00fc"',
        'files=["x"]',
    ]


@pytest.mark.parametrize(
    ("stdout", "answer"),
    [
        (data({"a": 1}), {"a": 1}),
        ("[Line 295] Exec WebAPI: noise\n" + data({"a": 1}), {"a": 1}),
        (data(None), {}),
        (data([]), {}),
        ('{"success": true}', {}),
    ],
)
def test_the_answers_data(answering: Answering, stdout: str, answer: object) -> None:
    dsm = answering(stdout, stderr='[Line 295] Exec WebAPI:  param={"id":"x"}, runner=SYSTEM_ADMIN')
    assert dsm.web_api("SYNO.Api", "get", 1) == answer


@pytest.mark.parametrize(
    ("stdout", "code", "words"),
    [
        ("", 0, "DSM's SYNO.Api get answered no JSON: ''"),
        ("{", 0, "DSM's SYNO.Api get answered no JSON"),
        (
            '{"success": false, "error": {"code": 105}}',
            0,
            "error 105 (no permission: the agent must run as root)",
        ),
        ('{"success": false, "error": {"code": 5514}}', 0, "error 5514 (the key does not match)"),
        ('{"success": false, "error": {"code": 9999}}', 0, "error 9999 (unknown)"),
        ("{}", 0, "DSM refused SYNO.Api get: error None (unknown)"),
        ("{}", 3, "exited with 3: last line"),
    ],
)
def test_a_failed_call_is_said(answering: Answering, stdout: str, code: int, words: str) -> None:
    with pytest.raises(DsmError) as failed:
        answering(stdout, "first line\nlast line\n", code).web_api("SYNO.Api", "get", 1)
    assert words in str(failed.value)


def test_a_machine_without_dsm_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DsmError, match=r"synowebapi cannot be run: No such file or directory; is this DSM 7\?"
    ):
        Dsm(tmp_path).entries()


def test_the_entries_are_read(answering: Answering) -> None:
    dsm = answering(listing({"id": "xoEBak", "desc": "example.com", "services": [PAGE, DRIVE]}, {"id": "x"}))
    first, second = dsm.entries()
    assert first.services[0] == PAGE_SERVICE
    assert [service.copy_folder for service in first.services] == [
        "/usr/syno/etc/certificate/system/default",
        "/usr/local/etc/certificate/SynologyDrive/SynologyDrive",
    ]
    assert second == Entry("x", "", ())


@pytest.mark.parametrize(
    "stdout",
    [
        data({}),
        data({"certificates": None}),
        data({"certificates": ["x"]}),
        listing({}),
        listing({"id": "x", "services": [{}]}),
    ],
)
def test_entries_of_another_shape_are_dsms_fault(answering: Answering, stdout: str) -> None:
    with pytest.raises(DsmError, match=r"SYNO\.Core\.Certificate\.CRT answered in a shape"):
        answering(stdout).entries()


@pytest.mark.parametrize(
    ("service", "answer", "ports"),
    [
        (PAGE_SERVICE, {"https_port": 5001}, [(5001, "nas.example.com")]),
        (PAGE_SERVICE, {"https_port": "5001"}, [(5001, "nas.example.com")]),
        (
            PROXY_SERVICE,
            {
                "entries": [
                    {"UUID": "uuid", "frontend": {"port": 443, "fqdn": "music.example.com", "protocol": 1}},
                    {"UUID": "uuid", "frontend": {"port": 80, "fqdn": "music.example.com", "protocol": 0}},
                    {"UUID": "other", "frontend": {"port": 443, "fqdn": "other.test", "protocol": 1}},
                ]
            },
            [(443, "music.example.com")],
        ),
        (Service("smbftpd", "ftpd", False, "FTPS"), {}, []),
    ],
)
def test_the_ports_of_a_service(
    answering: Answering, service: Service, answer: object, ports: list[tuple[int, str]]
) -> None:
    found = answering(data(answer)).ports([service], "nas.example.com")
    assert [(port.number, port.name) for port in found] == ports


@pytest.mark.parametrize(
    ("service", "answer"),
    [
        (PAGE_SERVICE, {}),
        (PAGE_SERVICE, {"https_port": None}),
        (PROXY_SERVICE, {}),
        (PROXY_SERVICE, {"entries": [{"UUID": "uuid"}]}),
    ],
)
def test_ports_of_another_shape_are_dsms_fault(
    answering: Answering, service: Service, answer: object
) -> None:
    with pytest.raises(DsmError, match="answered in a shape"):
        answering(data(answer)).ports([service], "nas.example.com")


def test_paths_are_as_dsm_sees_them(tmp_path: Path) -> None:
    dsm = Dsm(tmp_path / "root")
    assert dsm.on_nas(tmp_path / "root" / "volume1" / "cert.pem") == "/volume1/cert.pem"
    assert dsm.real("/volume1/cert.pem") == tmp_path / "root" / "volume1" / "cert.pem"
    with pytest.raises(DsmError, match="is not below"):
        dsm.on_nas(tmp_path / "cert.pem")


ENTRIES = listing(
    {"id": "xoEBak", "desc": "example.com"},
    {"id": "twin01", "desc": "twin"},
    {"id": "twin02", "desc": "twin"},
    {"id": "quick1", "desc": "QuickConnect", "services": [QUICKCONNECT]},
    {"id": "named1", "desc": "xoEBak"},
)


@pytest.mark.parametrize(
    ("wanted", "found"), [("xoEBak", "xoEBak"), ("example.com", "xoEBak"), ("twin02", "twin02")]
)
def test_an_entry_is_found_by_id_before_description(answering: Answering, wanted: str, found: str) -> None:
    assert find_entry(answering(ENTRIES), wanted).id == found


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (
            "absent",
            "entry is 'absent', and DSM has 0 such certificate entries; it has xoEBak ('example.com'), ",
        ),
        ("twin", "entry is 'twin', and DSM has 2 such certificate entries; it has "),
        ("quick1", "entry is 'quick1', which is QuickConnect's own certificate: choose another"),
        ("QuickConnect", "entry is 'QuickConnect', which is QuickConnect's own certificate"),
    ],
)
def test_another_entry_is_the_configs_fault(answering: Answering, wanted: str, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        find_entry(answering(ENTRIES), wanted)
    assert words in str(refused.value)
