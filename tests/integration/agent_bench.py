"""The agent on a simulated NAS: with real signatures to the local AWS and a real nginx."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infrastructure.policies import nas_policy
from local_cloud.counting_proxy import CountingProxy
from local_cloud.dsm import SimulatedDsm
from local_cloud.dsm.issuing import Issuer
from local_cloud.dsm.tree import Json, Pair, leaf_file
from local_cloud.ministack.server import Credentials, LocalAws
from synology_agent.certificates import read_pem
from synology_agent.cli import main
from synology_agent.tls import served_fingerprint
from tests.agent_documents import document_of

NAMES = ["example.com", "*.example.com"]
NAVIDROME, BLOG = "navidrome.example.com", "blog.other.test"
HOME = "volume1/@synology-https"
NAMESPACE = "synology-https/test/nas"
# What the simulated programs write at each call.
NOT_COMPARED = ("var", "run", HOME)


class Secret:
    """A secret as the stack makes it, with the IAM user that may read it.

    Attributes:
        key_lines: a line of each private key that was in it.
    """

    def __init__(self, aws: LocalAws) -> None:
        self._client = aws.client("secretsmanager")
        name = f"synology-https/test/certificate/{uuid.uuid4()}"
        self.arn: str = self._client.create_secret(Name=name)["ARN"]
        policy = nas_policy(certificate_arns=[self.arn], metric_namespace=NAMESPACE)
        self.user = f"nas-{uuid.uuid4()}"
        self.credentials = aws.user(self.user, policy)
        self.key_lines = set[str]()

    def put(self, document: str) -> str:
        """Store a document as AWSCURRENT and return its VersionId."""
        return str(self._client.put_secret_value(SecretId=self.arn, SecretString=document)["VersionId"])

    def current(self) -> str:
        """Return the document that is AWSCURRENT."""
        return str(self._client.get_secret_value(SecretId=self.arn)["SecretString"])

    def put_pair(self, pair: Pair, **changes: Any) -> str:
        """Store a certificate as the renewer does; `changes` replace fields of the document."""
        self.key_lines.add(pair.key.decode().splitlines()[1])
        return self.put(document_of(pair, **changes))


class Nas:
    """The agent in its folder on a simulated NAS.

    Attributes:
        proxy: counts the calls to AWS.
    """

    def __init__(self, dsm: SimulatedDsm, root_ca: Issuer, proxy: CountingProxy, agent: Path) -> None:
        self.dsm, self.proxy = dsm, proxy
        self._secrets: list[Secret] = []
        self._secret_keys = set[str]()
        self.home = dsm.root / HOME
        self.home.mkdir(parents=True)
        self.agent = Path(shutil.copy(agent, self.home))
        self.config = self.home / "config.json"
        self._ca_file = self.home / "ca.pem"
        self._ca_file.write_bytes(root_ca.certificate)

    def configure(self, *certificates: Mapping[str, Any], credentials: Credentials, **fields: Any) -> None:
        """Write the config, 0600."""
        written = {
            "region": "eu-central-1",
            "access_key_id": credentials.access_key,
            "secret_access_key": credentials.secret_key,
            "endpoint": self.proxy.endpoint,
            "ca_file": str(self._ca_file),
            "certificates": certificates,
            **fields,
        }
        self.config.touch(mode=0o600)
        self.config.write_text(json.dumps(written))
        self._secret_keys.add(credentials.secret_key)

    def serve(self, secret: Secret, entry: str | None = None, **fields: Any) -> None:
        """Configure one certificate, of the recipe's entry unless another is given."""
        self.configure(self.wanted(secret, entry, **fields), credentials=secret.credentials)

    def wanted(
        self, secret: Secret, entry: str | None = None, names: Sequence[str] = NAMES, **fields: Any
    ) -> dict[str, Any]:
        """Return one certificate of the config."""
        self._secrets.append(secret)
        entry = entry or self.dsm.recipe_id or "example.com"
        return {"secret": secret.arn, "entry": entry, "names": [*names], **fields}

    def run(self, *command: str) -> tuple[int, str]:
        """Run the agent in this process; return the exit code and what was printed, which holds no secret."""
        words = [
            *(command or ("run", "--verbose")),
            "--config",
            str(self.config),
            "--root",
            str(self.dsm.root),
        ]
        with contextlib.redirect_stdout(io.StringIO()) as output, contextlib.redirect_stderr(output):
            code = main([*words, "--root", str(self.dsm.root)])
        return code, self._without_secrets(output.getvalue())

    def start(self, python: Path | str, *command: str) -> subprocess.Popen[str]:
        """Start the one file that stands on the NAS, as Task Scheduler would."""
        return subprocess.Popen(
            [python, "-I", "-S", self.agent, *command, "--root", self.dsm.root],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            cwd="/",
        )

    def run_file(self, python: Path | str, *command: str) -> tuple[int, str]:
        """Run the one file to its end; as `run`."""
        with self.start(python, *(command or ("run", "--verbose"))) as process:
            output = process.communicate(timeout=60)[0]
        return process.returncode, self._without_secrets(output)

    def _without_secrets(self, output: str) -> str:
        assert "PRIVATE KEY" not in output
        assert "Traceback" not in output
        assert "a fault of the agent itself" not in output
        for text in self._secret_keys.union(
            key_lines(self.dsm.root), *(secret.key_lines for secret in self._secrets)
        ):
            assert text not in output
        return output

    def entry(self, description: str = "example.com") -> str:
        """Return the id of the only entry of this description."""
        (found,) = [key for key, entry in self.dsm.tree.info().items() if entry["desc"] == description]
        return found

    def services(self, entry_id: str) -> list[str]:
        """Return the services that an entry serves."""
        return sorted(map(key_of, self.dsm.tree.info()[entry_id]["services"]))

    def owner(self, service: str) -> str | None:
        """Return the id of the entry that a service is bound to."""
        subscriber, _, name = service.partition("/")
        return self.dsm.tree.owner_of(subscriber, name)

    def copies(self, entry_id: str | None = None) -> set[str]:
        """Return the fingerprints of the entry's archive folder and of its services' copies."""
        tree, entry_id = self.dsm.tree, entry_id or self.dsm.recipe_id or self.entry()
        folders = [tree.copy_folder(service) for service in tree.info()[entry_id]["services"]]
        return {
            read_pem(leaf_file(folder).read_text())[0].fingerprint
            for folder in [*folders, tree.archive / entry_id]
        }

    def served(self) -> set[str | None]:
        """Return the fingerprints at DSM's page and at the reverse proxy of our domain."""
        ports = [(self.dsm.https_port, "example.com"), (self.dsm.proxy_ports[NAVIDROME], NAVIDROME)]
        return {served_fingerprint(port, name) for port, name in ports}

    def blog(self) -> str | None:
        """Return the fingerprint at the reverse proxy that is not ours."""
        return served_fingerprint(self.dsm.proxy_ports[BLOG], BLOG)

    def everywhere(self) -> set[str | None]:
        """Return every fingerprint of the entry's copies and ports."""
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
        """Return the files of this name in the agent's state."""
        return sorted(self.home.glob(f"state/*/{name}"))

    def is_clean(self) -> bool:
        """Tell whether no staged pair and no unfinished install is left."""
        return not self.state("staging") and not self.state("backups/unfinished")

    def replace_program(self, name: str, script: str) -> Path:
        """Put a shell script before a program of DSM's; return where that one went."""
        program = self.dsm.program(name)
        original = program.with_name(f"{name}.real")
        program.rename(original)
        program.write_text(f'#!/bin/sh\nreal="$0.real"\n{script}\n')
        program.chmod(0o755)
        return original


def key_of(service: Json) -> str:
    """Return a service's key as the agent writes it."""
    return f"{service['subscriber']}/{service['service']}"


def key_lines(root: Path) -> set[str]:
    """Return a line of each private key below `root`."""
    return {path.read_text().splitlines()[1] for path in root.rglob("*privkey.pem")}
