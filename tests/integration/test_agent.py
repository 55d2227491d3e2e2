"""The agent as it runs on a NAS: one file, DSM's Python, real signatures to the local AWS, a real nginx."""

from __future__ import annotations

import ast
import fcntl
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from infrastructure.policies import nas_policy
from lambda_renewer.document import EMPTY, Certificate, write_document
from local_cloud.counting_proxy import CountingProxy
from local_cloud.dsm import ReverseProxy, SimulatedDsm
from local_cloud.dsm.issuing import Issuer, issue, make_issuer
from local_cloud.dsm.tree import Json, Pair
from local_cloud.ministack.server import Credentials, LocalAws
from local_cloud.processes import free_port
from synology_agent.document import fingerprint
from synology_agent.tls import served_fingerprint
from synology_setup.agent_zipapp import PROJECT, build_agent

NAMES = ["example.com", "*.example.com"]
NAVIDROME, BLOG = "navidrome.example.com", "blog.other.test"
HOME = "volume1/@synology-https"
VHOST: Json = {
    "display_name": "site:80\n/443\n",
    "isPkg": True,
    "multiple_cert": True,
    "owner": "root",
    "service": "vhost_1a969efd-5fc8-4f48-a4c8-662b43a8489e",
    "subscriber": "WebStation",
}
# What the simulated programs write at each call.
NOT_COMPARED = ("var", "run", HOME)


@pytest.fixture(scope="module")
def root_ca() -> Issuer:
    return make_issuer("Simulated Root")


@pytest.fixture(scope="module")
def ca(root_ca: Issuer) -> Issuer:
    return make_issuer(issuer=root_ca)


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_agent(tmp_path_factory.mktemp("agent") / "synology-agent.pyz")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory, ca: Issuer, nginx: Path) -> SimulatedDsm:
    root = tmp_path_factory.mktemp("simulated") / "nas"
    proxies = [ReverseProxy(NAVIDROME), ReverseProxy(BLOG, own_certificate=True)]
    return SimulatedDsm(root, nginx=nginx, issuer=ca, proxies=proxies, services=[VHOST]).create()


@pytest.fixture
def dsm(pristine: SimulatedDsm, tmp_path: Path) -> Iterator[SimulatedDsm]:
    """A NAS of the test's own: the tree is put back afterwards."""
    saved = tmp_path / "saved"
    shutil.copytree(pristine.root, saved, symlinks=True)
    yield pristine.start()
    pristine.stop()
    shutil.rmtree(pristine.root)
    saved.rename(pristine.root)


class Secret:
    """A secret as the stack makes it, with the IAM user that may read it.

    Attributes:
        key_lines: a line of each private key that was in it.
    """

    def __init__(self, aws: LocalAws) -> None:
        self._client = aws.client("secretsmanager")
        name = f"synology-https/test/certificate/{uuid.uuid4()}"
        self.arn: str = self._client.create_secret(Name=name)["ARN"]
        policy = nas_policy(certificate_arn=self.arn, metric_namespace="synology-https/test")
        self.credentials = aws.user(f"nas-{uuid.uuid4()}", policy)
        self.key_lines = set[str]()

    def put(self, document: str) -> str:
        """Store a document as AWSCURRENT and return its VersionId."""
        return str(self._client.put_secret_value(SecretId=self.arn, SecretString=document)["VersionId"])

    def put_pair(self, pair: Pair, **changes: Any) -> str:
        self.key_lines.add(pair.key.decode().splitlines()[1])
        return self.put(document_of(pair, **changes))


@pytest.fixture
def secret(local_aws: LocalAws) -> Secret:
    return Secret(local_aws)


class Nas:
    """The agent in its folder on the simulated NAS.

    Attributes:
        proxy: counts the calls to AWS.
    """

    def __init__(
        self, dsm: SimulatedDsm, python: Path, agent: Path, root_ca: Issuer, proxy: CountingProxy
    ) -> None:
        self.dsm, self.proxy = dsm, proxy
        self._secrets: list[Secret] = []
        self._secret_keys = set[str]()
        self.home = dsm.root / HOME
        self.home.mkdir(parents=True)
        shutil.copy(agent, self.home)
        self.config, self._python = self.home / "config.json", python
        self._ca_file = self.home / "ca.pem"
        self._ca_file.write_bytes(root_ca.certificate)

    def configure(
        self, *certificates: Mapping[str, Any], credentials: Credentials, endpoint: str | None = None
    ) -> None:
        """Write the config, 0600."""
        fields = {
            "region": "eu-central-1",
            "access_key_id": credentials.access_key,
            "secret_access_key": credentials.secret_key,
            "endpoint": endpoint or self.proxy.endpoint,
            "ca_file": str(self._ca_file),
            "certificates": certificates,
        }
        self.config.touch(mode=0o600)
        self.config.write_text(json.dumps(fields))
        self._secret_keys.add(credentials.secret_key)

    def serve(self, secret: Secret, entry: str | None = None, names: Sequence[str] = NAMES) -> None:
        """Configure one certificate, of the recipe's entry unless another is given."""
        self.configure(self.wanted(secret, entry, names), credentials=secret.credentials)

    def wanted(
        self, secret: Secret, entry: str | None = None, names: Sequence[str] = NAMES
    ) -> dict[str, Any]:
        self._secrets.append(secret)
        return {"secret": secret.arn, "entry": entry or self.dsm.recipe_id, "names": [*names]}

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Start a run as Task Scheduler would."""
        return subprocess.Popen(
            [self._python, "-I", "-S", self.home / "synology-agent.pyz", "--root", self.dsm.root, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            cwd="/",
        )

    def run(self, *options: str) -> tuple[int, str]:
        """Run to the end; return the exit code and all that was printed, which holds no secret."""
        with self.start("--verbose", *options) as process:
            output = process.communicate(timeout=60)[0]
        assert "PRIVATE KEY" not in output
        assert "Traceback" not in output
        for text in self._secret_keys.union(
            key_lines(self.dsm.root), *(secret.key_lines for secret in self._secrets)
        ):
            assert text not in output
        return process.returncode, output

    def copies(self, entry: str | None = None) -> set[str]:
        """Return the fingerprints of the entry's archive folder and of its services' copies."""
        entry_id = entry or self.dsm.recipe_id or ""
        tree = self.dsm.tree
        folders = [tree.copy_folder(service) for service in tree.info()[entry_id]["services"]]
        assert entry or {folder.name for folder in folders} >= {"default", "ftpd", "SynologyDrive"}
        return {
            fingerprint((folder / "cert.pem").read_text()) for folder in [*folders, tree.archive / entry_id]
        }

    def served(self) -> set[str | None]:
        """Return the fingerprints at DSM's page and at the reverse proxy of the recipe's entry."""
        ports = [(self.dsm.https_port, "example.com"), (self.dsm.proxy_ports[NAVIDROME], NAVIDROME)]
        return {served_fingerprint(port, name) for port, name in ports}

    def everywhere(self) -> set[str | None]:
        return {*self.copies(), *self.served()}

    def old(self) -> Pair:
        """Return the pair of the recipe's entry."""
        folder = self.dsm.tree.archive / (self.dsm.recipe_id or "")
        return Pair(*((folder / name).read_bytes() for name in ("cert.pem", "chain.pem", "privkey.pem")))

    def files(self) -> dict[str, bytes]:
        """Return what DSM's files hold, without its logs."""
        return {
            path.relative_to(self.dsm.root).as_posix(): path.read_bytes()
            for path in self.dsm.root.rglob("*")
            if path.is_file() and not path.relative_to(self.dsm.root).as_posix().startswith(NOT_COMPARED)
        }

    def state(self, name: str) -> list[Path]:
        return list(self.home.glob(f"state/*/{name}"))

    def is_clean(self) -> bool:
        """Tell whether no staged pair and no backup is left."""
        return not self.state("staging") and not self.state("backup")

    def replace_program(self, name: str, script: str) -> Path:
        """Put a shell script before a program of DSM's; return where that one went."""
        program = self.dsm.program(name)
        original = program.with_name(f"{name}.real")
        program.rename(original)
        program.write_text(f'#!/bin/sh\nreal="$0.real"\n{script}\n')
        program.chmod(0o755)
        return original


@pytest.fixture
def nas(
    dsm: SimulatedDsm, dsm_python: Path, agent: Path, root_ca: Issuer, local_aws: LocalAws
) -> Iterator[Nas]:
    with CountingProxy(local_aws.endpoint) as proxy:
        yield Nas(dsm, dsm_python, agent, root_ca, proxy)


def document_of(pair: Pair, **changes: Any) -> str:
    """Return the document that the renewer writes for the pair."""
    leaf = x509.load_pem_x509_certificate(pair.leaf)
    fields: dict[str, Any] = {
        "name": "home",
        "domains": tuple(NAMES),
        "key_type": "ec256",
        "leaf": pair.leaf.decode(),
        "chain": pair.chain.decode(),
        "private_key": pair.key.decode(),
        "serial": f"{leaf.serial_number:x}",
        "fingerprint_sha256": fingerprint(pair.leaf.decode()),
        "issuer": "Simulated Intermediate",
        "not_before": leaf.not_valid_before_utc,
        "not_after": leaf.not_valid_after_utc,
        "issued_at": datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1),
        "acme_directory": "https://localhost/dir",
        "acme_account": "https://localhost/account/1",
        "profile": "classic",
        "ari_id": "x.y",
        "zone_ids": ("Z1",),
    }
    return write_document(Certificate(**{**fields, **changes}))


def key_lines(root: Path) -> set[str]:
    """Return a line of each private key below `root`."""
    return {path.read_text().splitlines()[1] for path in root.rglob("privkey.pem")}


def leaf_of(pair: Pair) -> str:
    return fingerprint(pair.leaf.decode())


# A good certificate


@pytest.mark.parametrize("key_type", ["ec", "rsa"])
def test_a_new_certificate_is_in_every_copy_and_on_every_port(
    nas: Nas, secret: Secret, ca: Issuer, key_type: Any
) -> None:
    nas.dsm.switch(no_reload=True)  # field case 7: DSM leaves nginx on the old leaf
    new = issue(NAMES, issuer=ca, key_type=key_type)
    version = secret.put_pair(new)
    before = nas.files()
    nas.serve(secret)

    code, output = nas.run()

    assert code == 0, output
    assert nas.everywhere() == {leaf_of(new)}
    assert "after a reload of nginx" in output
    assert output.count("\nexample.com: installed serial ") == 1
    assert nas.proxy.operations == ["DescribeSecret", "GetSecretValue"]
    (record,) = nas.state("installed.json")
    assert json.loads(record.read_text())["version"] == version
    assert nas.is_clean()
    # Nothing of other certificates was touched, and what DSM has beside its own files stayed.
    changed = {path for path, content in nas.files().items() if before.get(path) != content}
    recipe = nas.dsm.tree.info()[nas.dsm.recipe_id or ""]
    folders = {
        f"usr/syno/etc/certificate/_archive/{nas.dsm.recipe_id}",
        *(
            nas.dsm.tree.copy_folder(service).relative_to(nas.dsm.root).as_posix()
            for service in recipe["services"]
        ),
    }
    made = ("usr/syno/etc/www/certificate/", "etc/nginx/")
    assert {path.rpartition("/")[0] for path in changed if not path.startswith(made)} == folders
    # The key is in DSM's own files and nowhere else, and only their owner may read them.
    line = new.key.decode().splitlines()[1]
    holders = [path for path in nas.dsm.root.rglob("*") if path.is_file() and line in text_of(path)]
    assert len(holders) >= len(folders)
    for path in holders:
        place = path.relative_to(nas.dsm.root).as_posix()
        assert place.startswith((*folders, "usr/syno/etc/www/certificate/")), place
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, place


def text_of(path: Path) -> str:
    return path.read_bytes().decode("latin-1")


def test_what_is_installed_already_costs_one_call_and_changes_nothing(
    nas: Nas, secret: Secret, ca: Issuer
) -> None:
    secret.put_pair(issue(NAMES, issuer=ca))
    nas.serve(secret, entry="example.com")  # by its description
    assert nas.run()[0] == 0
    before, record = nas.files(), nas.state("installed.json")[0].read_bytes()
    nas.proxy.operations.clear()

    code, output = nas.run()

    assert code == 0, output
    assert "example.com: nothing to do, good until " in output
    assert nas.proxy.operations == ["DescribeSecret"]
    assert nas.files() == before
    assert nas.state("installed.json")[0].read_bytes() == record


def test_what_dsm_lost_is_installed_again(nas: Nas, secret: Secret, ca: Issuer) -> None:
    new = issue(NAMES, issuer=ca)
    secret.put_pair(new)
    nas.serve(secret)
    old = nas.old()
    assert nas.run()[0] == 0
    nas.dsm.tree.write_pair(nas.dsm.recipe_id or "", old)

    code, output = nas.run()

    assert code == 0, output
    assert "DSM lost it at the archive" in output
    assert nas.everywhere() == {leaf_of(new)}


def test_a_renewed_certificate_follows(nas: Nas, secret: Secret, ca: Issuer) -> None:
    nas.serve(secret)
    for new in (issue(NAMES, issuer=ca), issue(NAMES, issuer=ca)):
        secret.put_pair(new)
        assert nas.run()[0] == 0
        assert nas.everywhere() == {leaf_of(new)}
    assert len(nas.dsm.tree.info()) == 4  # no entry was added
    assert nas.dsm.tree.default_id == nas.dsm.recipe_id


def test_an_install_that_cannot_be_remembered_says_that_it_is_served(
    nas: Nas, secret: Secret, ca: Issuer
) -> None:
    new = issue(NAMES, issuer=ca)
    secret.put_pair(new)
    nas.serve(secret)
    assert nas.run()[0] == 0
    (record,) = nas.state("installed.json")
    record.unlink()
    (record / "in the way").mkdir(parents=True)

    code, output = nas.run()

    assert code == 1, output
    assert "FAILED: installed and served, which could not be remembered: " in output
    assert nas.everywhere() == {leaf_of(new)}


# DSM does not do as it says


@pytest.mark.parametrize(
    ("switches", "words"),
    [
        (
            {"lie_on_import": True},
            "DSM said success, and these copies did not change: the archive, DSM Desktop Service, FTPS, ",
        ),
        ({"refuse_import": 5513}, "DSM refused SYNO.Core.Certificate import: error 5513 (incomplete chain)"),
        ({"fail_reload": True}, "Job for nginx.service failed"),
    ],
)
def test_where_dsm_fails_the_old_pair_stays_served(
    nas: Nas, secret: Secret, ca: Issuer, switches: dict[str, Any], words: str
) -> None:
    nas.dsm.switch(**switches)
    new = issue(NAMES, issuer=ca)
    secret.put_pair(new)
    nas.serve(secret)
    old, before = nas.old(), nas.files()

    code, output = nas.run()

    assert code == 41, output
    assert words in output
    assert "The old one is back: " in output
    assert nas.old() == old
    assert nas.everywhere() == {leaf_of(old)}
    assert nas.is_clean()
    assert not nas.state("installed.json")
    if "fail_reload" not in switches:
        assert nas.files() == before
    nas.dsm.switch(lie_on_import=False, refuse_import=None, fail_reload=False)
    assert nas.run()[0] == 0
    assert nas.everywhere() == {leaf_of(new)}


def test_an_old_pair_that_cannot_be_put_back_is_said_and_kept(nas: Nas, secret: Secret, ca: Issuer) -> None:
    """The first import goes through, nginx does not reload, and then DSM refuses."""
    nas.dsm.switch(fail_reload=True)
    refuse = (
        'case "$*" in *method=import*) if [ -e "$0.once" ]; then echo "{}"; exit 0; fi; : >"$0.once";; esac'
    )
    nas.replace_program("synowebapi", f'{refuse}\nexec "$real" "$@"')
    new = issue(NAMES, issuer=ca)
    secret.put_pair(new)
    nas.serve(secret)
    old = nas.old()

    code, output = nas.run()

    assert code == 50, output
    assert "Look at Control Panel, Security, Certificate now" in output
    (backup,) = nas.state("backup")
    assert str(backup) in output
    assert (backup / "privkey.pem").read_bytes() == old.key
    assert (backup / "cert.pem").read_bytes() == old.leaf


# What is not fit to be served


def test_a_certificate_that_a_browser_would_refuse_does_not_reach_dsm(
    nas: Nas, secret: Secret, ca: Issuer, root_ca: Issuer
) -> None:
    good = issue(NAMES, issuer=ca)
    nas.serve(secret)
    before, served = nas.files(), nas.served()
    for new, words in (
        (issue(["other.test"], issuer=ca), "a browser would refuse it for example.com: "),
        (
            Pair(good.leaf, good.chain, issue(NAMES, issuer=ca).key),
            "certificate and private key do not go together",
        ),
        (issue(NAMES, issuer=ca, days=0), "certificate has expired"),
        (issue(NAMES, issuer=make_issuer("Other Root")), "certificate verify failed"),
        (Pair(good.leaf, root_ca.certificate, good.key), "unable to get local issuer certificate"),
    ):
        secret.put_pair(new)
        code, output = nas.run()
        assert code == 30, output
        assert words in output
        assert "importing" not in output
        assert nas.files() == before
        assert nas.served() == served
        assert nas.is_clean()


def test_a_document_that_contradicts_itself_does_not_reach_dsm(nas: Nas, secret: Secret, ca: Issuer) -> None:
    nas.serve(secret)
    before = nas.files()
    secret.put_pair(issue(NAMES, issuer=ca), fingerprint_sha256="0" * 64)
    assert nas.run()[0] == 30
    secret.put(json.dumps({"schema": 2}))
    code, output = nas.run()
    assert code == 30
    assert "has schema 2, and this agent knows 1: update the agent" in output
    assert nas.files() == before


def test_nothing_issued_yet(nas: Nas, secret: Secret) -> None:
    nas.serve(secret)
    secret.put(EMPTY)
    code, output = nas.run()
    assert code == 10, output
    assert "example.com: FAILED: nothing is issued yet" in output
    assert nas.is_clean()


# AWS refuses


def test_another_certificates_secret_is_refused_with_advice(
    nas: Nas, secret: Secret, local_aws: LocalAws
) -> None:
    other = Secret(local_aws)
    nas.configure(nas.wanted(other), credentials=secret.credentials)
    code, output = nas.run()
    assert code == 20, output
    assert other.arn in output
    assert "AccessDeniedException" in output
    assert "check that the config names the secret that `pulumi stack output` shows" in output


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"secret_key": "w" * 40}, "the secret access key in the config is wrong, or the NAS's clock is"),
        ({"access_key": "AKIAIOSFODNN7EXAMPLE"}, "AWS does not know the access key in the config"),
    ],
)
def test_a_wrong_key_is_refused_with_advice(
    nas: Nas, secret: Secret, wrong: dict[str, str], words: str
) -> None:
    nas.configure(nas.wanted(secret), credentials=secret.credentials._replace(**wrong))
    code, output = nas.run()
    assert code == 20, output
    assert words in output


def test_without_aws_nothing_happens(nas: Nas, secret: Secret) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    nas.configure(nas.wanted(secret), credentials=secret.credentials, endpoint=endpoint)
    before = nas.files()
    code, output = nas.run()
    assert code == 20, output
    assert f"AWS could not be asked (DescribeSecret at {endpoint}): " in output
    assert nas.files() == before


# The config


def test_a_config_that_is_open_to_others_is_refused(nas: Nas, secret: Secret) -> None:
    nas.serve(secret)
    nas.config.chmod(0o644)
    code, output = nas.run()
    assert code == 2
    assert f"run `chmod 600 {nas.config}`" in output
    assert nas.proxy.operations == []


def test_an_entry_that_is_not_the_one_is_refused(nas: Nas, secret: Secret, ca: Issuer) -> None:
    twins = [nas.dsm.add_entry("twin", issue(["twin.test"], issuer=ca)) for _ in range(2)]
    for entry, words in (
        ("abcdef", "entry is 'abcdef', and DSM has 0 such certificate entries; it has "),
        ("twin", "entry is 'twin', and DSM has 2 such certificate entries; it has "),
        (
            nas.dsm.quickconnect_id,
            f"entry is {nas.dsm.quickconnect_id!r}, which is QuickConnect's own certificate: choose another",
        ),
    ):
        nas.serve(secret, entry=entry)
        code, output = nas.run()
        assert code == 2, output
        assert words in output
        if "twin" in words:
            assert all(f"{twin} ('twin')" in output for twin in twins)
    assert nas.proxy.operations == []


def test_one_certificate_that_fails_does_not_keep_the_next_from_it(
    nas: Nas, secret: Secret, ca: Issuer
) -> None:
    new = issue([BLOG], issuer=ca)
    secret.put_pair(new)
    first = nas.wanted(secret)  # example.com, which the certificate is not good for
    nas.configure(first, nas.wanted(secret, BLOG, [BLOG]), credentials=secret.credentials)
    old = nas.old()

    code, output = nas.run()

    assert code == 30, output
    assert "example.com: FAILED: a browser would refuse it for example.com" in output
    assert f"{BLOG}: installed serial" in output
    assert served_fingerprint(nas.dsm.proxy_ports[BLOG], BLOG) == leaf_of(new)
    assert nas.everywhere() == {leaf_of(old)}


# Two runs, and half a run


def test_a_second_run_ends_at_once(nas: Nas, secret: Secret) -> None:
    nas.serve(secret)
    (nas.home / "state").mkdir()
    with (nas.home / "state" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, output = nas.run()
    assert (code, output) == (
        1,
        "FAILED: another run is under way; this one ends without doing anything\n",
    )
    assert nas.proxy.operations == []


KILL = 'kill -KILL "$PPID"; exit 1'


@pytest.mark.parametrize(
    ("program", "script"),
    [
        ("synowebapi", f'case "$*" in *method=import*) {KILL};; esac'),
        ("synowebapi", f'case "$*" in *method=import*) "$real" "$@" >/dev/null 2>&1; {KILL};; esac'),
        ("synowebapi", f'case "$*" in *ReverseProxy*) {KILL};; esac'),
        ("synow3tool", KILL),
        ("systemctl", KILL),
    ],
    ids=["before the import", "after the import", "at the probe", "at the reload", "in the reload"],
)
def test_a_run_after_a_killed_one_finishes_it(
    nas: Nas, secret: Secret, ca: Issuer, program: str, script: str
) -> None:
    nas.dsm.switch(no_reload=True)
    new = issue(NAMES, issuer=ca)
    secret.put_pair(new)
    nas.serve(secret)
    old = nas.old()
    original = nas.replace_program(program, f'{script}\nexec "$real" "$@"')

    assert nas.run()[0] == -signal.SIGKILL

    (backup,) = nas.state("backup")
    assert (backup / "cert.pem").read_bytes() == old.leaf
    assert (backup / "privkey.pem").read_bytes() == old.key
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in backup.iterdir())
    assert nas.served() == {leaf_of(old)}

    original.replace(nas.dsm.program(program))
    code, output = nas.run()
    assert code == 0, output
    assert nas.everywhere() == {leaf_of(new)}
    assert nas.is_clean()


def test_a_failure_after_a_killed_run_brings_the_original_back(nas: Nas, secret: Secret, ca: Issuer) -> None:
    nas.dsm.switch(no_reload=True)
    secret.put_pair(issue(NAMES, issuer=ca))
    nas.serve(secret)
    old = nas.old()
    original = nas.replace_program("synow3tool", KILL)
    for _ in range(2):  # at the second time what is archived is not the original pair
        assert nas.run()[0] == -signal.SIGKILL
    assert nas.copies() != {leaf_of(old)}
    original.replace(nas.dsm.program("synow3tool"))
    nas.dsm.switch(fail_reload=True)

    code, output = nas.run()

    assert code == 41, output
    assert nas.old() == old
    assert nas.everywhere() == {leaf_of(old)}
    assert nas.is_clean()


# What it is made of


def test_it_imports_the_standard_library_only() -> None:
    """Every run above is under -I -S; this sees the lines that none of them reached."""
    found = set[str]()
    for path in (PROJECT / "synology_agent").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 8))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add((node.module or "").partition(".")[0])
    assert {"ssl", "json", "urllib"} <= found
    assert found <= sys.stdlib_module_names


def test_every_module_that_a_run_loads_is_pythons_own(nas: Nas, secret: Secret, dsm_python: Path) -> None:
    nas.serve(secret)
    secret.put(EMPTY)
    agent = nas.home / "synology-agent.pyz"
    script = (
        "import runpy, sys\n"
        f"sys.argv = [{str(agent)!r}, '--root', {str(nas.dsm.root)!r}]\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as ended:\n    print(ended.code)\n"
        "for module in list(sys.modules.values()):\n    print(getattr(module, '__file__', None) or '')\n"
        "import os; print(os.path.dirname(os.__file__))\n"
    )
    done = subprocess.run(
        [dsm_python, "-I", "-S", "-c", script], capture_output=True, text=True, check=True, env={**os.environ}
    )
    _, code, *files, library = done.stdout.splitlines()
    assert code == "10"
    loaded = [file for file in files if file]
    assert f"{agent}/synology_agent/run.py" in loaded
    assert all(file.startswith((f"{library}/", f"{agent}/")) for file in loaded)
    assert not any("site-packages" in file for file in loaded)
