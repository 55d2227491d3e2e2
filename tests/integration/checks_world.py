"""The operator's world for the checks: a stack on the local AWS, its names, and its certificate authority."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import ssl
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from local_cloud.acme.certificates import make_server_identity
from local_cloud.ministack.server import REGION, Credentials, LocalAws
from local_cloud.processes import LOOPBACK
from synology_setup.checks import Finding, Resolvers, check_all
from synology_setup.stack_outputs import NasOutputs, StackOutputs
from tests.dns_table import resolver_at

ZONE, NAS = "home.test", "nas.home.test"
MAIL = "me@home.test"
NOWHERE = "127.0.0.9"
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
EVERYTHING = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}


@dataclass(frozen=True)
class AcmeDirectory:
    """Where the authority's directory is, and the PEM of the root that verifies it."""

    url: str
    ca_root: str


class KeepingAws(LocalAws):
    """A local AWS that makes each client once: that takes longer than most of what is asked."""

    @functools.cache  # noqa: B019 - one for a module's tests
    def client(self, *arguments: Any, **options: Any) -> Any:
        """Return the client, the same for the same parameters."""
        return super().client(*arguments, **options)


@dataclass
class World:
    """What the operator's machine sees; a test changes one thing of it.

    Attributes:
        aws: the local AWS.
        outputs: the stack's.
        resolvers: who is asked for names.
        ssh_port: of the NAS.
        roots: PEM of the root that the NAS's certificate comes from.
        more: further parameters of `check_all`.
    """

    aws: LocalAws
    outputs: StackOutputs
    resolvers: Resolvers
    ssh_port: int
    roots: str | None
    more: dict[str, Any] = field(default_factory=dict)

    def change(self, **fields: Any) -> None:
        """Replace fields of the outputs."""
        self.outputs = replace(self.outputs, **fields)

    def change_request(self, **fields: Any) -> None:
        """Replace fields of the certificate request."""
        self.change(requests={ZONE: {**self.outputs.requests[ZONE], **fields}})

    def record(self, name: str, record_type: str, *values: str) -> None:
        """Set a record in Route 53."""
        records = {"Name": name, "Type": record_type, "TTL": 60}
        change = {"Action": "UPSERT", "ResourceRecordSet": records}
        records["ResourceRecords"] = [{"Value": value} for value in values]
        self.aws.client("route53").change_resource_record_sets(
            HostedZoneId=self.outputs.requests[ZONE]["zones"][ZONE]["id"], ChangeBatch={"Changes": [change]}
        )

    def own_resolver(self, port: int) -> None:
        """Let this machine's resolver be the one at the port."""
        self.resolvers = replace(self.resolvers, own=resolver_at(port))

    def public_resolver(self, port: int) -> None:
        """Let the public resolvers be the one at the port."""
        self.resolvers = replace(self.resolvers, public=resolver_at(port))

    def check(self) -> dict[str, Finding]:
        """Run all checks; no two findings are of the same thing."""
        nases = list(self.outputs.nases.values())
        found = list(
            check_all(
                self.outputs, nases, self.resolvers, ssh_port=self.ssh_port, roots=self.roots, **self.more
            )
        )
        named = {finding.what: finding for finding in found}
        assert len(named) == len(found)
        return named


def empty(aws: LocalAws) -> None:
    """Take away everything that is in the local AWS."""
    connection = HTTPConnection(aws.endpoint.removeprefix("http://"), timeout=60)
    with contextlib.closing(connection):
        connection.request("POST", "/_ministack/reset")
        assert connection.getresponse().status == 200


def make_stack(aws: LocalAws, acme: AcmeDirectory, dsm_port: int) -> StackOutputs:
    """Make what the stack makes, as far as the checks look at it."""
    route53, iam = aws.client("route53"), aws.client("iam")
    route53.create_hosted_zone(Name="test", CallerReference="test")
    zone_id = route53.create_hosted_zone(Name=ZONE, CallerReference=ZONE)["HostedZone"]["Id"]
    iam.create_user(UserName="nas-synology", Path="/synology-https/")
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        },
    }
    role = iam.create_role(RoleName="renewer", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w") as archive:
        archive.writestr("handler.py", "def handle(event, context):\n    return {}\n")
    aws.client("lambda").create_function(
        FunctionName="renewer",
        Runtime="python3.13",
        Role=role,
        Handler="handler.handle",
        Code={"ZipFile": bundle.getvalue()},
    )
    secret = aws.client("secretsmanager").create_secret(Name="synology-https/test/certificate")["ARN"]
    topic = aws.client("sns").create_topic(Name="alarms")["TopicArn"]
    aws.client("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint=MAIL)
    request = {
        "action": "renew",
        "domains": [ZONE, f"*.{ZONE}"],
        "directory": acme.url,
        "ca_root": acme.ca_root,
        "zones": {ZONE: {"id": zone_id}},
        "secret": secret,
    }
    agent = {"region": REGION, "certificates": [{"secret": secret, "names": [NAS]}]}
    nas = NasOutputs("synology", "nas-synology", f"https://{NAS}:{dsm_port}", agent)
    return StackOutputs(REGION, "renewer", {ZONE: request}, {"synology": nas}, topic)


@contextlib.contextmanager
def acme_directory(folder: Path, *identities: str) -> Iterator[AcmeDirectory]:
    """Answer the directory of an authority over HTTPS: Pebble names none of its identities before 2.7."""
    identity = make_server_identity(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    body = json.dumps({"newOrder": "", "meta": {"caaIdentities": identities}}).encode()

    class Handler(_Quiet):
        def do_GET(self) -> None:
            self.answer(200, "application/json", body)

    with _served(Handler, context) as port:
        yield AcmeDirectory(f"https://{LOOPBACK}:{port}/dir", identity.ca_root.read_text())


@contextlib.contextmanager
def unconfirmed_mail(aws: LocalAws) -> Iterator[str]:
    """Stand before the local SNS, which confirms e-mail by itself, and list its subscriptions as pending.

    As AWS does it: docs.aws.amazon.com/sns/latest/api/API_ListSubscriptionsByTopic.html.
    """

    class Handler(_Quiet):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            upstream = HTTPConnection(aws.endpoint.removeprefix("http://"), timeout=60)
            with contextlib.closing(upstream):
                upstream.request("POST", self.path, body, dict(self.headers))
                answer = upstream.getresponse()
                text, status = answer.read().decode(), answer.status
            before, mark, after = text.partition("<SubscriptionArn>")
            pending = f"{before}{mark}PendingConfirmation<{after.partition('<')[2]}".encode()
            self.answer(status, "text/xml", pending)

    with _served(Handler) as port:
        yield f"http://{LOOPBACK}:{port}"


class _Quiet(BaseHTTPRequestHandler):
    def answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def _served(handler: type[_Quiet], context: ssl.SSLContext | None = None) -> Iterator[int]:
    with ThreadingHTTPServer((LOOPBACK, 0), handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


def environment(aws: LocalAws, credentials: Credentials) -> dict[str, str]:
    """Return how the operator's machine is set."""
    return {
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": LOOPBACK,
        "no_proxy": LOOPBACK,
    }


def red(found: dict[str, Finding]) -> set[str]:
    return {what for what, finding in found.items() if finding.ok is False}


def untold(found: dict[str, Finding]) -> set[str]:
    return {what for what, finding in found.items() if finding.ok is None}


def only_red(world: World, what: str) -> Finding:
    """Return the only finding that is not green."""
    found = world.check()
    assert (red(found), untold(found)) == ({what}, set()), found
    return found[what]
