"""What keeps the renewal Lambda from issuing is told in words, and nothing is left half done."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from lambda_renewer.acme_client import AcmeClient
from lambda_renewer.document import EMPTY
from lambda_renewer.errors import AccessDenied, AcmeError, OrderFailed, RequestError, StoreError, ZoneError
from local_cloud.acme import Pebble
from local_cloud.dns_server import DnsServer
from local_cloud.ministack.server import LocalAws
from local_cloud.processes import LOOPBACK, free_port
from tests.renewer_bench import Allow, Renewer, also, make_renewer, without


def nothing_was_issued(renewer: Renewer) -> None:
    """The state is `empty` still; the failure is remembered without a lease."""
    assert renewer.secret_text(renewer.certificate_arn) == EMPTY
    stages = renewer.stages(renewer.certificate_arn)
    assert stages.keys() - {"none"} == {"AWSCURRENT", "AWSPENDING"}
    assert stages["AWSCURRENT"] != stages["AWSPENDING"]
    pending = renewer.pending()
    assert (pending.failures, pending.attempt, pending.lease_until) == (1, 1, None)
    assert pending.problem
    assert renewer.challenge_records() == []


def nothing_began(renewer: Renewer) -> None:
    assert renewer.secret_text(renewer.certificate_arn) == EMPTY
    stages = renewer.stages(renewer.certificate_arn)
    assert set(stages) == {"AWSCURRENT", "AWSPENDING"}
    assert stages["AWSCURRENT"] == stages["AWSPENDING"]
    assert renewer.challenge_records() == []


def test_terms_that_are_not_agreed(renewer: Renewer) -> None:
    terms = renewer.server.directory()["meta"]["termsOfService"]
    with pytest.raises(RequestError, match=f"terms_agreed is False; .* terms of service are at {terms}"):
        renewer.run(terms_agreed=False)
    nothing_was_issued(renewer)
    assert renewer.stages(renewer.account_arn) == {}


def test_a_profile_that_is_not_offered(renewer: Renewer) -> None:
    offered = "classic" if renewer.server.supports_profiles else "no profiles"
    with pytest.raises(RequestError, match=f"profile is 'shortlived'; the directory offers {offered}"):
        renewer.run(profile="shortlived")
    nothing_was_issued(renewer)


def forbid_by_caa(patch: pytest.MonkeyPatch) -> None:
    """Replace what Pebble says of the order: it looks at no CAA record (letsencrypt/pebble issue 476)."""
    post = AcmeClient._post
    answered: list[str] = []
    error = {
        "type": "urn:ietf:params:acme:error:caa",
        "detail": "CAA record for the domain prevents issuance",
        "status": 403,
    }

    def forbidding(self: AcmeClient, where: str, body: Any) -> requests.Response:
        response = post(self, where, body)
        if "/chalZ/" in where:
            answered.append(where)
        if answered and response.headers["Content-Type"].startswith("application/json"):
            document = response.json()
            if "authorizations" in document:
                document["status"] = "invalid"
            for challenge in document.get("challenges", ()):
                challenge["error"] = error
            response._content = json.dumps(document).encode()
        return response

    patch.setattr(AcmeClient, "_post", forbidding)


def test_a_caa_record_that_forbids(renewer: Renewer) -> None:
    with pytest.MonkeyPatch.context() as patch:
        forbid_by_caa(patch)
        with pytest.raises(OrderFailed) as raised:
            renewer.run(domains=[renewer.domain])
    text = str(raised.value)
    assert f"{renewer.domain}: urn:ietf:params:acme:error:caa: CAA record for the domain prevents" in text
    assert "allow it at the domain, or remove the record" in text
    nothing_was_issued(renewer)
    assert renewer.pending().order is None  # the next run makes a new one
    assert renewer.run(domains=[renewer.domain])["renewed"] is True


def test_a_name_in_no_zone(renewer: Renewer) -> None:
    with pytest.raises(ZoneError, match=rf"_acme-challenge\.other\.test is in none .* {renewer.domain}"):
        renewer.run(domains=["other.test"])
    nothing_began(renewer)


def test_a_zone_that_the_world_does_not_ask(renewer: Renewer) -> None:
    renewer.put(f"sub.{renewer.domain}", "NS", "ns-1.example.net.")
    with pytest.raises(OrderFailed) as raised:
        renewer.run(domains=[f"nas.sub.{renewer.domain}"])
    assert f"nas.sub.{renewer.domain}: urn:ietf:params:acme:error:" in str(raised.value)
    assert "name servers at the registrar are those of the hosted zone" in str(raised.value)
    nothing_was_issued(renewer)


def test_an_authority_that_is_down(renewer: Renewer) -> None:
    directory = f"https://{LOOPBACK}:{free_port()}/dir"
    with pytest.raises(AcmeError, match=f"cannot be reached at {directory}: .* The schedule tries again"):
        renewer.run(directory=directory)
    nothing_was_issued(renewer)


def test_an_authority_that_another_root_vouches_for(renewer: Renewer) -> None:
    with pytest.raises(AcmeError, match="certificate verify failed"):
        renewer.run(ca_root=renewer.server.issuing_root())
    nothing_was_issued(renewer)


ONLY_THE_ZONE_ITSELF = also(Action="route53:GetHostedZone", Resource="*")


@pytest.mark.parametrize(
    ("allow", "operation", "how_far"),
    [
        (without("ChangeOwnChallengeRecords"), "ChangeResourceRecordSets", nothing_was_issued),
        (without("ReadZone"), "GetHostedZone", nothing_began),
        (
            lambda policy: ONLY_THE_ZONE_ITSELF(without("ReadZone")(policy)),
            "ListResourceRecordSets",
            nothing_was_issued,
        ),
        (without("WaitForChange"), "GetChange", nothing_was_issued),
    ],
)
def test_a_missing_permission_is_named(
    local_aws: LocalAws,
    server: Pebble,
    dns: DnsServer,
    allow: Allow,
    operation: str,
    how_far: Callable[[Renewer], None],
) -> None:
    renewer = make_renewer(local_aws, server, dns.port, allow)
    with pytest.raises(AccessDenied, match=f"AWS refused {operation}: .* run `pulumi up`"):
        renewer.run()
    how_far(renewer)


def test_another_records_name_is_denied(renewer: Renewer) -> None:
    with pytest.raises(AccessDenied, match="ChangeResourceRecordSets"):
        renewer.run(domains=[f"other.{renewer.domain}"])
    nothing_was_issued(renewer)


def test_without_its_secrets_nothing_begins(local_aws: LocalAws, server: Pebble, dns: DnsServer) -> None:
    renewer = make_renewer(local_aws, server, dns.port, without("KeepSecrets"))
    with pytest.raises(AccessDenied, match="AWS refused GetSecretValue"):
        renewer.run()
    assert renewer.stages(renewer.certificate_arn) == {}


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"DIRECTORY": {"kid": "x"}}', '{"DIRECTORY": []}'])
def test_an_account_document_that_cannot_be_read(renewer: Renewer, text: str) -> None:
    text = text.replace("DIRECTORY", renewer.server.directory_url)
    renewer.aws.client("secretsmanager").put_secret_value(SecretId=renewer.account_arn, SecretString=text)
    with pytest.raises(StoreError, match="account"):
        renewer.run()
    nothing_was_issued(renewer)
