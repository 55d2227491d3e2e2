"""The simulated DSM has each quirk that public tools and their authors measured on real ones."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import socket
import ssl
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_cloud.dsm import ReverseProxy, SimulatedDsm
from local_cloud.dsm.issuing import Issuer, issue, make_issuer
from local_cloud.dsm.tree import Json, Pair
from local_cloud.processes import free_port, wait_until

STAGE = "/usr/syno/etc/stage"
NAVIDROME = "navidrome.example.com"
OTHER = "blog.other.test"
VHOST: Json = {  # field case 5
    "display_name": "site:80\n/443\n",
    "isPkg": True,
    "multiple_cert": True,
    "owner": "root",
    "service": "vhost_1a969efd-5fc8-4f48-a4c8-662b43a8489e",
    "subscriber": "WebStation",
}


@pytest.fixture(scope="module")
def ca() -> Issuer:
    return make_issuer()


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory, ca: Issuer, nginx: Path) -> SimulatedDsm:
    root = tmp_path_factory.mktemp("simulated") / "a nas"
    proxies = [ReverseProxy(NAVIDROME), ReverseProxy(OTHER, own_certificate=True)]
    return SimulatedDsm(root, nginx=nginx, issuer=ca, proxies=proxies, services=[VHOST]).create()


@pytest.fixture
def dsm(pristine: SimulatedDsm, tmp_path: Path) -> Iterator[SimulatedDsm]:
    """A NAS of the test's own: the tree is put back afterwards."""
    saved = tmp_path / "saved"
    shutil.copytree(pristine.root, saved, symlinks=True)
    yield pristine
    pristine.stop()
    shutil.rmtree(pristine.root)
    saved.rename(pristine.root)


@pytest.fixture
def running(dsm: SimulatedDsm) -> SimulatedDsm:
    return dsm.start()


def run(dsm: SimulatedDsm, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program from a foreign folder with an empty environment."""
    return subprocess.run(
        [dsm.program(name), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={},
        cwd="/",
        timeout=30,
    )


def api(dsm: SimulatedDsm, *parameters: str) -> Any:
    done = run(dsm, "synowebapi", "--exec-fastwebapi", *parameters)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def stage(dsm: SimulatedDsm, pair: Pair, folder: str = STAGE) -> list[str]:
    """Write the three files and return the parameters that name them."""
    for name, content in (("key", pair.key), ("cert", pair.leaf), ("inter_cert", pair.chain)):
        path = dsm.tree.path(f"{folder}/{name}.pem")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    names = ["key", "cert", "inter_cert"] if pair.chain else ["key", "cert"]
    return [f'{name}_tmp="{folder}/{name}.pem"' for name in names]


def import_pair(dsm: SimulatedDsm, *parameters: str) -> Any:
    return api(dsm, "api=SYNO.Core.Certificate", "method=import", "version=1", *parameters)


def bind(dsm: SimulatedDsm, *settings: Json) -> Any:
    text = json.dumps(list(settings))
    return api(dsm, "api=SYNO.Core.Certificate.Service", "method=set", "version=1", f"settings={text}")


def listed(dsm: SimulatedDsm) -> dict[str, Json]:
    answer = api(dsm, "api=SYNO.Core.Certificate.CRT", "method=list", "version=1")
    return {entry["id"]: entry for entry in answer["data"]["certificates"]}


def services_of(dsm: SimulatedDsm, entry_id: str | None) -> dict[str, Json]:
    assert entry_id
    return {
        f"{service['subscriber']}/{service['service']}": service
        for service in dsm.tree.info()[entry_id]["services"]
    }


def code(answer: Any) -> int:
    assert answer["success"] is False
    return int(answer["error"]["code"])


def fingerprint(pem: bytes) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.decode())).hexdigest()


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def served(port: int, name: str = "nas.example.com") -> str:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        unverified().wrap_socket(plain, server_hostname=name) as secure,
    ):
        der = secure.getpeercert(binary_form=True)
    assert der
    return hashlib.sha256(der).hexdigest()


def serves(port: int, name: str, pair: Pair) -> bool:
    return served(port, name) == fingerprint(pair.leaf)


def copies(dsm: SimulatedDsm, entry_id: str | None) -> set[str]:
    """Return the fingerprints of the copies of all services of an entry."""
    folders = [dsm.tree.copy_folder(service) for service in services_of(dsm, entry_id).values()]
    return {fingerprint((folder / "cert.pem").read_bytes()) for folder in folders}


# The files


def test_the_archive_is_as_on_a_nas(dsm: SimulatedDsm) -> None:
    """One folder per certificate, named by a random 6-character id; keys readable by their owner only."""
    assert dsm.recipe_id
    assert len(dsm.recipe_id) == 6
    assert dsm.tree.default_id == dsm.recipe_id
    folder = dsm.tree.archive / dsm.recipe_id
    assert {"cert.pem", "chain.pem", "fullchain.pem", "privkey.pem", "renew.json"} <= {
        file.name for file in folder.iterdir()
    }
    for key in dsm.root.rglob("privkey.pem"):
        assert stat.S_IMODE(key.stat().st_mode) in {0o400, 0o600}
    services = services_of(dsm, dsm.recipe_id)
    assert {"system/default", "smbftpd/ftpd", "SynologyDrive/SynologyDrive"} <= services.keys()
    assert "user_setable" not in services["smbftpd/ftpd"]
    assert 'productversion="7.2.2"' in (dsm.root / "etc.defaults/VERSION").read_text()


def test_copies_of_packages_are_below_usr_local(dsm: SimulatedDsm) -> None:
    """isPkg false: /usr/syno/etc/certificate/<subscriber>/<service>/, true: /usr/local/etc/certificate/..."""
    assert (dsm.root / "usr/local/etc/certificate/SynologyDrive/SynologyDrive/cert.pem").exists()
    assert (dsm.root / "usr/syno/etc/certificate/system/default/cert.pem").exists()


def test_a_nas_before_the_recipe_has_everything_on_its_self_signed_entry(tmp_path: Path, nginx: Path) -> None:
    """Field case 6."""
    dsm = SimulatedDsm(tmp_path / "nas", nginx=nginx, recipe=False).create()
    assert dsm.recipe_id is None
    assert dsm.tree.default_id == dsm.synology_id
    assert "system/default" in services_of(dsm, dsm.synology_id)
    with dsm:
        assert serves(dsm.https_port, "any", pair_of(dsm, dsm.synology_id))


def pair_of(dsm: SimulatedDsm, entry_id: str | None) -> Pair:
    assert entry_id
    folder = dsm.tree.archive / entry_id
    return Pair(*((folder / name).read_bytes() for name in ("cert.pem", "chain.pem", "privkey.pem")))


# synowebapi: how it is called and how it answers


def test_progress_goes_to_stderr_and_holds_a_brace(dsm: SimulatedDsm) -> None:
    """Progress lines go to stderr: merged into stdout, the first `{` is not the answer's."""
    done = run(
        dsm, "synowebapi", "--exec-fastwebapi", "api=SYNO.Core.Certificate.CRT", "method=list", "version=1"
    )
    assert "[Line 295] Exec WebAPI:" in done.stderr
    assert "{" in done.stderr
    assert json.loads(done.stdout)["success"] is True
    assert len(done.stdout.splitlines()) > 10


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        (["api=SYNO.Core.Nothing", "method=list", "version=1"], 102),
        (["api=SYNO.Core.Certificate.CRT", "method=nothing", "version=1"], 103),
        (["api=SYNO.Core.Certificate.Service", "method=get", "version=1"], 103),  # 7.3.2, field case 10
        (["api=SYNO.Core.Certificate.CRT", "method=list", "version=9"], 104),
    ],
)
def test_what_there_is_not(dsm: SimulatedDsm, parameters: list[str], error: int) -> None:
    assert code(api(dsm, *parameters)) == error


def test_one_call_is_quick(dsm: SimulatedDsm) -> None:
    began = time.monotonic()
    listed(dsm)
    assert time.monotonic() - began < 1


def test_the_list_has_the_documented_shape(dsm: SimulatedDsm) -> None:
    entries = listed(dsm)
    ours = entries[str(dsm.recipe_id)]
    assert ours["is_default"] is True
    assert ours["is_broken"] is False
    assert ours["desc"] == "example.com"
    assert ours["subject"]["common_name"] == "example.com"
    assert ours["subject"]["sub_alt_name"] == ["example.com", "*.example.com"]
    assert ours["issuer"]["common_name"] == "Simulated Intermediate"
    assert ours["signature_algorithm"]
    begin, end = (ssl.cert_time_to_seconds(ours[name]) for name in ("valid_from", "valid_till"))
    assert begin < time.time() < end
    assert entries[dsm.quickconnect_id]["user_deletable"] is False
    assert VHOST in ours["services"]


def test_a_leaf_without_a_common_name_has_an_empty_one(dsm: SimulatedDsm, ca: Issuer) -> None:
    """Let's Encrypt's tlsserver and shortlived: users report an empty "Issued to"."""
    pair = issue(["example.com"], issuer=ca, common_name="")
    entry_id = import_pair(dsm, *stage(dsm, pair), 'desc="new"')["data"]["id"]
    assert listed(dsm)[entry_id]["subject"] == {"common_name": "", "sub_alt_name": ["example.com"]}


# Import


def test_import_without_id_is_a_new_entry_that_serves_nothing(dsm: SimulatedDsm, ca: Issuer) -> None:
    answer = import_pair(dsm, *stage(dsm, issue(["example.com"], issuer=ca)), 'desc="new"')
    assert answer["success"] is True
    assert services_of(dsm, answer["data"]["id"]) == {}
    assert dsm.tree.default_id == dsm.recipe_id


@pytest.mark.parametrize("key_type", ["rsa", "ec"])
def test_import_in_place_keeps_bindings_and_writes_each_copy(
    dsm: SimulatedDsm, ca: Issuer, key_type: Any
) -> None:
    before = services_of(dsm, dsm.recipe_id)
    pair = issue(["example.com"], issuer=ca, key_type=key_type)
    answer = import_pair(dsm, *stage(dsm, pair), f'id="{dsm.recipe_id}"', 'desc="example.com"')
    assert answer["data"]["id"] == dsm.recipe_id
    assert services_of(dsm, dsm.recipe_id) == before
    assert copies(dsm, dsm.recipe_id) == {fingerprint(pair.leaf)}
    assert (dsm.tree.archive / str(dsm.recipe_id) / "renew.json").exists()
    assert dsm.tree.info()[str(dsm.recipe_id)]["renew_info"] == {"retry": 0}
    hooks = dsm.tree.path("/var/log/certificate.d.log").read_text()
    assert hooks.endswith("".join(f"{s['subscriber']} {s['service']}\n" for s in before.values()))


def test_a_bare_true_is_an_illegal_key_file_and_a_json_string_moves_services(
    dsm: SimulatedDsm, ca: Issuer
) -> None:
    """as_default=true: 5511 though the key is fine; "true": services move in the same call (field case 8)."""
    staged = stage(dsm, issue(["example.com"], issuer=ca))
    assert code(import_pair(dsm, *staged, 'desc="new"', "as_default=true")) == 5511
    answer = import_pair(dsm, *staged, 'desc="new"', 'as_default="true"')
    assert dsm.tree.default_id == answer["data"]["id"]
    assert "system/default" in services_of(dsm, answer["data"]["id"])
    assert services_of(dsm, dsm.recipe_id) == {}
    assert "system/quickconnect" in services_of(dsm, dsm.quickconnect_id)


def test_an_unquoted_id_that_reads_as_a_number_is_not_found(dsm: SimulatedDsm, ca: Issuer) -> None:
    """An id like 8ec29f37 is otherwise a number in scientific notation."""
    dsm.tree.write_info({**dsm.tree.info(), "8ec29f37": {"desc": "odd", "services": []}})
    staged = stage(dsm, issue(["example.com"], issuer=ca))
    assert code(import_pair(dsm, *staged, "id=8ec29f37", 'desc="odd"')) == 5500
    assert import_pair(dsm, *staged, 'id="8ec29f37"', 'desc="odd"')["success"] is True
    assert code(import_pair(dsm, *staged, 'id="absent"', 'desc="odd"')) == 5500


def test_bad_pairs_are_refused_by_their_codes(dsm: SimulatedDsm, ca: Issuer) -> None:
    good, foreign = issue(["example.com"], issuer=ca), issue(["example.com"], issuer=make_issuer("Other"))
    before = dsm.tree.info()
    bad = {
        5510: Pair(b"no certificate", good.chain, good.key),
        5511: Pair(good.leaf, good.chain, b"no key"),
        5512: Pair(good.leaf, b"no certificate", good.key),
        5513: Pair(good.leaf, foreign.chain, good.key),
        5514: Pair(good.leaf, good.chain, foreign.key),
    }
    for error, pair in bad.items():
        assert code(import_pair(dsm, *stage(dsm, pair), 'desc="new"')) == error
    assert code(import_pair(dsm, *stage(dsm, Pair(good.leaf, b"", good.key)), 'desc="new"')) == 5513
    assert dsm.tree.info() == before


def test_files_in_tmp_are_not_seen_unless_switched(dsm: SimulatedDsm, ca: Issuer) -> None:
    """One source finds files in /tmp fine on 7.3, another says that there is a private /tmp on 7.2.2."""
    staged = stage(dsm, issue(["example.com"], issuer=ca), "/tmp/stage")
    assert code(import_pair(dsm, *staged, 'desc="new"')) == 5511
    dsm.switch(private_tmp=False)
    assert import_pair(dsm, *staged, 'desc="new"')["success"] is True


def test_a_path_with_an_asterisk_is_refused(dsm: SimulatedDsm, ca: Issuer) -> None:
    """Reported on 7.2.2: a wildcard certificate puts one in every path of acme.sh."""
    staged = stage(dsm, issue(["*.example.com"], issuer=ca), "/usr/syno/etc/*.example.com")
    assert code(import_pair(dsm, *staged, 'desc="new"')) == 5511


def test_success_is_no_proof(dsm: SimulatedDsm, ca: Issuer) -> None:
    before = pair_of(dsm, dsm.recipe_id)
    staged = stage(dsm, issue(["example.com"], issuer=ca))
    dsm.switch(lie_on_import=True)
    assert import_pair(dsm, *staged, f'id="{dsm.recipe_id}"', 'desc="example.com"')["success"] is True
    assert pair_of(dsm, dsm.recipe_id) == before
    dsm.switch(lie_on_import=False, refuse_import=5510)
    assert code(import_pair(dsm, *staged, 'desc="new"')) == 5510
    with pytest.raises(TypeError):
        dsm.switch(lie_on_everything=True)


# Binding


def test_binding_moves_a_service_and_its_copy(dsm: SimulatedDsm) -> None:
    service = services_of(dsm, dsm.recipe_id)["smbftpd/ftpd"]
    answer = bind(dsm, {"service": service, "old_id": dsm.recipe_id, "id": dsm.synology_id})
    assert answer["success"] is True
    assert "smbftpd/ftpd" in services_of(dsm, dsm.synology_id)
    assert "smbftpd/ftpd" not in services_of(dsm, dsm.recipe_id)
    copy = dsm.tree.copy_folder(service) / "cert.pem"
    assert copy.read_bytes() == pair_of(dsm, dsm.synology_id).leaf


@pytest.mark.parametrize("mistake", ["same owner", "stale old_id"])
def test_a_needless_or_stale_assignment_clears_the_binding(dsm: SimulatedDsm, mistake: str) -> None:
    service = services_of(dsm, dsm.recipe_id)["smbftpd/ftpd"]
    old, new = (dsm.recipe_id, dsm.recipe_id) if mistake == "same owner" else ("", dsm.synology_id)
    assert bind(dsm, {"service": service, "old_id": old, "id": new})["success"] is True
    assert dsm.tree.owner_of("smbftpd", "ftpd") is None
    assert service not in [one for entry in listed(dsm).values() for one in entry["services"]]
    assert bind(dsm, {"service": service, "old_id": "", "id": new})["success"] is True
    assert dsm.tree.owner_of("smbftpd", "ftpd") == new


def test_quickconnect_and_unsettable_services_stay_silently(dsm: SimulatedDsm) -> None:
    """system/quickconnect is refused silently (success, no change); user_setable false is left alone."""
    quickconnect = services_of(dsm, dsm.quickconnect_id)["system/quickconnect"]
    kmip = services_of(dsm, dsm.synology_id)["kmip/kmip"]
    before = dsm.tree.info()
    answer = bind(
        dsm,
        {"service": quickconnect, "old_id": dsm.quickconnect_id, "id": dsm.recipe_id},
        {"service": kmip, "old_id": dsm.synology_id, "id": dsm.recipe_id},
    )
    assert answer["success"] is True
    assert dsm.tree.info() == before


def test_a_bad_assignment_is_refused(dsm: SimulatedDsm) -> None:
    partial = {"subscriber": "smbftpd", "service": "ftpd"}
    assert code(bind(dsm, {"service": partial, "old_id": dsm.recipe_id, "id": dsm.synology_id})) == 5503
    assert code(bind(dsm)) == 5503
    whole = services_of(dsm, dsm.recipe_id)["smbftpd/ftpd"]
    assert code(bind(dsm, {"service": whole, "old_id": dsm.recipe_id, "id": "absent"})) == 5503


def test_binding_can_lie(dsm: SimulatedDsm) -> None:
    dsm.switch(lie_on_bind=True)
    service = services_of(dsm, dsm.recipe_id)["smbftpd/ftpd"]
    assert bind(dsm, {"service": service, "old_id": dsm.recipe_id, "id": dsm.synology_id})["success"] is True
    assert dsm.tree.owner_of("smbftpd", "ftpd") == dsm.recipe_id


def test_the_default_can_be_set_by_itself(dsm: SimulatedDsm) -> None:
    answer = api(
        dsm,
        "api=SYNO.Core.Certificate.CRT",
        "method=set",
        "version=1",
        f'id="{dsm.synology_id}"',
        'desc=""',
        'as_default="true"',
    )
    assert answer["success"] is True
    assert listed(dsm)[dsm.synology_id]["is_default"] is True


# nginx


def test_nginx_serves_each_service_from_its_own_copy(running: SimulatedDsm) -> None:
    port = running.proxy_ports[NAVIDROME]
    recipe = pair_of(running, running.recipe_id)
    other = next(id for id, entry in running.tree.info().items() if entry["desc"] == OTHER)
    assert serves(running.https_port, "any.name.test", recipe)
    assert serves(port, NAVIDROME, recipe)
    assert serves(port, OTHER, pair_of(running, other))
    assert serves(port, "no.rule.test", recipe)
    assert "Synology DiskStation (simulated)" in page(running.https_port)
    assert "Synology DiskStation (simulated)" in page(running.http_port, secure=False)
    assert page(port, NAVIDROME).endswith("\r\n\r\nnavidrome")


def page(port: int, name: str = "nas", *, secure: bool = True) -> str:
    """Read the page that the name (SNI and Host) has on the port."""
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        if secure:
            stream = stack.enter_context(unverified().wrap_socket(stream, server_hostname=name))
        stream.sendall(f"GET / HTTP/1.0\r\nHost: {name}\r\n\r\n".encode())
        return stream.makefile("rb").read().decode()


def test_nginx_keeps_the_old_leaf_of_an_entry_that_is_not_the_default(
    running: SimulatedDsm, ca: Issuer
) -> None:
    """Field case 7: success, the copies are new, and the old leaf is served until nginx is reloaded."""
    port = running.proxy_ports[OTHER]
    other = next(id for id, entry in running.tree.info().items() if entry["desc"] == OTHER)
    old, new = pair_of(running, other), issue([OTHER], issuer=ca)
    answer = import_pair(running, *stage(running, new), f'id="{other}"', f'desc="{OTHER}"')
    assert answer == {"data": {"id": other, "restart_httpd": False}, "success": True}
    assert copies(running, other) == {fingerprint(new.leaf)}
    assert run(running, "systemctl", "reload", "nginx").returncode == 0
    time.sleep(0.3)
    assert serves(port, OTHER, old)  # `synow3tool --gen-all` and the reload are needed
    assert run(running, "synow3tool", "--gen-all").returncode == 0
    assert serves(port, OTHER, old)
    assert run(running, "systemctl", "reload", "nginx").returncode == 0
    wait_until(lambda: serves(port, OTHER, new), what="the new leaf", seconds=5)


def test_the_default_entry_is_reloaded_by_dsm_unless_switched(running: SimulatedDsm, ca: Issuer) -> None:
    """With id DSM copies and reloads (data.restart_httpd)."""
    first, second = issue(["example.com"], issuer=ca), issue(["example.com"], issuer=ca)
    identity = [f'id="{running.recipe_id}"', 'desc="example.com"']
    assert import_pair(running, *stage(running, first), *identity)["data"]["restart_httpd"] is True
    wait_until(lambda: serves(running.https_port, "x", first), what="the new leaf", seconds=5)
    running.switch(no_reload=True)
    assert import_pair(running, *stage(running, second), *identity)["data"]["restart_httpd"] is False
    time.sleep(0.3)
    assert serves(running.https_port, "x", first)


def test_the_archive_alone_changes_nothing_that_is_served(running: SimulatedDsm, ca: Issuer) -> None:
    """The blog recipe's mistake."""
    old = pair_of(running, running.recipe_id)
    running.tree.write_pair(str(running.recipe_id), issue(["example.com"], issuer=ca))
    run(running, "synow3tool", "--gen-all")
    run(running, "systemctl", "reload", "nginx")
    time.sleep(0.3)
    assert serves(running.https_port, "x", old)


def test_reload_can_fail_and_units_can_be_unknown(running: SimulatedDsm) -> None:
    unknown = run(running, "systemctl", "reload", "nothing")
    assert unknown.returncode == 5
    assert "not found" in unknown.stderr
    running.switch(fail_reload=True)
    assert run(running, "systemctl", "reload", "nginx").returncode == 1
    assert run(running, "synosystemctl", "restart", "pkgctl-SynologyDrive").returncode == 0
    assert run(running, "synosystemctl", "restart", "pkgctl-Absent").returncode == 5


def test_a_broken_copy_fails_the_reload_and_the_old_leaf_stays(running: SimulatedDsm) -> None:
    old = pair_of(running, running.recipe_id)
    key = running.root / "usr/syno/etc/certificate/system/default/privkey.pem"
    key.chmod(0o600)
    key.write_bytes(issue(["example.com"]).key)
    run(running, "synow3tool", "--gen-all")
    assert run(running, "systemctl", "reload", "nginx").returncode != 0
    assert serves(running.https_port, "x", old)


# The settings of the recipe's last chapter


def test_web_dsm_wants_the_full_object(running: SimulatedDsm) -> None:
    """get, overlay, set: a partial object fails with 2001."""
    calls = ["api=SYNO.Core.Web.DSM", "version=2"]
    settings = api(running, *calls, "method=get")["data"]
    assert code(api(running, *calls, "method=set", "enable_https_redirect=true")) == 2001
    settings["enable_https_redirect"] = True
    overlaid = [f"{name}={json.dumps(value)}" for name, value in settings.items()]
    assert api(running, *calls, "method=set", *overlaid)["success"] is True
    assert api(running, *calls, "method=get")["data"] == settings

    def redirected() -> bool:
        return f"Location: https://nas:{running.https_port}/" in page(running.http_port, secure=False)

    wait_until(redirected, what="the redirect", seconds=5)


def test_a_new_reverse_proxy_is_bound_to_the_default(running: SimulatedDsm) -> None:
    calls = ["api=SYNO.Core.AppPortal.ReverseProxy", "version=1"]
    rule = next(iter(api(running, *calls, "method=list")["data"]["entries"]))
    assert rule["frontend"]["fqdn"] == NAVIDROME
    entry = {name: value for name, value in rule.items() if name not in {"UUID", "_key"}}
    assert code(api(running, *calls, "method=create", f"entry={json.dumps(entry)}")) == 120
    port = free_port()
    entry["frontend"] = {**entry["frontend"], "fqdn": "new.example.com", "port": port}
    assert api(running, *calls, "method=create", f"entry={json.dumps(entry)}")["success"] is True
    rules = api(running, *calls, "method=list")["data"]["entries"]
    created = next(rule for rule in rules if rule["frontend"]["fqdn"] == "new.example.com")
    assert f"ReverseProxy/{created['UUID']}" in services_of(running, running.recipe_id)
    assert running.proxy_ports["new.example.com"] == port

    def answers() -> bool:
        try:
            return page(port, "new.example.com").endswith("navidrome")
        except OSError:
            return False

    wait_until(answers, what="the new rule", seconds=5)
