"""The local AWS keeps AWS's rules, so that no test of ours is green for the emulator's reason."""

import functools
import io
import json
import os
import re
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_cloud.ministack.server import Credentials, LocalAws
from local_cloud.processes import free_port

ANY = "*"


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def allow(action: str | Sequence[str], resource: str, **condition: Any) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": action, "Resource": resource}
    if condition:
        statement["Condition"] = condition
    return {"Version": "2012-10-17", "Statement": [statement]}


def refused(code: str, text: str, call: Callable[..., Any], **arguments: Any) -> None:
    with pytest.raises(ClientError, match=re.escape(text)) as failure:
        call(**arguments)
    assert failure.value.response["Error"]["Code"] == code


def denied(call: Callable[..., Any], **arguments: Any) -> None:
    with pytest.raises(ClientError, match="is not authorized to perform") as failure:
        call(**arguments)
    assert failure.value.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}


# --- Who may listen, and who may ask ---------------------------------------------------------------------


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


# --- Secrets Manager -------------------------------------------------------------------------------------


@pytest.fixture
def secrets(local_aws: LocalAws) -> Any:
    return local_aws.client("secretsmanager")


@pytest.fixture
def empty(secrets: Any) -> str:
    """A secret that never had a value, as the stack makes it."""
    return str(secrets.create_secret(Name=unique("empty"))["ARN"])


@pytest.fixture
def secret(secrets: Any) -> str:
    """A secret whose AWSCURRENT is `first`."""
    return str(secrets.create_secret(Name=unique("secret"), SecretString="first")["ARN"])


def labels(secrets: Any, secret: str) -> dict[str, str]:
    """Each label and the version that carries it."""
    by_version = secrets.describe_secret(SecretId=secret).get("VersionIdsToStages", {})
    pairs = [(label, version) for version, stages in by_version.items() for label in stages]
    assert len(pairs) == len(dict(pairs)), "a label is on one version at a time"
    return dict(pairs)


def token() -> str:
    return str(uuid.uuid4())


def test_secret_without_value_has_no_version(secrets: Any) -> None:
    name = unique("empty")
    assert "VersionId" not in secrets.create_secret(Name=name)
    assert "VersionIdsToStages" not in secrets.describe_secret(SecretId=name)
    assert secrets.list_secret_version_ids(SecretId=name, IncludeDeprecated=True)["Versions"] == []
    refused("ResourceNotFoundException", "AWSCURRENT", secrets.get_secret_value, SecretId=name)


def test_first_put_becomes_current_whatever_label_is_asked(secrets: Any, empty: str) -> None:
    put = secrets.put_secret_value(SecretId=empty, SecretString="a", VersionStages=["AWSPENDING"])
    assert sorted(put["VersionStages"]) == ["AWSCURRENT", "AWSPENDING"]
    assert secrets.get_secret_value(SecretId=empty)["SecretString"] == "a"


def test_second_put_keeps_to_the_label_asked(secrets: Any, secret: str) -> None:
    secrets.put_secret_value(SecretId=secret, SecretString="b", VersionStages=["AWSPENDING"])
    assert secrets.get_secret_value(SecretId=secret)["SecretString"] == "first"
    pending = secrets.get_secret_value(SecretId=secret, VersionStage="AWSPENDING")
    assert pending["SecretString"] == "b"


def test_token_becomes_the_version(secrets: Any) -> None:
    name, first = unique("secret"), token()
    made = secrets.create_secret(Name=name, SecretString="a", ClientRequestToken=first)
    assert made["VersionId"] == first
    again = secrets.create_secret(Name=name, SecretString="a", ClientRequestToken=first)
    assert (again["ARN"], again["VersionId"]) == (made["ARN"], first)
    refused(
        "ResourceExistsException",
        "already exists",
        secrets.create_secret,
        Name=name,
        SecretString="b",
        ClientRequestToken=first,
    )


def test_token_with_another_value_is_refused(secrets: Any, secret: str) -> None:
    used = token()
    secrets.put_secret_value(SecretId=secret, SecretString="mine", ClientRequestToken=used)
    refused(
        "ResourceExistsException",
        "ClientRequestToken",
        secrets.put_secret_value,
        SecretId=secret,
        SecretString="theirs",
        ClientRequestToken=used,
    )
    assert secrets.get_secret_value(SecretId=secret)["SecretString"] == "mine"


def test_token_with_the_same_value_moves_no_label(secrets: Any, secret: str) -> None:
    used = token()
    secrets.put_secret_value(SecretId=secret, SecretString="b", ClientRequestToken=used)
    secrets.put_secret_value(SecretId=secret, SecretString="c")
    before = labels(secrets, secret)
    again = secrets.put_secret_value(SecretId=secret, SecretString="b", ClientRequestToken=used)
    assert again["VersionId"] == used
    assert labels(secrets, secret) == before


@pytest.mark.parametrize("label", ["AWSPENDING", "AWSCURRENT"])
def test_token_is_still_taken_when_its_version_lost_all_labels(secrets: Any, secret: str, label: str) -> None:
    put = functools.partial(secrets.put_secret_value, SecretId=secret, VersionStages=[label])
    used = token()
    put(SecretString="b", ClientRequestToken=used)
    for value in ("c", "d"):
        put(SecretString=value)
    refused("ResourceExistsException", "ClientRequestToken", put, SecretString="z", ClientRequestToken=used)
    assert used not in labels(secrets, secret).values()
    assert secrets.get_secret_value(SecretId=secret, VersionId=used)["SecretString"] == "b"


def test_of_writers_with_one_token_exactly_one_wins(secrets: Any, secret: str) -> None:
    put = functools.partial(secrets.put_secret_value, SecretId=secret, ClientRequestToken=token())

    def won(writer: int) -> bool:
        try:
            put(SecretString=str(writer))
        except secrets.exceptions.ResourceExistsException:
            return False
        return True

    with ThreadPoolExecutor(8) as writers:
        outcome = list(writers.map(won, range(8)))
    assert outcome.count(True) == 1
    assert secrets.get_secret_value(SecretId=secret)["SecretString"] == str(outcome.index(True))


def test_label_moves_to_the_version_put_last(secrets: Any, secret: str) -> None:
    for value in ("b", "c"):
        put = secrets.put_secret_value(SecretId=secret, SecretString=value, VersionStages=["AWSPENDING"])
    assert labels(secrets, secret)["AWSPENDING"] == put["VersionId"]
    listed = secrets.list_secret_version_ids(SecretId=secret)["Versions"]
    assert all(version["VersionStages"] for version in listed)
    everything = secrets.list_secret_version_ids(SecretId=secret, IncludeDeprecated=True)["Versions"]
    assert len(everything) == len(listed) + 1


def test_put_with_both_labels_has_both(secrets: Any, secret: str) -> None:
    old = labels(secrets, secret)["AWSCURRENT"]
    secrets.put_secret_value(SecretId=secret, SecretString="b", VersionStages=["AWSPENDING"])
    put = secrets.put_secret_value(
        SecretId=secret, SecretString="c", VersionStages=["AWSCURRENT", "AWSPENDING"]
    )
    new = put["VersionId"]
    assert sorted(put["VersionStages"]) == ["AWSCURRENT", "AWSPENDING"]
    assert labels(secrets, secret) == {"AWSCURRENT": new, "AWSPENDING": new, "AWSPREVIOUS": old}


def test_put_of_current_leaves_pending_alone(secrets: Any, secret: str) -> None:
    pending = secrets.put_secret_value(SecretId=secret, SecretString="b", VersionStages=["AWSPENDING"])
    current = secrets.put_secret_value(SecretId=secret, SecretString="c")
    held = labels(secrets, secret)
    assert (held["AWSPENDING"], held["AWSCURRENT"]) == (pending["VersionId"], current["VersionId"])


def test_update_makes_a_version_by_the_same_rules(secrets: Any, secret: str) -> None:
    old, used = labels(secrets, secret)["AWSCURRENT"], token()
    update = {"SecretId": secret, "SecretString": "b", "ClientRequestToken": used}
    assert secrets.update_secret(**update, Description="new")["VersionId"] == used
    assert labels(secrets, secret) == {"AWSCURRENT": used, "AWSPREVIOUS": old}
    assert secrets.describe_secret(SecretId=secret)["Description"] == "new"
    refused("ResourceExistsException", "ClientRequestToken", secrets.update_secret, **update)


def test_name_scheduled_for_deletion_is_taken(secrets: Any) -> None:
    name = unique("leaving")
    secrets.create_secret(Name=name, SecretString="a")
    secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    create = secrets.create_secret
    refused("InvalidRequestException", "already scheduled for deletion", create, Name=name)
    refused("InvalidRequestException", "deletion", secrets.put_secret_value, SecretId=name, SecretString="b")
    secrets.restore_secret(SecretId=name)
    refused("ResourceExistsException", "already exists", create, Name=name, SecretString="b")


def test_stage_and_version_must_agree(secrets: Any, secret: str) -> None:
    pending = secrets.put_secret_value(SecretId=secret, SecretString="b", VersionStages=["AWSPENDING"])
    both = {"SecretId": secret, "VersionId": pending["VersionId"]}
    assert secrets.get_secret_value(**both, VersionStage="AWSPENDING")["SecretString"] == "b"
    refused(
        "InvalidRequestException",
        "not associated",
        secrets.get_secret_value,
        **both,
        VersionStage="AWSCURRENT",
    )


def test_reader_of_current_reads_nothing_else(local_aws: LocalAws, secrets: Any, secret: str) -> None:
    current = labels(secrets, secret)["AWSCURRENT"]
    pending = secrets.put_secret_value(SecretId=secret, SecretString="b", VersionStages=["AWSPENDING"])
    policy = allow(
        "secretsmanager:GetSecretValue",
        secret,
        StringEquals={"secretsmanager:VersionStage": "AWSCURRENT"},
    )
    reader = local_aws.client("secretsmanager", *local_aws.user(unique("reader"), policy))
    read = reader.get_secret_value
    assert read(SecretId=secret, VersionStage="AWSCURRENT")["SecretString"] == "first"
    denied(read, SecretId=secret, VersionStage="AWSPENDING")
    denied(read, SecretId=secret, VersionStage="AWSPREVIOUS")
    denied(read, SecretId=secret, VersionId=current)
    denied(read, SecretId=secret)
    refused(
        "InvalidRequestException",
        "not associated",
        read,
        SecretId=secret,
        VersionStage="AWSCURRENT",
        VersionId=pending["VersionId"],
    )
    denied(reader.describe_secret, SecretId=secret)


def test_reader_of_one_version_reads_no_other(local_aws: LocalAws, secrets: Any, secret: str) -> None:
    one = labels(secrets, secret)["AWSCURRENT"]
    other = secrets.put_secret_value(SecretId=secret, SecretString="b")["VersionId"]
    policy = allow("secretsmanager:GetSecretValue", secret, StringEquals={"secretsmanager:VersionId": one})
    reader = local_aws.client("secretsmanager", *local_aws.user(unique("reader"), policy))
    assert reader.get_secret_value(SecretId=secret, VersionId=one)["SecretString"] == "first"
    denied(reader.get_secret_value, SecretId=secret, VersionId=other)
    denied(reader.get_secret_value, SecretId=secret, VersionStage="AWSPREVIOUS")


# --- CloudWatch ------------------------------------------------------------------------------------------


def test_metrics_only_in_the_namespace_allowed(local_aws: LocalAws) -> None:
    policy = allow("cloudwatch:PutMetricData", ANY, StringEquals={"cloudwatch:namespace": "synology-https"})
    metrics = local_aws.client("cloudwatch", *local_aws.user(unique("reporter"), policy))
    data = [{"MetricName": "DaysLeft", "Value": 30}]
    metrics.put_metric_data(Namespace="synology-https", MetricData=data)
    denied(metrics.put_metric_data, Namespace="Synology-https", MetricData=data)
    denied(metrics.put_metric_data, Namespace="other", MetricData=data)
    found = local_aws.client("cloudwatch").list_metrics(MetricName="DaysLeft")["Metrics"]
    assert {metric["Namespace"] for metric in found} == {"synology-https"}


# --- Route 53 --------------------------------------------------------------------------------------------

Change = tuple[str, str, str, list[str]]


class Zone:
    """The hosted zone example.com, and its changes in few words."""

    def __init__(self, local_aws: LocalAws, credentials: Credentials | None = None, id_: str = "") -> None:
        self.client = local_aws.client("route53", *(credentials or ()))
        self.id = id_ or str(
            self.client.create_hosted_zone(Name="Example.com", CallerReference=token())["HostedZone"]["Id"]
        ).removeprefix("/hostedzone/")

    def change(self, *changes: Change) -> str:
        """Ask for (action, name, type, values) changes in one batch; return the change's id."""
        batch = [
            {
                "Action": action,
                "ResourceRecordSet": {
                    "Name": name,
                    "Type": kind,
                    "TTL": 60,
                    "ResourceRecords": [{"Value": value} for value in values],
                },
            }
            for action, name, kind, values in changes
        ]
        asked = self.client.change_resource_record_sets(HostedZoneId=self.id, ChangeBatch={"Changes": batch})
        return str(asked["ChangeInfo"]["Id"])

    def refuses(self, text: str, *changes: Change) -> None:
        before = self.sets()
        with pytest.raises(ClientError, match=re.escape(text)) as failure:
            self.change(*changes)
        assert failure.value.response["Error"]["Code"] == "InvalidChangeBatch"
        assert self.sets() == before

    def sets(self) -> dict[tuple[str, str], list[str]]:
        """The values of each record set by name and type, but the zone's own SOA and NS."""
        listed = self.client.list_resource_record_sets(HostedZoneId=self.id)["ResourceRecordSets"]
        return {
            (found["Name"], found["Type"]): [record["Value"] for record in found["ResourceRecords"]]
            for found in listed
            if found["Type"] not in {"SOA", "NS"}
        }


@pytest.fixture
def zone(local_aws: LocalAws) -> Zone:
    return Zone(local_aws)


TXT = ['"value"']


def test_value_twice_in_a_set_is_refused(zone: Zone) -> None:
    zone.refuses("Duplicate Resource Record", ("CREATE", "a.example.com", "TXT", ['"1"', '"2"', '"1"']))


@pytest.mark.parametrize("name", ["example.org", "badexample.com", "com"])
def test_name_outside_the_zone_is_refused(zone: Zone, name: str) -> None:
    zone.refuses(
        f"RRSet with DNS name {name}. is not permitted in zone example.com.", ("CREATE", name, "TXT", TXT)
    )


def test_apex_is_inside_the_zone(zone: Zone) -> None:
    zone.change(("CREATE", "EXAMPLE.com", "TXT", TXT))
    assert zone.sets() == {("example.com.", "TXT"): TXT}


@pytest.mark.parametrize("value", ["bare", '"open', '"' + "x" * 256 + '"'])
def test_txt_value_without_its_quotes_is_refused(zone: Zone, value: str) -> None:
    zone.refuses("InvalidCharacterString", ("CREATE", "a.example.com", "TXT", [value]))


def test_txt_value_of_several_strings_is_one_value(zone: Zone) -> None:
    values = ['"' + "x" * 255 + '" "rest"', r'"with \"quotes\""']
    zone.change(("CREATE", "a.example.com", "TXT", values))
    assert zone.sets() == {("a.example.com.", "TXT"): values}


def test_cname_stands_alone(zone: Zone) -> None:
    cname = ("CREATE", "a.example.com", "CNAME", ["elsewhere.example.net"])
    txt = ("CREATE", "A.example.com", "TXT", TXT)
    zone.change(cname)
    zone.refuses("a conflicting RRSet of type CNAME", txt)
    zone.change(("DELETE", *cname[1:]), txt)
    zone.refuses("it conflicts with other records", cname)
    zone.refuses(
        "is not permitted", ("CREATE", "b.example.com", "TXT", TXT), ("CREATE", "b.example.com", *cname[2:])
    )
    zone.refuses("is not permitted", ("CREATE", "example.com", *cname[2:]))


def test_upper_and_lower_case_are_one_name(zone: Zone) -> None:
    zone.change(("CREATE", "_ACME-Challenge.Example.com", "TXT", TXT))
    zone.refuses("already exists", ("CREATE", "_acme-challenge.example.com.", "TXT", TXT))
    zone.change(("DELETE", r"_acme-challeng\105.example.COM", "TXT", TXT))
    assert zone.sets() == {}


def test_asterisk_is_listed_as_octal(zone: Zone) -> None:
    zone.change(("CREATE", "*.example.com", "A", ["192.0.2.1"]))
    assert zone.sets() == {(r"\052.example.com.", "A"): ["192.0.2.1"]}
    zone.refuses("already exists", ("CREATE", r"\052.example.com", "A", ["192.0.2.1"]))
    found = zone.client.list_resource_record_sets(
        HostedZoneId=zone.id, StartRecordName="*.EXAMPLE.com", StartRecordType="A", MaxItems="1"
    )
    assert found["ResourceRecordSets"][0]["Name"] == r"\052.example.com."


def test_renewer_changes_only_its_txt_sets(local_aws: LocalAws, zone: Zone) -> None:
    key = "route53:ChangeResourceRecordSets"
    policy = allow(
        key,
        f"arn:aws:route53:::hostedzone/{zone.id}",
        **{
            "ForAllValues:StringEquals": {
                f"{key}NormalizedRecordNames": [
                    "_acme-challenge.example.com",
                    r"_acme-challenge.\052.example.com",
                ],
                f"{key}RecordTypes": ["TXT"],
                f"{key}Actions": ["CREATE", "DELETE"],
            }
        },
    )
    renewer = Zone(local_aws, local_aws.user(unique("renewer"), policy), zone.id)
    mine, wildcard = "_acme-challenge.example.com", "_acme-challenge.*.example.com"
    renewer.change(("CREATE", "_ACME-challenge.Example.com.", "TXT", TXT), ("CREATE", wildcard, "TXT", TXT))
    renewer.change(("DELETE", wildcard.replace("*", r"\052"), "TXT", TXT))
    for change in [
        ("CREATE", mine, "A", ["192.0.2.1"]),
        ("UPSERT", mine, "TXT", TXT),
        ("CREATE", f"www.{mine}", "TXT", TXT),
        ("CREATE", r"_acme-challenge\056example.com", "TXT", TXT),
    ]:
        _denied_change(renewer, change)
        _denied_change(renewer, ("DELETE", mine, "TXT", TXT), change)
    assert zone.sets() == {(f"{mine}.", "TXT"): TXT}


def _denied_change(zone: Zone, *changes: Change) -> None:
    denied(lambda: zone.change(*changes))


def test_get_change_needs_only_changes(local_aws: LocalAws, zone: Zone) -> None:
    change = zone.change(("CREATE", "a.example.com", "TXT", TXT))
    for resource, allowed in [
        ("arn:aws:route53:::change/*", True),
        (f"arn:aws:route53:::{change.strip('/')}", True),
        ("arn:aws:route53:::change/COTHER", False),
        ("arn:aws:route53:::hostedzone/*", False),
    ]:
        key = local_aws.user(unique("poller"), allow("route53:GetChange", resource))
        get_change = local_aws.client("route53", *key).get_change
        if allowed:
            assert get_change(Id=change)["ChangeInfo"]["Id"] == change
        else:
            denied(get_change, Id=change)


# --- IAM -------------------------------------------------------------------------------------------------


@pytest.fixture
def iam(local_aws: LocalAws) -> Any:
    return local_aws.client("iam")


def sized(size: int) -> str:
    """A policy of that many characters, and some white space, which does not count."""
    policy = allow("s3:GetObject", "")
    bare = len(json.dumps(policy, separators=(",", ":")))
    policy["Statement"][0]["Resource"] = "arn:aws:s3:::".ljust(size - bare, "x")
    return json.dumps(policy, indent=8)


def test_user_has_two_access_keys(local_aws: LocalAws, iam: Any) -> None:
    name = unique("user")
    first = local_aws.user(name, allow("s3:GetObject", ANY))
    iam.create_access_key(UserName=name)
    iam.update_access_key(UserName=name, AccessKeyId=first.access_key, Status="Inactive")
    refused("LimitExceeded", "AccessKeysPerUser: 2", iam.create_access_key, UserName=name)
    iam.delete_access_key(UserName=name, AccessKeyId=first.access_key)
    iam.create_access_key(UserName=name)


@pytest.mark.parametrize(("kind", "limit"), [("user", 2048), ("role", 10240), ("group", 5120)])
def test_inline_policies_together_have_a_size(iam: Any, kind: str, limit: int) -> None:
    name = unique(kind)
    of = {f"{kind.title()}Name": name}
    trust = {"AssumeRolePolicyDocument": json.dumps({"Version": "2012-10-17", "Statement": []})}
    getattr(iam, f"create_{kind}")(**of, **(trust if kind == "role" else {}))
    put = getattr(iam, f"put_{kind}_policy")
    put(**of, PolicyName="one", PolicyDocument=sized(limit))
    refused(
        "LimitExceeded",
        f"{limit} bytes exceeded for {kind} {name}",
        put,
        **of,
        PolicyName="one",
        PolicyDocument=sized(limit + 1),
    )
    refused("LimitExceeded", "exceeded", put, **of, PolicyName="two", PolicyDocument=sized(200))
    put(**of, PolicyName="one", PolicyDocument=sized(limit - 200))
    put(**of, PolicyName="two", PolicyDocument=sized(200))


def test_managed_policy_has_a_size(iam: Any) -> None:
    policy = iam.create_policy(PolicyName=unique("policy"), PolicyDocument=sized(6144))["Policy"]["Arn"]
    too_long = {"PolicyDocument": sized(6145)}
    refused("LimitExceeded", "PolicySize: 6144", iam.create_policy, PolicyName=unique("policy"), **too_long)
    refused("LimitExceeded", "PolicySize: 6144", iam.create_policy_version, PolicyArn=policy, **too_long)
