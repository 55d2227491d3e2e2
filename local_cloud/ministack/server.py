"""Run the local AWS in its own environment, and hand out clients that can reach nothing else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import boto3
import botocore.session
import psutil
from botocore.config import Config

from local_cloud.environments import provide_environment
from local_cloud.processes import LOOPBACK, Service, ServiceError, Startable, accepts_connections, free_port

REGION = "eu-central-1"
_HERE = Path(__file__).resolve().parent
_REQUIREMENTS = _HERE / "requirements.txt"
_LAUNCHER = _HERE / "launcher.py"
_START_SECONDS = 60  # it takes 0.3 s; a busy machine needs longer
_LAMBDA_SECONDS = (
    900  # a Lambda's longest run: docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
)


class Credentials(NamedTuple):
    """What signs a request; `client(service, *credentials)` uses it."""

    access_key: str
    secret_key: str


ROOT = Credentials("test", "test")


class LocalAws(Startable):
    """MiniStack on 127.0.0.1, strict as AWS, with everything it writes under `build_dir`.

    Example:
        with LocalAws(Path("build")) as aws:
            aws.client("route53").create_hosted_zone(Name="example.com", CallerReference="1")
    """

    def __init__(self, build_dir: Path, environment: Mapping[str, str] | None = None) -> None:
        """Describe the local AWS; `start` starts it.

        Args:
            build_dir: where its environment is, and everything that it writes.
            environment: what it and its Lambdas see besides.
        """
        self._build = build_dir.resolve()
        self._environment = dict(environment or {})
        self._venv = self._build / "ministack-venv"
        self.python = self._venv / "bin" / "python"  # the interpreter of the Lambdas, too
        self._port = 0
        self._service: Service | None = None

    @property
    def site_packages(self) -> Path:
        """Where the environment's packages are; boto3 is among them, as in Lambda's runtime."""
        return next(self._venv.glob("lib/python*/site-packages"))

    def prepare(self) -> None:
        """Make MiniStack's environment, unless it is there for these requirements and this Python.

        Raises:
            ServiceError: the environment could not be made; the text ends with what pip said.
        """
        provide_environment(self._venv, _REQUIREMENTS)

    def start(self) -> Self:
        """Prepare the environment if needed, and start on a free port.

        Raises:
            ServiceError: it did not start; the text ends with its log.
        """
        self.prepare()
        self._drop_leftovers()
        self._port = free_port()
        state = self._state
        for folder in ("home", "tmp", "data"):
            (state / folder).mkdir(parents=True, exist_ok=True)
        self._service = Service(
            "local AWS",
            [self.python, "-B", _LAUNCHER],
            log=state.with_suffix(".log"),
            env={**_environment(self._venv, state, self._port), **self._environment},
            cwd=state,
        )
        self._service.start(ready=lambda: accepts_connections(self._port), seconds=_START_SECONDS)
        return self

    def stop(self) -> None:
        """End MiniStack and its Lambdas, and drop what they kept. A later start drops the log, too."""
        if self._service is None:
            return
        self._service.stop()
        self._service = None
        shutil.rmtree(self._state, ignore_errors=True)

    @property
    def endpoint(self) -> str:
        """The URL of every AWS service.

        Raises:
            ServiceError: it is not started.
        """
        if self._service is None:
            raise ServiceError("the local AWS is not started")
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def pid(self) -> int:
        """The process id, which is also the group of its Lambdas.

        Raises:
            ServiceError: it is not started.
        """
        if self._service is None:
            raise ServiceError("the local AWS is not started")
        return self._service.pid

    def client(
        self,
        service: str,
        access_key: str | None = None,
        secret_key: str | None = None,
        session_token: str | None = None,
        region: str = REGION,
    ) -> Any:
        """Return a boto3 client of the local AWS; the account's root where no key is given.

        Nothing of the machine is read: no AWS_* profile or key, no ~/.aws, no proxy.
        """
        unconfigured = botocore.session.Session(
            session_vars={
                "profile": (None, None, None, None),
                "config_file": (None, None, os.devnull, None),
                "credentials_file": (None, None, os.devnull, None),
                "ca_bundle": (None, None, None, None),
            }
        )
        return boto3.Session(
            botocore_session=unconfigured,
            aws_access_key_id=access_key or ROOT.access_key,
            aws_secret_access_key=secret_key or ROOT.secret_key,
            aws_session_token=session_token,
            region_name=region,
        ).client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.endpoint,
            use_ssl=False,
            config=Config(
                proxies={},
                retries={"mode": "standard", "total_max_attempts": 1},
                read_timeout=_LAMBDA_SECONDS,
                use_fips_endpoint=False,
                use_dualstack_endpoint=False,
            ),
        )

    def operator_environment(self) -> dict[str, str]:
        """Return the variables that let a program be the account's operator here, as those of `pulumi up`."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ROOT.access_key,
            "AWS_SECRET_ACCESS_KEY": ROOT.secret_key,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def user(self, name: str, policy: dict[str, Any]) -> Credentials:
        """Make an IAM user whose only policy is `policy`, and return its access key."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="policy", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Credentials(key["AccessKeyId"], key["SecretAccessKey"])

    def _drop_leftovers(self) -> None:
        """Drop logs and state of processes that have ended, also of those that were killed."""
        for path in (self._build / "ministack").glob("[0-9]*"):
            if psutil.pid_exists(int(path.stem.split("-")[0])):
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    @property
    def _state(self) -> Path:
        return self._build / "ministack" / f"{os.getpid()}-{self._port}"


def _environment(venv: Path, state: Path, port: int) -> dict[str, str]:
    """All that MiniStack and, through it, the Lambdas see of this machine."""
    return {
        "PATH": f"{venv / 'bin'}{os.pathsep}{os.defpath}",
        "HOME": str(state / "home"),
        "TMPDIR": str(state / "tmp"),
        "LANG": "C.UTF-8",
        "AUTH": "true",
        "BIND_HOST": LOOPBACK,
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "PERSIST_STATE": "0",
        "S3_PERSIST": "0",
        "STATE_DIR": str(state / "data"),
        "S3_DATA_DIR": str(state / "data" / "s3"),
        "LAMBDA_EXECUTOR": "local",
        "DOCKER_HOST": f"unix://{state / 'no-docker'}",  # at its start MiniStack ends containers it finds
        "AWS_EC2_METADATA_DISABLED": "true",
    }
