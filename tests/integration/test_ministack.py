"""The local AWS checks signatures, listens on loopback only, and starts with all its rules or not at all."""

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from local_cloud.ministack.server import LocalAws
from local_cloud.processes import free_port
from tests.integration.aws_refusals import ANY, allow, refused, unique


def test_wrong_secret_is_refused(local_aws: LocalAws) -> None:
    key = local_aws.user(unique("signer"), allow("secretsmanager:ListSecrets", ANY))
    local_aws.client("secretsmanager", *key).list_secrets()
    forged = local_aws.client("secretsmanager", key.access_key, "x" * 40)
    refused("InvalidSignatureException", "does not match", forged.list_secrets)


def test_client_ignores_the_machines_own_configuration(
    local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nendpoint_url = http://192.0.2.1\nregion = us-gov-west-1\n")
    for name, value in {
        "AWS_PROFILE": "somebody",
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(config),
        "AWS_ACCESS_KEY_ID": "AKIASOMEBODY",
        "AWS_SECRET_ACCESS_KEY": "somebody's",
        "AWS_SESSION_TOKEN": "somebody's",
        "AWS_ENDPOINT_URL": "http://192.0.2.1",
        "AWS_REGION": "us-gov-west-1",
        "AWS_CA_BUNDLE": str(config),
        "AWS_USE_FIPS_ENDPOINT": "true",
        "HTTP_PROXY": "http://192.0.2.1",
        "http_proxy": "http://192.0.2.1",
    }.items():
        monkeypatch.setenv(name, value)
    client = local_aws.client("sts")
    assert client.get_caller_identity()["Arn"].endswith(":root")
    assert client.meta.region_name == "eu-central-1"


PROBE = """
import os, sys, tempfile, boto3
def handler(event, context):
    return {"code": os.path.realpath(__file__), "tmp": os.path.realpath(tempfile.gettempdir()),
            "home": os.path.expanduser("~"), "endpoint": boto3.client("sts").meta.endpoint_url,
            "arn": boto3.client("sts").get_caller_identity()["Arn"], "packages": sys.prefix}
"""


@pytest.fixture(scope="module")
def probe(local_aws: LocalAws) -> dict[str, str]:
    """What a Lambda sees; its worker goes on running."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    role = local_aws.client("iam").create_role(RoleName="probe", AssumeRolePolicyDocument=json.dumps(trust))
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as bundle:
        bundle.writestr("probe.py", PROBE)
    functions = local_aws.client("lambda")
    functions.create_function(
        FunctionName="probe",
        Runtime="python3.13",
        Role=role["Role"]["Arn"],
        Handler="probe.handler",
        Code={"ZipFile": code.getvalue()},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName="probe", WaiterConfig={"Delay": 1})
    answer = functions.invoke(FunctionName="probe")
    seen: dict[str, str] = json.load(answer["Payload"])
    assert "FunctionError" not in answer, seen
    return seen


def test_lambda_stays_below_the_build_folder(local_aws: LocalAws, probe: dict[str, str]) -> None:
    build = Path(__file__).resolve().parents[2] / "build"
    for place in ("code", "tmp", "home", "packages"):
        assert Path(probe[place]).is_relative_to(build), place
    assert probe["endpoint"] == local_aws.endpoint
    assert ":assumed-role/probe/" in probe["arn"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.usefixtures("probe")
def test_nothing_listens_but_on_loopback(local_aws: LocalAws) -> None:
    group = [
        process
        for process in Path("/proc").iterdir()
        if process.name.isdigit() and _group_of(int(process.name)) == local_aws.pid
    ]
    assert len(group) > 1, "the Lambda's worker is one of them"
    port = int(local_aws.endpoint.rpartition(":")[2])
    assert set(_listening(group)) == {("0100007F", port)}


def _group_of(process: int) -> int | None:
    try:
        return os.getpgid(process)
    except ProcessLookupError:
        return None


def _listening(processes: Sequence[Path]) -> Iterator[tuple[str, int]]:
    """The (address as the kernel writes it, port) of each TCP socket on which one of `processes` listens."""
    inodes = {
        match[1]
        for process in processes
        for descriptor in (process / "fd").iterdir()
        if (match := re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink())))
    }
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and rest[5] in inodes:
                address, _, port = local.partition(":")
                yield address, int(port, 16)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (
            "import ministack.services.route53 as m; del m._change_resource_record_sets",
            "rule records_stay_in_their_zone: "
            "ministack.services.route53._change_resource_record_sets is gone",
        ),
        (
            "import ministack.services.secretsmanager as m; del m._find_stage_version",
            "ministack.services.secretsmanager._find_stage_version is gone",
        ),
        (
            "import ministack.core.iam_actions as m; m.request_tag_context = lambda service, params: {}",
            "ministack.core.iam_actions.request_tag_context now takes (service, params)",
        ),
        (
            "import ministack.services.iam as m; del m._IAM_HANDLERS['CreateAccessKey']",
            "ministack.services.iam._IAM_HANDLERS.CreateAccessKey is gone",
        ),
    ],
)
def test_launcher_refuses_when_what_a_rule_changes_is_gone(
    local_aws: LocalAws, tmp_path: Path, spoil: str, complaint: str
) -> None:
    launcher = Path(__file__).resolve().parents[2] / "local_cloud" / "ministack" / "launcher.py"
    run = f"{spoil}; import runpy; runpy.run_path({str(launcher)!r}, run_name='__main__')"
    done = subprocess.run(
        [local_aws.python, "-B", "-c", run],
        env={"PATH": os.defpath, "TMPDIR": str(tmp_path), "GATEWAY_PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("The local AWS does not start: rule ")
    assert complaint in done.stderr
