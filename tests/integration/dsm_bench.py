"""What the tests of the simulated DSM share: how its programs are run, and what nginx serves."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

from local_cloud.dsm import ReverseProxy, SimulatedDsm
from local_cloud.dsm.issuing import Issuer
from local_cloud.dsm.packages import VIRTUAL_HOST
from local_cloud.dsm.tree import Json, Pair

STAGE = "/usr/syno/etc/stage"
NAVIDROME, BLOG = "navidrome.example.com", "blog.other.test"
VHOST = VIRTUAL_HOST


def lay_out(folder: Path, nginx: Path, ca: Issuer, **options: Any) -> SimulatedDsm:
    """Lay out a NAS on which the recipe was followed, with two proxies, of which one is not ours."""
    proxies = [ReverseProxy(NAVIDROME), ReverseProxy(BLOG, own_certificate=True)]
    named: dict[str, Any] = {"proxies": proxies, "services": [VHOST], **options}
    return SimulatedDsm(folder / "a nas", nginx=nginx, issuer=ca, **named).create()


def run(dsm: SimulatedDsm, program: str | Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program, given by its name or path, from a foreign folder with an empty environment."""
    return subprocess.run(
        [dsm.program(program) if isinstance(program, str) else program, *arguments],
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


def pair_of(dsm: SimulatedDsm, entry_id: str | None) -> Pair:
    assert entry_id
    folder = dsm.tree.archive / entry_id
    return Pair(*((folder / name).read_bytes() for name in ("cert.pem", "chain.pem", "privkey.pem")))


def page(port: int, name: str = "nas", *, secure: bool = True) -> str:
    """Read the page that the name (SNI and Host) has on the port."""
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        if secure:
            stream = stack.enter_context(unverified().wrap_socket(stream, server_hostname=name))
        stream.sendall(f"GET / HTTP/1.0\r\nHost: {name}\r\n\r\n".encode())
        return stream.makefile("rb").read().decode()
