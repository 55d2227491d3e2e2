"""The checks in a world of real parts: each trap is made, and seen red with what to do."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local_cloud.acme import Pebble
from local_cloud.dns_server import DnsServer
from local_cloud.dsm import SimulatedDsm
from local_cloud.dsm.issuing import Issuer, issue
from local_cloud.dsm.tree import Pair
from local_cloud.ministack.server import LocalAws
from local_cloud.processes import LOOPBACK, free_port
from synology_setup.checks import Finding, Resolvers
from synology_setup.checks.authority import read_authority
from synology_setup.stack_outputs import NasOutputs
from tests.dns_table import resolver_at, serving
from tests.integration.checks_world import (
    EVERYTHING,
    MAIL,
    NAS,
    NOWHERE,
    ZONE,
    AcmeDirectory,
    KeepingAws,
    World,
    acme_directory,
    empty,
    environment,
    make_stack,
    unconfirmed_mail,
)

BUILD = Path(__file__).resolve().parents[2] / "build"
IDENTITY = "AWS knows you, in the stack's account"
USER = "the IAM user nas-synology of the NAS synology exists"
KEY = "you may do what set-up needs with the IAM user nas-synology"
LAMBDA, INVOKE = "the Lambda renewer exists", "you may do what set-up needs with the Lambda renewer"
BETWEEN = "DNS queries reach the public resolvers"
DELEGATED = f"the hosted zone {ZONE} is delegated to Route 53"
CAA, CAA_WILD = (f"CAA lets letsencrypt.org issue for {name}" for name in (ZONE, f"*.{ZONE}"))
ALARM = "the alarm's e-mail subscription is confirmed"
PUBLIC, OWN = f"public resolvers know {NAS}", f"this machine's resolver knows {NAS}"
SSH, PAGE = "the NAS synology takes SSH connections", "the NAS synology serves DSM's page"
CLOCK, SERVED = (
    "the clock of the NAS synology is right",
    f"the NAS synology serves a good certificate for {NAS}",
)
ALL = [
    *(IDENTITY, USER, KEY, LAMBDA, INVOKE, BETWEEN, DELEGATED, CAA, CAA_WILD, ALARM, PUBLIC, OWN, SSH, PAGE),
    *(CLOCK, SERVED),
]


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AcmeDirectory]:
    with acme_directory(tmp_path_factory.mktemp("acme"), "letsencrypt.org") as made:
        yield made


@pytest.fixture(scope="module")
def dsm(nginx: Path, ca: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedDsm]:
    folder = tmp_path_factory.mktemp("dsm") / "nas"
    with SimulatedDsm(folder, nginx=nginx, names=[ZONE, f"*.{ZONE}"], issuer=ca, proxies=()).create() as made:
        yield made


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """A local AWS of these tests' own: each empties it."""
    with KeepingAws(BUILD) as made:
        yield made


@pytest.fixture
def world(
    aws: LocalAws,
    dsm: SimulatedDsm,
    acme: AcmeDirectory,
    root_ca: Issuer,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """A world in which everything is well, and the operator's machine set for it."""
    empty(aws)
    with (
        DnsServer(aws.client("route53")) as dns,
        socket.create_server((LOOPBACK, 0)) as ssh,
    ):
        for name, value in environment(aws, aws.user("operator", EVERYTHING)).items():
            monkeypatch.setenv(name, value)
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        outputs = make_stack(aws, acme, dsm.https_port)
        resolvers = Resolvers(resolver_at(dns.port), resolver_at(dns.port), NOWHERE, nowhere_seconds=0.1)
        made = World(aws, outputs, resolvers, ssh.getsockname()[1], root_ca.certificate.decode())
        made.record(NAS, "A", LOOPBACK)
        yield made


def red(found: dict[str, Finding]) -> set[str]:
    return {what for what, finding in found.items() if finding.ok is False}


def untold(found: dict[str, Finding]) -> set[str]:
    return {what for what, finding in found.items() if finding.ok is None}


def only_red(world: World, what: str) -> Finding:
    """Return the only finding that is not green."""
    found = world.check()
    assert (red(found), untold(found)) == ({what}, set()), found
    return found[what]


def test_where_all_is_well_all_is_green(world: World) -> None:
    found = world.check()
    assert list(found) == ALL
    assert (red(found), untold(found)) == (set(), set()), found
    assert "user/operator" in found[IDENTITY].measured
    assert "issued by Simulated Intermediate" in found[SERVED].measured


# --- AWS ---------------------------------------------------------------------------------------------------


def test_without_credentials_the_rest_is_still_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    found = world.check()
    assert (red(found), untold(found)) == ({IDENTITY}, {DELEGATED, ALARM, PUBLIC})
    assert found[IDENTITY].measured == "this machine has no AWS credentials"
    assert found[OWN].ok and found[SERVED].ok


def test_a_profile_that_is_not_there_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "elsewhere")
    found = world.check()
    assert red(found) == {IDENTITY}
    assert "elsewhere" in found[IDENTITY].measured


def test_an_access_key_that_was_deleted_is_said(world: World) -> None:
    iam = world.aws.client("iam")
    for key in iam.list_access_keys(UserName="operator")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="operator", AccessKeyId=key["AccessKeyId"])
    found = world.check()
    assert red(found) == {IDENTITY}
    assert "does not know your access key" in found[IDENTITY].measured


def test_another_account_is_said_before_everything_seems_deleted(world: World) -> None:
    world.change_request(
        secret=world.outputs.requests[ZONE]["secret"].replace("000000000000", "123456789012")
    )
    found = world.check()
    assert red(found) == {IDENTITY}
    assert "the stack is in account 123456789012" in found[IDENTITY].measured
    assert "AWS_PROFILE" in found[IDENTITY].advice


def test_a_missing_permission_is_named_with_the_statement_to_add(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied = {"Effect": "Deny", "Action": ["iam:CreateAccessKey", "lambda:InvokeFunction"], "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [EVERYTHING["Statement"], denied]}
    for name, value in environment(world.aws, world.aws.user("junior", policy)).items():
        monkeypatch.setenv(name, value)
    found = world.check()
    assert (red(found), untold(found)) == ({KEY, INVOKE}, set())
    assert '"Action": ["iam:CreateAccessKey"]' in found[KEY].advice
    assert 'user/synology-https/nas-synology"' in found[KEY].advice
    assert 'function:renewer"' in found[INVOKE].advice


def test_permissions_that_cannot_be_asked_are_not_red(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    denied = {"Effect": "Deny", "Action": ["iam:SimulatePrincipalPolicy"], "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [EVERYTHING["Statement"], denied]}
    for name, value in environment(world.aws, world.aws.user("auditor", policy)).items():
        monkeypatch.setenv(name, value)
    found = world.check()
    assert (red(found), untold(found)) == (set(), {KEY, INVOKE})
    assert "iam:SimulatePrincipalPolicy" in found[KEY].measured


def test_a_stack_that_was_destroyed_is_seen(world: World) -> None:
    world.aws.client("iam").delete_user(UserName="nas-synology")
    world.aws.client("lambda").delete_function(FunctionName="renewer")
    found = world.check()
    assert red(found) == {USER, LAMBDA}
    assert KEY not in found
    assert "pulumi up" in found[USER].advice and "pulumi up" in found[LAMBDA].advice


def test_an_alarm_mail_that_nobody_confirmed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with unconfirmed_mail(world.aws) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", endpoint)
        finding = only_red(world, ALARM)
    assert MAIL in finding.measured
    assert "no-reply@sns.amazonaws.com" in finding.advice


def test_an_alarm_without_mail_or_topic(world: World) -> None:
    sns, topic = world.aws.client("sns"), world.outputs.alarm_topic
    for subscription in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    assert "aws sns subscribe" in only_red(world, ALARM).advice
    sns.delete_topic(TopicArn=topic)
    assert "does not exist" in only_red(world, ALARM).measured
    world.change(alarm_topic=None)
    assert world.check()[ALARM].ok is None


# --- DNS ---------------------------------------------------------------------------------------------------


def test_a_zone_that_is_not_delegated(world: World) -> None:
    with serving({}) as port:
        world.public_resolver(port)
        found = world.check()
    assert red(found) == {DELEGATED, PUBLIC}
    assert "ns-1.awsdns-1.com, ns-2.awsdns-2.net" in found[DELEGATED].advice
    assert "delegation" in found[PUBLIC].advice


def test_a_delegation_to_another_zones_servers_shows_both_sets(world: World) -> None:
    world.record(ZONE, "NS", "ns-7.awsdns-7.org.", "ns-8.awsdns-8.co.uk.")
    finding = only_red(world, DELEGATED)
    assert "ns-7.awsdns-7.org, ns-8.awsdns-8.co.uk" in finding.measured
    assert "ns-1.awsdns-1.com, ns-2.awsdns-2.net" in finding.measured
    assert "exactly these name servers: ns-1.awsdns-1.com" in finding.advice


def test_a_hosted_zone_that_was_deleted(world: World) -> None:
    world.change_request(zones={ZONE: {"id": "Z0000000000000000000"}})
    found = world.check()
    assert red(found) == {DELEGATED}
    assert "no hosted zone Z0000000000000000000" in found[DELEGATED].measured


@pytest.mark.parametrize(
    ("values", "reds"),
    [
        (('0 issue "other.example"',), {CAA, CAA_WILD}),
        (('0 issue "letsencrypt.org"', '0 issuewild "other.example"'), {CAA_WILD}),
        (('0 issue "letsencrypt.org"', '128 tbs "unknown"'), {CAA, CAA_WILD}),
        (('0 issue "letsencrypt.org; validationmethods=dns-01"',), set()),
    ],
)
def test_caa_that_forbids_the_authority(world: World, values: tuple[str, ...], reds: set[str]) -> None:
    world.record(ZONE, "CAA", *values)
    found = world.check()
    assert red(found) == reds
    assert all(ZONE in found[what].advice for what in reds)


def test_caa_above_the_zone_counts_where_the_zone_has_none(world: World) -> None:
    route53 = world.aws.client("route53")
    above = next(zone["Id"] for zone in route53.list_hosted_zones()["HostedZones"] if zone["Name"] == "test.")
    records = {
        "Name": "test",
        "Type": "CAA",
        "TTL": 60,
        "ResourceRecords": [{"Value": '0 issue "other.example"'}],
    }
    changes = [{"Action": "CREATE", "ResourceRecordSet": records}]
    route53.change_resource_record_sets(HostedZoneId=above, ChangeBatch={"Changes": changes})
    found = world.check()
    assert red(found) == {CAA, CAA_WILD}
    assert 'to the CAA records of test add: 0 issue "letsencrypt.org"' in found[CAA].advice


def test_an_authority_that_cannot_be_reached_leaves_caa_open(world: World) -> None:
    world.change_request(directory=f"https://{LOOPBACK}:{free_port()}/dir")
    found = world.check()
    assert (red(found), untold(found)) == (set(), {f"CAA lets the authority issue {ZONE}"})


def test_a_real_authority_is_read(pebble: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", LOOPBACK)
    with Pebble(pebble, tmp_path, free_port(), 86_400, caa_identity="ca.example") as server:
        request = {"directory": server.directory_url, "ca_root": server.ca_root.read_text()}
        authority = read_authority(request)
        named = "caaIdentities" in server.directory()["meta"]
        distrusted = read_authority({**request, "ca_root": ""})
    assert authority.identities == (("ca.example",) if named else ())
    assert authority.problem.endswith("" if named else "names no CAA identity")
    assert "certificate verify failed" in distrusted.problem


@pytest.mark.parametrize("answer", ["NOERROR", "NXDOMAIN", "REFUSED", f"{NAS}. 60 IN A 0.0.0.0"])
def test_rebinding_protection(world: World, answer: str) -> None:
    with serving({(NAS, "A"): answer, (NAS, "AAAA"): "NOERROR"}) as port:
        world.own_resolver(port)
        finding = only_red(world, OWN)
    assert "DNS rebinding protection" in finding.measured
    assert f"rebind-domain-ok=/{ZONE}/" in finding.advice


def test_an_old_answer_is_not_called_rebinding_protection(world: World) -> None:
    with serving({(NAS, "A"): f"{NAS}. 77 IN A 10.9.9.9", (NAS, "AAAA"): "NOERROR"}) as port:
        world.own_resolver(port)
        finding = only_red(world, OWN)
    assert "rebind" not in finding.measured + finding.advice
    assert "wait 77 s" in finding.advice


def test_an_intercepted_port_53_is_not_misread(world: World) -> None:
    with serving({}, [LOOPBACK, NOWHERE]) as port:
        world.resolvers = Resolvers(resolver_at(port), world.resolvers.own, NOWHERE, nowhere_seconds=20)
        found = world.check()
    assert (red(found), untold(found)) == ({BETWEEN}, {DELEGATED, CAA, CAA_WILD, PUBLIC})
    assert f"{NOWHERE}, where there is no name server, answers" in found[BETWEEN].measured
    assert "says something between" in found[DELEGATED].measured


def test_a_router_that_intercepts_and_drops_private_addresses(world: World) -> None:
    with serving({(NAS, "A"): "NOERROR", (NAS, "AAAA"): "NOERROR"}, [LOOPBACK, NOWHERE]) as port:
        world.resolvers = Resolvers(resolver_at(port), resolver_at(port), NOWHERE, nowhere_seconds=20)
        found = world.check()
    assert red(found) == {BETWEEN, OWN}
    assert "rebind-domain-ok" in found[OWN].advice


def test_a_name_without_record_and_one_that_a_wildcard_serves(world: World) -> None:
    nas = world.outputs.nases["synology"]
    names = [NAS, f"music.{ZONE}"]
    agent = {"certificates": [{**nas.agent_config["certificates"][0], "names": names}]}
    world.change(nases={"synology": NasOutputs(nas.name, nas.user, nas.url, agent)})
    finding = only_red(world, f"Route 53 has an address for music.{ZONE}")
    assert "pulumi up" in finding.advice
    world.record(f"*.{ZONE}", "A", "10.1.2.3")
    assert world.check()[f"public resolvers know music.{ZONE}"].measured == "10.1.2.3"


# --- The NAS -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving_pair(folder: Path, nginx: Path, pair: Pair) -> Iterator[int]:
    """A NAS whose services all serve the pair; yields the port of its page."""
    dsm = SimulatedDsm(folder / "nas", nginx=nginx, names=["x.test"], proxies=()).create()
    assert dsm.recipe_id
    dsm.tree.write_pair(dsm.recipe_id, pair)
    for service in dsm.tree.info()[dsm.recipe_id]["services"]:
        dsm.tree.copy_to_service(dsm.recipe_id, service)
    with dsm:
        yield dsm.https_port


def at_port(world: World, port: int) -> None:
    nas = world.outputs.nases["synology"]
    url = f"https://{NAS}:{port}"
    world.change(nases={"synology": NasOutputs(nas.name, nas.user, url, nas.agent_config)})


def test_ssh_that_is_off(world: World) -> None:
    world.ssh_port = free_port()
    finding = only_red(world, SSH)
    assert "refused" in finding.measured
    assert f"Enable SSH service, port {world.ssh_port}" in finding.advice


def test_a_page_at_another_port(world: World) -> None:
    at_port(world, free_port())
    found = world.check()
    assert red(found) == {PAGE}
    assert CLOCK not in found
    assert "Login Portal" in found[PAGE].advice


def test_a_port_without_tls(world: World, dsm: SimulatedDsm) -> None:
    at_port(world, dsm.http_port)
    found = world.check()
    assert red(found) == {SERVED}
    assert f"no TLS at port {dsm.http_port}" in found[SERVED].measured


@pytest.mark.parametrize("off", [timedelta(minutes=6), timedelta(minutes=-6), timedelta(days=9000)])
def test_a_clock_that_is_wrong(world: World, off: timedelta) -> None:
    world.more["now"] = lambda: datetime.now(UTC) + off
    found = world.check()
    assert red(found) == {CLOCK}
    assert "NTP" in found[CLOCK].advice
    assert ("behind" if off > timedelta() else "ahead of") in found[CLOCK].measured


def test_dsms_own_certificate_is_what_stands_there_before_the_installation(
    world: World, nginx: Path, tmp_path: Path
) -> None:
    with SimulatedDsm(tmp_path / "nas", nginx=nginx, recipe=False, proxies=()).create() as fresh:
        at_port(world, fresh.https_port)
        found = world.check()
    assert (red(found), untold(found)) == (set(), {SERVED})
    assert "before the installation" in found[SERVED].measured
    assert f"install ACCOUNT@{NAS}" in found[SERVED].advice


def test_a_certificate_for_another_name(world: World, nginx: Path, ca: Issuer, tmp_path: Path) -> None:
    with serving_pair(tmp_path, nginx, issue(["other.test", f"*.sub.{ZONE}"], issuer=ca)) as port:
        at_port(world, port)
        finding = only_red(world, SERVED)
    assert f"it is for other.test, *.sub.{ZONE}" in finding.advice


def test_a_certificate_that_has_expired(world: World, nginx: Path, ca: Issuer, tmp_path: Path) -> None:
    with serving_pair(tmp_path, nginx, issue([NAS], issuer=ca, days=0)) as port:
        at_port(world, port)
        finding = only_red(world, SERVED)
    assert f"renew {ZONE}" in finding.advice


def test_a_certificate_without_its_intermediate(
    world: World, nginx: Path, ca: Issuer, tmp_path: Path
) -> None:
    whole = issue([NAS], issuer=ca)
    with serving_pair(tmp_path, nginx, Pair(whole.leaf, b"", whole.key)) as port:
        at_port(world, port)
        finding = only_red(world, SERVED)
    assert "an intermediate certificate is missing" in finding.advice


def test_an_issuer_that_this_machine_does_not_trust(world: World) -> None:
    world.roots = None
    assert "staging" in only_red(world, SERVED).advice
