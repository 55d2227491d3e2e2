"""Set-up against a simulated DSM behind a real OpenSSH server, with a sudo that behaves as DSM's."""

from __future__ import annotations

import contextlib
import functools
import getpass
import io
import json
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from local_cloud.dsm import SimulatedDsm
from local_cloud.dsm.issuing import Issuer
from local_cloud.dsm.tree import Json, Pair
from local_cloud.ministack.server import REGION, LocalAws
from local_cloud.processes import LOOPBACK
from local_cloud.ssh_server import SimulatedSudo, SshServer
from synology_agent.tls import served_fingerprint
from synology_setup.command_line import main
from synology_setup.remote import Secret
from synology_setup.screen import Screen
from tests.integration.agent_bench import HOME, NAMES, NAMESPACE, NAVIDROME
from tests.integration.agent_bench import Secret as StoredSecret

PASSWORD = "correct horse"
CERTIFICATE = "example.com"
BY_CLOCK, AT_BOOT = "synology-https", "synology-https at boot-up"
OLD_TASK = "Renew certificate"


class Person(Screen):
    """The person at the terminal: what is asked is remembered, and answered as prepared.

    Attributes:
        output: what was shown.
        asked: the questions so far.
        passwords: what is typed where a password is asked for, in order; the last is typed again and again.
        refuses: parts of the questions that are answered with no; all others with yes.
    """

    def __init__(self, *passwords: str, refuses: tuple[str, ...] = ()) -> None:
        self.output = io.StringIO()
        super().__init__(Console(file=self.output, width=200, highlight=False, soft_wrap=True))
        self.asked: list[str] = []
        self.passwords = list(passwords or (PASSWORD,))
        self.refuses = refuses

    def ask_secret(self, prompt: str) -> Secret:
        self.asked.append(prompt)
        return Secret(self.passwords.pop(0) if len(self.passwords) > 1 else self.passwords[0])

    def confirm(self, text: str) -> bool:
        return self.agree(text)

    def agree(self, text: str) -> bool:
        self.asked.append(text)
        return not any(part in text for part in self.refuses)

    @property
    def said(self) -> str:
        return self.output.getvalue()


@dataclass
class Bench:
    """A NAS to be set up, and the operator's machine."""

    dsm: SimulatedDsm
    server: SshServer
    sudo: SimulatedSudo
    secret: StoredSecret
    root_ca: Issuer
    aws: LocalAws
    folder: Path
    account: str = field(default_factory=getpass.getuser)
    secrets_seen: set[str] = field(default_factory=set)

    @functools.cached_property
    def iam(self) -> Any:
        """IAM, as root."""
        return self.aws.client("iam")

    @property
    def home(self) -> Path:
        """The agent's folder on the NAS."""
        return self.dsm.root / HOME

    @property
    def config(self) -> Json:
        """The agent's config, with its secrets."""
        found: Json = json.loads((self.home / "config.json").read_text())
        return found

    def run(
        self,
        *words: str,
        person: Person | None = None,
        port: int | None = None,
        outputs: Path | None = None,
        code: int = 0,
    ) -> str:
        """Run a command of set-up; return what the person saw, which holds no secret."""
        person = person or Person()
        command, *rest = words
        arguments = [
            command,
            self.target(port),
            "--outputs",
            str(outputs or self.outputs()),
            "--root",
            str(self.dsm.root),
        ]
        found = main([*arguments, "-i", str(self.folder / "id"), *rest], person)
        self._check_secrecy(person.said)
        assert found == code, person.said
        return person.said

    def target(self, port: int | None = None) -> str:
        """Return the NAS as set-up's command line names it."""
        return f"{self.account}@{LOOPBACK}:{port or self.server.port}"

    def install(self, *words: str, **options: Any) -> str:
        """Run `install` as a private authority's user does."""
        roots = self.folder / "roots.pem"
        roots.write_bytes(self.root_ca.certificate)
        return self.run(
            "install", "--ca-file", str(roots), "--endpoint", self.aws.endpoint, *words, **options
        )

    def renew_stack(self, pair: Pair) -> None:
        """Let the stack be another one with another secret, as after destroy and up."""
        self.secret = StoredSecret(self.aws)
        credentials = self.secret.credentials
        self.iam.delete_access_key(UserName=self.secret.user, AccessKeyId=credentials.access_key)
        self.secret.put_pair(pair)

    def access_keys(self) -> list[str]:
        """Return the ids of the user's access keys in IAM."""
        listed = self.iam.list_access_keys(UserName=self.secret.user)["AccessKeyMetadata"]
        return sorted(key["AccessKeyId"] for key in listed)

    def descriptions(self) -> dict[str, str]:
        """Return what IAM keeps of the keys."""
        tags = self.iam.list_user_tags(UserName=self.secret.user)["Tags"]
        return {tag["Key"]: tag["Value"] for tag in tags}

    def run_task(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a task's script as DSM does."""
        (task,) = [one for one in self.dsm.tasks() if one["name"] == name]
        script = task["script"].replace("sleep 120; ", "")
        return subprocess.run(
            ["/bin/sh", "-c", script],
            env={"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )

    def files(self) -> dict[str, bytes]:
        """Return what the NAS's files hold, without logs, locks and how the last run ended."""
        names = {path: path.relative_to(self.dsm.root).as_posix() for path in self.dsm.root.rglob("*")}
        return {
            name: path.read_bytes()
            for path, name in names.items()
            if path.is_file()
            and not name.startswith(("var/", "run/"))
            and not name.endswith(("lock", "last-run.json"))
        }

    def outputs(self) -> Path:
        """Return the file with the stack's outputs."""
        file = self.folder / "outputs.json"
        config = {
            "region": REGION,
            "metric_namespace": NAMESPACE,
            "certificates": [
                {
                    "secret": self.secret.arn,
                    "entry": CERTIFICATE,
                    "names": ["synology.example.com", NAVIDROME],
                    "assign": "auto",
                }
            ],
        }
        nas = {
            "user": self.secret.user,
            "url": "https://synology.example.com:5001",
            "agent_config": config,
        }
        request = {"secret": self.secret.arn, "domains": NAMES}
        outputs = {
            "region": REGION,
            "renewer": "renewer",
            "certificates": {CERTIFICATE: {"request": request}},
            "nas": {"synology": nas},
        }
        file.write_text(json.dumps(outputs))
        return file

    def leave_recipe(self) -> None:
        """Put there what the blog recipe leaves: a task, its scripts, and AWS keys in one of them."""
        folder = self.dsm.root / "root/letsencrypt"
        folder.mkdir(parents=True)
        (folder / "lego-renew.sh").write_text("#!/bin/sh\n. /root/letsencrypt/config.sh\nlego renew\n")
        (folder / "config.sh").write_text(
            "export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE\n"
            "export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG\n"
        )
        self.add_task("Renew certificate", "bash /root/letsencrypt/lego-renew.sh")

    def add_task(self, name: str, script: str) -> None:
        """Make a task by the clock, as a person does in Control Panel."""
        schedule = {
            "date_type": 0,
            "week_day": "0,1,2,3,4,5,6",
            "hour": 3,
            "minute": 0,
            "repeat_hour": 0,
            "repeat_min": 0,
            "last_work_hour": 0,
        }
        extra = {"script": script, "notify_enable": False, "notify_mail": "", "notify_if_error": False}
        values = {
            "name": name,
            "owner": "root",
            "real_owner": "root",
            "enable": True,
            "type": "script",
            "schedule": schedule,
            "extra": extra,
        }
        api(self, "SYNO.Core.TaskScheduler.Root", "create", 4, **values)

    def _check_secrecy(self, said: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.secrets_seen.add(self.config["secret_access_key"])
        for secret in {*self.secrets_seen, PASSWORD, "wJalrXUtnFEMI"}:
            assert secret not in said
            assert secret not in self.server.log.read_text()
        assert not any(PASSWORD in " ".join(call) for call in self.sudo.calls)


def fingerprint(bench: Bench) -> str:
    return str(json.loads(bench.secret.current())["fingerprint_sha256"])


def served(bench: Bench) -> set[str | None]:
    pages = [(bench.dsm.https_port, "synology.example.com"), (bench.dsm.proxy_ports[NAVIDROME], NAVIDROME)]
    return {served_fingerprint(port, name) for port, name in pages}


def tasks(bench: Bench) -> dict[str, dict[str, Any]]:
    return {task["name"]: task for task in bench.dsm.tasks()}


def is_installed(bench: Bench) -> None:
    """The NAS serves the certificate, and nothing is there twice or left half-way."""
    assert served(bench) == {fingerprint(bench)}
    key_id = bench.config["access_key_id"]
    assert bench.access_keys() == [key_id]
    assert bench.descriptions()[key_id].startswith("synology-https on ")
    assert stat.S_IMODE((bench.home / "config.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(bench.home.stat().st_mode) == 0o700
    assert not [path for path in bench.home.rglob("*") if path.name.endswith(".part")]
    ours = [task for task in bench.dsm.tasks() if "synology-agent.pyz" in task["script"]]
    assert sorted(task["name"] for task in ours) == [BY_CLOCK, AT_BOOT]
    assert all(task["enable"] for task in ours)
    for task in ours:
        done = bench.run_task(task["name"])
        assert (done.returncode, done.stderr) == (0, "")
        assert "nothing to do" in done.stdout


def api(bench: Bench, name: str, method: str, version: int, /, **values: Any) -> None:
    words = [f"api={name}", f"method={method}", f"version={version}"]
    words += [f"{key}={json.dumps(value)}" for key, value in values.items()]
    answer = subprocess.run(
        [bench.dsm.program("synowebapi"), "--exec-fastwebapi", *words], capture_output=True, check=True
    )
    assert json.loads(answer.stdout)["success"] is True
