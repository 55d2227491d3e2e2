"""How the agent calls DSM's web API, and how it reads what that answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

import pytest

from synology_agent.dsm import ApiRefused, Dsm
from synology_agent.errors import DsmError


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
        ('{noise} {"other": 1}\n' + data({"a": 1}) + "more", {"a": 1}),
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
        ("", 0, "DSM's SYNO.Api get answered no JSON"),
        ("{", 0, "DSM's SYNO.Api get answered no JSON"),
        (
            '{"success": false, "error": {"code": 105}}',
            0,
            "error 105 (no permission: the agent must run as root)",
        ),
        ('{"success": false, "error": {"code": 5514}}', 0, "error 5514 (the key does not match)"),
        ('{"success": false, "error": {"code": 9999}}', 0, "error 9999 (unknown)"),
        ("{}", 0, "DSM's SYNO.Api get answered no JSON"),
        ('{"success": false}', 0, "DSM refused SYNO.Api get: error None (unknown)"),
        ("{}", 3, "exited with 3: last line"),
    ],
)
def test_a_failed_call_is_said(answering: Answering, stdout: str, code: int, words: str) -> None:
    with pytest.raises(DsmError) as failed:
        answering(stdout, "first line\nlast line\n", code).web_api("SYNO.Api", "get", 1)
    assert words in str(failed.value)


def test_a_machine_without_dsm_is_named(tmp_path: Path) -> None:
    assert not Dsm(tmp_path).has_web_api
    with pytest.raises(DsmError, match="synowebapi cannot be run: No such file or directory"):
        Dsm(tmp_path).web_api("SYNO.Api", "get", 1)


def test_a_refusal_carries_dsms_code(answering: Answering) -> None:
    with pytest.raises(ApiRefused) as refused:
        answering('{"success": false, "error": {"code": 5511}}').web_api("SYNO.Api", "get", 1)
    assert refused.value.code == 5511


def test_paths_are_as_dsm_sees_them(tmp_path: Path) -> None:
    dsm = Dsm(tmp_path / "root")
    assert dsm.on_nas(tmp_path / "root" / "volume1" / "cert.pem") == "/volume1/cert.pem"
    assert dsm.real("/volume1/cert.pem") == tmp_path / "root" / "volume1" / "cert.pem"
    with pytest.raises(DsmError, match="is not below"):
        dsm.on_nas(tmp_path / "cert.pem")


def test_the_release_is_read(tmp_path: Path) -> None:
    path = tmp_path / "etc.defaults" / "VERSION"
    path.parent.mkdir()
    for text in ("", 'majorversion="x"\nminorversion="2"', 'majorversion="7"'):
        path.write_text(text)
        with pytest.raises(DsmError, match="is this a Synology NAS"):
            _ = Dsm(tmp_path).release
    path.write_text('majorversion="7"\nminorversion="2"\nproductversion="7.2.2"\n')
    assert Dsm(tmp_path).release == (7, 2)


def test_a_command_that_does_not_end_is_ended(
    answering: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsm = answering("")
    (tmp_path / "usr/syno/bin/synowebapi").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr("synology_agent.dsm.COMMAND_SECONDS", 0.2)
    with pytest.raises(DsmError, match="did not end within"):
        dsm.web_api("SYNO.Api", "get", 1)


def script(root: Path, path: str, code: int = 0) -> None:
    program = root / path
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\necho {path} \"$@\" >>'{root}/called'\nexit {code}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("programs", "calls"),
    [
        (
            ["usr/syno/bin/synow3tool", "usr/bin/systemctl", "usr/syno/etc/rc.sysv/nginx.sh"],
            ["usr/syno/bin/synow3tool --gen-all", "usr/bin/systemctl reload nginx"],
        ),
        (
            ["usr/syno/etc/rc.sysv/nginx.sh", "usr/syno/sbin/synoservicectl"],
            ["usr/syno/etc/rc.sysv/nginx.sh reload"],
        ),
        (["usr/syno/sbin/synoservicectl"], ["usr/syno/sbin/synoservicectl --reload nginx"]),
    ],
)
def test_nginx_is_reloaded_as_the_release_does(tmp_path: Path, programs: list[str], calls: list[str]) -> None:
    for program in programs:
        script(tmp_path, program)
    Dsm(tmp_path).reload_nginx()
    assert (tmp_path / "called").read_text().splitlines() == calls


def test_a_package_is_restarted_as_the_release_does(tmp_path: Path) -> None:
    script(tmp_path, "usr/syno/bin/synopkg")
    assert Dsm(tmp_path).is_running("VPNCenter")
    Dsm(tmp_path).restart_package("VPNCenter")
    script(tmp_path, "usr/syno/bin/synosystemctl")
    script(tmp_path, "usr/bin/systemctl", 3)
    assert not Dsm(tmp_path).is_running("VPNCenter")
    Dsm(tmp_path).restart_package("VPNCenter")
    assert (tmp_path / "called").read_text().splitlines() == [
        "usr/syno/bin/synopkg status VPNCenter",
        "usr/syno/bin/synopkg restart VPNCenter",
        "usr/bin/systemctl is-active pkgctl-VPNCenter",
        "usr/syno/bin/synosystemctl restart pkgctl-VPNCenter",
    ]


def test_hooks_are_run_where_they_are(tmp_path: Path) -> None:
    dsm = Dsm(tmp_path)
    dsm.run_hooks("smbftpd", "ftpd", is_package=False)
    for path in (
        "usr/libexec/certificate.d/smbftpd",
        "usr/local/libexec/certificate.d/MailServer",
        "usr/libexec/security-profile/tls-profile/dsm.sh",
        "usr/libexec/security-profile/tls-profile/smbftpd.sh",
    ):
        script(tmp_path, path)
    dsm.run_hooks("smbftpd", "ftpd", is_package=False)
    dsm.run_hooks("MailServer", "MailServer", is_package=True)
    dsm.run_hooks("system", "default", is_package=False)
    assert (tmp_path / "called").read_text().splitlines() == [
        "usr/libexec/certificate.d/smbftpd ftpd",
        "usr/libexec/security-profile/tls-profile/smbftpd.sh",
        "usr/local/libexec/certificate.d/MailServer MailServer",
        "usr/libexec/security-profile/tls-profile/dsm.sh",
    ]
