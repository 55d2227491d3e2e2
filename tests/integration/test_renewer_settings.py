"""What a request may ask for beyond names, the first days, and what a renewal costs."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import botocore.httpsession
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from infrastructure.policies import zone_role_policy
from lambda_renewer import directory as renewer_directory
from lambda_renewer import dns01
from lambda_renewer.acme_client import Network
from lambda_renewer.document import EMPTY
from lambda_renewer.errors import AccessDenied, Problem, RequestError, StoreError, ZoneError
from local_cloud.acme import Pebble
from local_cloud.dns_server import DnsServer
from local_cloud.ministack.server import LocalAws
from local_cloud.processes import LOOPBACK
from tests.acme_issuance import verify
from tests.fake_route53 import FakeRoute53
from tests.renewer_bench import LIFETIME, SOON, Renewer, also, make_renewer, make_zone, without

HMAC_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


# --- External Account Binding ----------


@pytest.fixture(scope="module")
def binding_server(
    pebble: Path, dns: DnsServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pebble]:
    """An authority whose accounts must be bound, with two more chains to choose from."""
    with Pebble(
        pebble,
        tmp_path_factory.mktemp("binding"),
        dns.port,
        LIFETIME,
        external_account_keys={"kid-1": HMAC_KEY},
        alternate_roots=2,
    ) as made:
        yield made


@pytest.fixture
def bound(local_aws: LocalAws, binding_server: Pebble, dns: DnsServer) -> Renewer:
    """A renewer that may read the secret with the credentials, which its requests name."""
    secrets = local_aws.client("secretsmanager")
    arn = secrets.create_secret(
        Name=f"{uuid.uuid4().hex}/eab", SecretString=json.dumps({"kid": "kid-1", "hmac_key": HMAC_KEY})
    )["ARN"]
    allow = also(Action="secretsmanager:GetSecretValue", Resource=arn)
    made = make_renewer(local_aws, binding_server, dns.port, allow)
    return replace(made, more_fields={"eab_secret": arn}, more_keys=[HMAC_KEY])


def test_an_account_is_bound(bound: Renewer) -> None:
    assert bound.run()["renewed"] is True
    [account] = bound.accounts().values()
    assert "externalAccountBinding" not in account
    # The credentials are asked for only where an account is made.
    assert bound.run(force=True, eab_secret=None)["renewed"] is True


def test_an_authority_that_wants_a_bound_account(bound: Renewer) -> None:
    with pytest.raises(RequestError, match="eab_secret is None; the authority wants an external account"):
        bound.run(eab_secret=None)
    assert bound.accounts() == {}


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("no JSON", StoreError, "the secret of the external account is not JSON such as"),
        (json.dumps({"kid": "kid-1"}), StoreError, "the secret of the external account is not JSON such as"),
        (json.dumps({"kid": "kid-2", "hmac_key": HMAC_KEY}), Problem, "unauthorized"),
    ],
)
def test_credentials_that_do_not_fit(bound: Renewer, text: str, error: type[Exception], words: str) -> None:
    arn = bound.more_fields["eab_secret"]
    bound.aws.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=text)
    with pytest.raises(error, match=words):
        bound.run()
    assert bound.accounts() == {}


# --- Preferred chain ----------


def common_name(name: x509.Name) -> str:
    return str(name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


@pytest.mark.parametrize("alternate", [0, 1, 2])
def test_the_preferred_chain_is_taken(bound: Renewer, binding_server: Pebble, alternate: int) -> None:
    root = binding_server.issuing_root(alternate)
    wanted = common_name(x509.load_pem_x509_certificate(root.encode()).subject)
    assert bound.run(preferred_chain=wanted)["renewed"] is True
    current = bound.current()
    chain = x509.load_pem_x509_certificates((current.leaf + current.chain).encode())
    assert common_name(chain[-1].issuer) == wanted
    verify(chain, root, bound.domain)


def test_a_chain_that_is_not_offered_is_no_failure(bound: Renewer, binding_server: Pebble) -> None:
    assert bound.run(preferred_chain="No Such Root")["renewed"] is True
    current = bound.current()
    chain = x509.load_pem_x509_certificates((current.leaf + current.chain).encode())
    verify(chain, binding_server.issuing_root(), bound.domain)


# --- Delegated challenges ----------


def delegated(local_aws: LocalAws, server: Pebble, dns: DnsServer) -> tuple[Renewer, str, str]:
    """Return a renewer that may change another zone's TXT records and not its own zone's; zone id, target."""
    zone = f"acme{uuid.uuid4().hex[:8]}.test"
    zone_id = make_zone(local_aws, zone)
    target = f"nas.{zone}"

    def allow(policy: dict[str, Any]) -> dict[str, Any]:
        return also(
            Action=[
                "route53:ChangeResourceRecordSets",
                "route53:ListResourceRecordSets",
                "route53:GetHostedZone",
            ],
            Resource=f"arn:aws:route53:::hostedzone/{zone_id}",
        )(without("ChangeOwnChallengeRecords")(policy))

    made = make_renewer(local_aws, server, dns.port, allow)
    fields = {
        "delegations": {made.domain: target},
        "zones": {made.domain: {"id": made.zone_id}, zone: {"id": zone_id}},
    }
    return replace(made, more_fields=fields), zone_id, target


def test_a_challenge_delegated_by_cname(local_aws: LocalAws, server: Pebble, dns: DnsServer) -> None:
    renewer, zone_id, target = delegated(local_aws, server, dns)
    renewer.put(f"_acme-challenge.{renewer.domain}", "CNAME", target)
    assert renewer.run()["renewed"] is True
    assert renewer.current().domains == (renewer.domain, f"*.{renewer.domain}")
    assert renewer.challenge_records(zone_id) == []


def test_a_cname_that_no_setting_names(renewer: Renewer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns01, "_SWAP_PAUSE_SECONDS", (0.01, 0.01))
    renewer.put(f"_acme-challenge.{renewer.domain}", "CNAME", "nas.acme.example.net")
    with pytest.raises(ZoneError, match=r"If a CNAME stands there, .* name its target in `delegations`"):
        renewer.run()
    assert renewer.challenge_records() == []


def test_a_wildcard_cname_is_no_delegation(renewer: Renewer) -> None:
    renewer.put(f"*.{renewer.domain}", "CNAME", "elsewhere.example.net")
    assert renewer.run()["renewed"] is True
    assert renewer.challenge_records() == []


def test_names_under_two_zones(local_aws: LocalAws, server: Pebble, dns: DnsServer) -> None:
    renewer, zone_id, _ = delegated(local_aws, server, dns)
    (zone,) = set(renewer.more_fields["zones"]) - {renewer.domain}
    domains = [f"nas.{zone}", f"*.nas.{zone}", f"www.{zone}"]
    assert renewer.run(domains=domains, delegations={})["renewed"] is True
    assert renewer.current().domains == tuple(domains)
    assert renewer.challenge_records(zone_id) == []


def test_an_internationalized_name(local_aws: LocalAws, server: Pebble, dns: DnsServer) -> None:
    renewer, _, _ = delegated(local_aws, server, dns)
    (zone,) = set(renewer.more_fields["zones"]) - {renewer.domain}
    assert renewer.run(domains=[f"Bücher.{zone}"], delegations={})["renewed"] is True
    assert renewer.current().domains == (f"xn--bcher-kva.{zone}",)
    assert renewer.run(domains=[f"bücher.{zone}"], delegations={})["renewed"] is False


# --- A zone that a role of another account reaches ----------


def through_a_role(
    local_aws: LocalAws, server: Pebble, dns: DnsServer, trusts: Callable[[str], str]
) -> Renewer:
    """Return a renewer without any right in Route 53, but for a role's that may do what it needs there.

    The local AWS has one account; the role and its trust are what another one would have.

    Args:
        local_aws: the local AWS.
        server: the certificate authority.
        dns: its resolver.
        trusts: the renewer's ARN -> the ARN that the role trusts.
    """
    taken: list[dict[str, Any]] = []

    def allow(policy: dict[str, Any]) -> dict[str, Any]:
        taken.extend(one for one in policy["Statement"] if "route53" in str(one["Action"]))
        less = without(*(one["Sid"] for one in taken))(policy)
        return also(Action="sts:AssumeRole", Resource=f"arn:aws:iam::000000000000:role/{role}")(less)

    role = f"zone-{uuid.uuid4().hex}"
    made = make_renewer(local_aws, server, dns.port, allow)
    assert len(taken) == 3
    iam = local_aws.client("iam")
    owner = local_aws.client("sts", made.credentials.access_key, made.credentials.secret_key)
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": trusts(owner.get_caller_identity()["Arn"])},
        "Action": "sts:AssumeRole",
    }
    arn = iam.create_role(
        RoleName=role,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    zone = f"arn:aws:route53:::hostedzone/{made.zone_id}"
    document = zone_role_policy(zone, [f"_acme-challenge.{made.domain}"])
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=json.dumps(document))
    return replace(made, more_fields={"zones": {made.domain: {"id": made.zone_id, "role": arn}}})


def test_a_zone_is_reached_through_its_role(local_aws: LocalAws, server: Pebble, dns: DnsServer) -> None:
    renewer = through_a_role(local_aws, server, dns, lambda own: own)
    assert renewer.run()["renewed"] is True
    assert renewer.challenge_records() == []
    without_role = {"zones": {renewer.domain: {"id": renewer.zone_id}}}
    with pytest.raises(AccessDenied, match="not authorized to perform: route53:"):
        replace(renewer, more_fields=without_role).run(force=True)


def test_a_role_that_trusts_another_is_named(local_aws: LocalAws, server: Pebble, dns: DnsServer) -> None:
    renewer = through_a_role(local_aws, server, dns, lambda _: "arn:aws:iam::000000000000:user/another")
    with pytest.raises(AccessDenied, match=r"role arn:aws:iam::.*:role/zone-.* could not be assumed"):
        renewer.run()
    assert renewer.challenge_records() == []


# --- The first days: a zone that nobody delegates to yet, permissions that nobody knows yet ----------


def test_a_zone_without_delegation_is_waited_for(renewer: Renewer) -> None:
    elsewhere = FakeRoute53()
    elsewhere.add_zone(f"{renewer.domain}.")  # ns-1.example.net and ns-2.example.net, as at the old provider
    zone = renewer.aws.client("route53").get_hosted_zone(Id=renewer.zone_id)
    servers = sorted(server.rstrip(".") for server in zone["DelegationSet"]["NameServers"])
    assert servers
    with DnsServer(elsewhere) as others:  # type: ignore[arg-type]
        waiting = replace(renewer, more_environment={"DNS_RESOLVER": f"{LOOPBACK}:{others.port}"})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Network, "_send_request", None)  # no order is made
            outcome = waiting.run()
    assert outcome == {
        "name": "nas",
        "action": "renew",
        "renewed": False,
        "reason": "waiting for delegation to these name servers, at the registrar or in the parent zone: "
        f"{renewer.domain} to {', '.join(servers)}",
        "awaited": {renewer.domain: servers},
    }
    assert renewer.secret_text(renewer.certificate_arn) == EMPTY
    assert renewer.accounts() == {}
    assert renewer.run()["renewed"] is True


def test_a_policy_that_comes_late(local_aws: LocalAws, server: Pebble, dns: DnsServer) -> None:
    policies: list[dict[str, Any]] = []

    def nothing_yet(policy: dict[str, Any]) -> dict[str, Any]:
        policies.append(policy)
        return without("KeepSecrets", "ReadZone", "WaitForChange", "ChangeOwnChallengeRecords")(policy)

    renewer = replace(make_renewer(local_aws, server, dns.port, nothing_yet), patience=30.0)
    name = renewer.aws.client("iam").get_access_key_last_used(AccessKeyId=renewer.credentials.access_key)[
        "UserName"
    ]

    def attach() -> None:
        time.sleep(2.0)
        local_aws.client("iam").put_user_policy(
            UserName=name, PolicyName="policy", PolicyDocument=json.dumps(policies[0])
        )

    thread = threading.Thread(target=attach)
    thread.start()
    try:
        assert renewer.run()["renewed"] is True
    finally:
        thread.join()


# --- What one renewal costs ----------


class Requests:
    """Every request that the renewer makes with its own key, AWS's by operation and ACME's by address."""

    def __init__(self, renewer: Renewer, patch: pytest.MonkeyPatch) -> None:
        self.aws: list[str] = []
        self.acme: list[str] = []
        send, post, get = (
            botocore.httpsession.URLLib3Session.send,
            Network._send_request,
            renewer_directory._get_json,
        )

        def send_aws(session: Any, request: Any) -> Any:
            headers = {
                name.lower(): value.decode() if isinstance(value, bytes) else value
                for name, value in request.headers.items()
            }
            if renewer.credentials.access_key in headers["authorization"]:
                path = request.url.split("/2013-04-01/")[-1]
                self.aws.append(headers.get("x-amz-target") or f"{request.method} {path}")
            return send(session, request)

        def send_acme(network: Network, method: str, url: str, *rest: Any, **more: Any) -> Any:
            if self.acme[-1:] != [f"{method} {url}"]:  # asked again at once: a poll, for as long as it takes
                self.acme.append(f"{method} {url}")
            return post(network, method, url, *rest, **more)

        def get_acme(url: str, ca_root: str | None) -> Any:
            self.acme.append(f"GET {url}")
            return get(url, ca_root)

        patch.setattr(botocore.httpsession.URLLib3Session, "send", send_aws)
        patch.setattr(Network, "_send_request", send_acme)
        patch.setattr(renewer_directory, "_get_json", get_acme)


@pytest.fixture(scope="module")
def polite_server(pebble: Path, dns: DnsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """An authority that refuses no good nonce."""
    with Pebble(
        pebble, tmp_path_factory.mktemp("polite"), dns.port, LIFETIME, nonce_reject_percent=0
    ) as made:
        yield made


def test_a_renewal_takes_few_requests(
    local_aws: LocalAws, polite_server: Pebble, dns: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewer = make_renewer(local_aws, polite_server, dns.port)
    renewer.run()
    made = Requests(renewer, monkeypatch)
    assert renewer.run(**SOON)["renewed"] is True
    polls = [one for one in made.aws if one.startswith("GET change/")]
    assert polls
    assert len(made.aws) - len(polls) + 1 <= 10, made.aws
    assert len(made.acme) <= 12, made.acme


def test_a_run_that_is_not_due_takes_two(
    local_aws: LocalAws, polite_server: Pebble, dns: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewer = make_renewer(local_aws, polite_server, dns.port)
    renewer.run()
    made = Requests(renewer, monkeypatch)
    assert renewer.run()["renewed"] is False
    assert (len(made.aws), len(made.acme)) == (1, 1), (made.aws, made.acme)
