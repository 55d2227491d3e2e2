"""The actions besides the schedule's: force, report, revoke."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy.jwk import JWK, JWKEC, JWKRSA

import lambda_renewer.revocation
from lambda_renewer.acme_client import AcmeClient, Network
from lambda_renewer.clock import to_rfc3339
from lambda_renewer.dns01 import ChallengeRecords
from lambda_renewer.document import EMPTY, NoCertificate
from lambda_renewer.errors import AcmeError, Problem, RequestError, StoreConflict
from local_cloud.acme import Pebble
from local_cloud.acme.server import fetch
from tests.renewer_bench import NEXT_RUN, SOON, Died, Renewer


class Revocations:
    """The requests to revokeCert, as they were signed."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.protected: list[dict[str, Any]] = []
        self.payloads: list[dict[str, Any]] = []
        send = Network._send_request

        def recording(network: Network, method: str, url: str, *rest: Any, **more: Any) -> requests.Response:
            response = send(network, method, url, *rest, **more)
            if "revoke" in url and response.status_code == 200:
                sent = json.loads(more["data"])
                self.protected.append(_decoded(sent["protected"]))
                self.payloads.append(_decoded(sent["payload"]))
            return response

        patch.setattr(Network, "_send_request", recording)


def _decoded(text: str) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return decoded


@pytest.fixture
def revocations(monkeypatch: pytest.MonkeyPatch) -> Revocations:
    return Revocations(monkeypatch)


def status(server: Pebble, serial: str) -> tuple[str, int | None]:
    """What the authority says of a certificate, and the reason of its revocation."""
    found = json.loads(fetch(f"{server.management_url}/cert-status-by-serial/{serial}", server.ca_root))
    return found["Status"], found.get("Reason")


# --- force ----------


def test_force_renews_what_is_not_due(renewer: Renewer) -> None:
    first = renewer.run()
    assert renewer.run()["renewed"] is False
    forced = renewer.run(force=True)
    assert (forced["renewed"], forced["reason"]) == (True, "it was asked for by force")
    assert forced["serial"] != first["serial"]
    assert renewer.current().serial == forced["serial"]
    assert renewer.challenge_records() == []


# --- report ----------


def test_a_report_of_a_new_secret_writes_nothing(renewer: Renewer) -> None:
    assert renewer.run(action="report") == {
        "name": "nas",
        "action": "report",
        "renewed": False,
        "reason": "there is no certificate",
    }
    assert renewer.stages(renewer.certificate_arn) == {}
    assert renewer.stages(renewer.account_arn) == {}


def test_a_report_tells_and_changes_nothing(renewer: Renewer) -> None:
    renewer.run()
    current, stages = renewer.current(), renewer.stages(renewer.certificate_arn)
    reported = renewer.run(action="report", **SOON)
    assert reported["renewed"] is False
    assert reported["reason"].startswith("it is due at ")
    assert reported["serial"] == current.serial
    assert reported["domains"] == list(current.domains)
    assert reported["issuer"] == current.issuer
    assert reported["profile"] == "classic"
    assert reported["acme_directory"] == renewer.server.directory_url
    assert reported["fingerprint_sha256"] == current.fingerprint_sha256
    assert reported["not_before"] == to_rfc3339(current.not_before)
    assert reported["life_left"] == 1.0
    assert "in_flight" not in reported
    assert renewer.stages(renewer.certificate_arn) == stages


def test_a_report_tells_what_is_in_flight(renewer: Renewer) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ChallengeRecords, "present", _die)
        with pytest.raises(Died):
            renewer.run()
    pending = renewer.pending()
    reported = renewer.run(action="report")
    assert pending.lease_until is not None
    assert reported["in_flight"] == {
        "attempt": 1,
        "failures": 0,
        "problem": None,
        "lease_until": to_rfc3339(pending.lease_until),
        "retry_not_before": None,
        "revoking": [],
    }
    assert renewer.pending() == pending


def _die(*_: Any, **__: Any) -> None:
    raise Died


# --- revoke ----------


def test_the_new_certificate_is_current_before_the_old_one_is_revoked(
    renewer: Renewer, server: Pebble, revocations: Revocations, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewer.run()
    old = renewer.current()
    assert status(server, old.serial)[0] == "Valid"
    seen: list[str] = []
    revoke = AcmeClient.revoke

    def watching(client: AcmeClient, leaf: x509.Certificate, reason: int) -> None:
        seen.append(renewer.current().serial)
        revoke(client, leaf, reason)

    monkeypatch.setattr(AcmeClient, "revoke", watching)
    outcome = renewer.run(action="revoke", serial=old.serial, reason="superseded")
    new = renewer.current()
    assert outcome["renewed"] is True
    assert outcome["reason"] == f"{old.serial} is being revoked: superseded"
    assert outcome["serial"] == new.serial != old.serial
    assert new.private_key != old.private_key
    assert new.revoked_serials == (old.serial,)
    assert seen == [new.serial]
    assert status(server, old.serial) == ("Revoked", 4)
    assert status(server, new.serial)[0] == "Valid"
    [signed] = revocations.protected
    assert signed["kid"] == new.acme_account
    # The next renewal does not forget which serials are not to be installed again.
    assert renewer.run(force=True)["renewed"] is True
    assert renewer.current().revoked_serials == (old.serial,)


def test_now_revokes_first(
    renewer: Renewer, server: Pebble, revocations: Revocations, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewer.run()
    old = renewer.current()
    seen: list[object] = []
    new_order = AcmeClient.new_order

    def watching(client: AcmeClient, *arguments: Any, **rest: Any) -> Any:
        seen.extend([renewer.document(), status(server, old.serial)[0]])
        return new_order(client, *arguments, **rest)

    monkeypatch.setattr(AcmeClient, "new_order", watching)
    outcome = renewer.run(action="revoke", serial=old.serial, now=True)
    assert outcome["renewed"] is True
    assert seen == [NoCertificate((old.serial,)), "Revoked"]
    assert renewer.current().serial == outcome["serial"] != old.serial
    assert renewer.current().revoked_serials == (old.serial,)
    assert len(revocations.protected) == 1


@pytest.mark.parametrize("key_type", ["rsa2048", "ec256", "ec384"])
def test_a_compromised_key_signs_its_own_revocation(
    renewer: Renewer, server: Pebble, revocations: Revocations, key_type: str
) -> None:
    renewer.run(key_type=key_type)
    old = renewer.current()
    outcome = renewer.run(action="revoke", serial=old.serial, reason="keyCompromise", key_type=key_type)
    assert outcome["renewed"] is True
    assert status(server, old.serial) == ("Revoked", 1)
    [signed] = revocations.protected
    assert "kid" not in signed
    leaf_key = x509.load_pem_x509_certificate(old.leaf.encode()).public_key()
    assert isinstance(leaf_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    signer = JWK.from_json(signed["jwk"])
    assert isinstance(signer, JWKRSA | JWKEC)
    assert signer.key.public_numbers() == leaf_key.public_numbers()
    assert signed["alg"] == {"rsa2048": "RS256", "ec256": "ES256", "ec384": "ES384"}[key_type]
    [payload] = revocations.payloads
    assert payload["reason"] == 1


@pytest.mark.parametrize("now", [False, True])
def test_a_revocation_may_be_repeated(renewer: Renewer, server: Pebble, now: bool) -> None:
    renewer.run()
    old = renewer.current()
    renewer.run(action="revoke", serial=old.serial, now=now)
    new = renewer.current()
    stages = renewer.stages(renewer.certificate_arn)
    again = renewer.run(action="revoke", serial=old.serial, now=now)
    assert (again["renewed"], again["serial"]) == (False, new.serial)
    assert again["reason"] == f"{old.serial} was revoked already"
    assert renewer.current() == new
    assert renewer.stages(renewer.certificate_arn) == stages
    assert status(server, new.serial)[0] == "Valid"


def test_a_revocation_that_died_before_it_was_told_is_finished(renewer: Renewer, server: Pebble) -> None:
    renewer.run()
    old = renewer.current()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lambda_renewer.revocation, "revoke_at_authority", _die)
        with pytest.raises(Died):
            renewer.run(action="revoke", serial=old.serial)
    new = renewer.current()
    assert new.serial != old.serial
    assert status(server, old.serial)[0] == "Valid"
    assert renewer.run(action="revoke", serial=old.serial, later=NEXT_RUN)["renewed"] is False
    assert status(server, old.serial)[0] == "Revoked"
    assert renewer.current() == new


@pytest.mark.parametrize("repeated", [True, False])
def test_after_now_and_a_failed_issuance_the_next_run_issues(renewer: Renewer, repeated: bool) -> None:
    renewer.run()
    old = renewer.current()

    def refuse(*_: Any, **__: Any) -> None:
        raise AcmeError("not today")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AcmeClient, "new_order", refuse)
        with pytest.raises(AcmeError, match="not today"):
            renewer.run(action="revoke", serial=old.serial, now=True)
    assert renewer.document() == NoCertificate((old.serial,))
    assert renewer.run(action="report")["reason"] == "there is no certificate"
    if repeated:
        assert renewer.run(action="revoke", serial=old.serial, now=True)["renewed"] is True
    else:
        assert renewer.run(later=NEXT_RUN)["renewed"] is True
    assert renewer.current().revoked_serials == (old.serial,)


def test_another_serial_is_refused(renewer: Renewer, server: Pebble) -> None:
    renewer.run()
    current = renewer.current()
    with pytest.raises(
        RequestError, match=f"serial is 'abc123'; the current certificate's is {current.serial}"
    ) as raised:
        renewer.run(action="revoke", serial="abc123")
    assert raised.value.field == "serial"
    assert renewer.current() == current
    assert status(server, current.serial)[0] == "Valid"


def test_nothing_to_revoke(renewer: Renewer) -> None:
    with pytest.raises(RequestError, match="the current certificate's is none"):
        renewer.run(action="revoke", serial="abc123")
    assert renewer.secret_text(renewer.certificate_arn) == EMPTY


@pytest.mark.parametrize("now", [False, True])
def test_while_another_run_works_on_it_nothing_is_revoked_unless_now(
    renewer: Renewer, server: Pebble, now: bool
) -> None:
    renewer.run()
    old = renewer.current()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AcmeClient, "finalize", _die)
        with pytest.raises(Died):
            renewer.run(force=True)
    if now:  # the other run can write no more, so this one issues
        done = renewer.run(action="revoke", serial=old.serial, now=True)
        assert done["renewed"] is True
        assert renewer.current().revoked_serials == (old.serial,)
        assert renewer.challenge_records() == []
    else:
        with pytest.raises(StoreConflict, match="nothing was revoked: another run works on it"):
            renewer.run(action="revoke", serial=old.serial)
        assert renewer.current() == old
    assert status(server, old.serial)[0] == ("Revoked" if now else "Valid")


def test_what_the_authority_did_not_revoke_the_schedule_revokes(renewer: Renewer, server: Pebble) -> None:
    """The record holds what is to be revoked, over renewals too, until the authority has confirmed it."""
    renewer.run()
    old = renewer.current()

    def refuse(*_: Any, **__: Any) -> None:
        raise AcmeError("not today")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AcmeClient, "revoke", refuse)
        with pytest.raises(AcmeError, match="not today"):
            renewer.run(action="revoke", serial=old.serial, reason="keyCompromise")
        new = renewer.current()
        assert new.revoked_serials == (old.serial,)
        with pytest.raises(AcmeError, match="not today"):
            renewer.run(force=True)
        assert renewer.current().serial not in {old.serial, new.serial}
    assert status(server, old.serial)[0] == "Valid"
    assert renewer.run(action="report")["in_flight"]["revoking"] == [old.serial]
    assert renewer.run(later=NEXT_RUN)["renewed"] is False
    assert status(server, old.serial)[0] == "Revoked"
    assert renewer.run(action="report")["in_flight"]["revoking"] == []
    assert renewer.run(action="revoke", serial=old.serial)["reason"] == f"{old.serial} was revoked already"


def test_now_keeps_the_authoritys_retry_after_and_leaves_no_txt(renewer: Renewer, server: Pebble) -> None:
    renewer.run()
    old = renewer.current()
    limited = Problem(
        {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many"},
        status=429,
        url="https://ca.example/",
        retry_after=86_400 * 2,
    )

    def refuse(*_: Any, **__: Any) -> None:
        raise limited

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AcmeClient, "new_order", refuse)
        with pytest.raises(Problem):
            renewer.run(force=True)
    held = renewer.run(action="revoke", serial=old.serial, now=True)
    assert held["renewed"] is False
    assert "no other yet: the authority does not want this request before" in held["reason"]
    assert status(server, old.serial)[0] == "Revoked"
    assert renewer.document() == NoCertificate((old.serial,))
    assert "does not want this request before" in renewer.run(later=timedelta(hours=18))["reason"]
    assert renewer.run(later=timedelta(days=3))["renewed"] is True
    assert renewer.challenge_records() == []
