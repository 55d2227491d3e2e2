"""What only a current Pebble has, built with this machine's Go: renewal information, profiles, `replaces`."""

from __future__ import annotations

import json
import ssl
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lambda_renewer import directory as renewer_directory
from lambda_renewer.acme_client import AcmeClient, Network
from lambda_renewer.clock import from_rfc3339, to_rfc3339
from lambda_renewer.document import write_document
from lambda_renewer.errors import Problem, RequestError
from local_cloud.acme import Pebble
from local_cloud.acme.current_pebble import build_pebble
from local_cloud.dns_server import DnsServer
from local_cloud.ministack.server import LocalAws
from tests.integration.conftest import BUILD
from tests.integration.test_renewer_settings import Requests
from tests.renewer_bench import LIFETIME, NEXT_RUN, SOON, Died, Renewer, make_renewer

SHORT = 6 * 86_400


@pytest.fixture(scope="module")
def current_pebble() -> Path:
    program = build_pebble(BUILD)
    if program is None:
        pytest.skip("needs Go")
    return program


@pytest.fixture(scope="module")
def server(
    current_pebble: Path, dns: DnsServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pebble]:
    work = tmp_path_factory.mktemp("current")
    with Pebble(
        current_pebble,
        work,
        dns.port,
        LIFETIME,
        profiles={"shortlived": SHORT},
        nonce_reject_percent=0,
        retry_after_seconds=1,
    ) as made:
        yield made


@pytest.fixture
def renewer(local_aws: LocalAws, server: Pebble, dns: DnsServer) -> Renewer:
    return make_renewer(local_aws, server, dns.port)


def say_window(renewer: Renewer, server: Pebble, start: datetime, end: datetime, **more: str) -> None:
    """Make the authority answer with this window for the current certificate."""
    window = {"suggestedWindow": {"start": to_rfc3339(start), "end": to_rfc3339(end)}, **more}
    body = {"Certificate": renewer.current().leaf, "ARIResponse": json.dumps(window)}
    request = urllib.request.Request(  # noqa: S310
        f"{server.management_url}/set-renewal-info/", data=json.dumps(body).encode(), method="POST"
    )
    context = ssl.create_default_context(cafile=str(server.ca_root))
    with urllib.request.urlopen(request, context=context, timeout=10) as answer:  # noqa: S310
        assert answer.status == 200


def test_the_authoritys_window_decides(renewer: Renewer, server: Pebble) -> None:
    renewer.run()
    current = renewer.current()
    idle = renewer.run()
    assert idle["renewed"] is False
    assert "chosen in the authority's renewal window" in idle["reason"]
    # Pebble's own window: two thirds of the lifetime, plus or minus a day.
    around = current.not_before + timedelta(seconds=LIFETIME) * 2 / 3
    assert abs(from_rfc3339(idle["due"]) - around) <= timedelta(days=1, seconds=2)
    assert renewer.run()["due"] == idle["due"]
    now = datetime.now(UTC)
    soon = now + timedelta(hours=1)
    say_window(renewer, server, soon, soon + timedelta(hours=1), explanationURL="https://ca.example/why")
    outcome = renewer.run()
    assert outcome["renewed"] is True
    assert "chosen in the authority's renewal window, and the next run may be at" in outcome["reason"]
    assert "https://ca.example/why" in renewer.said[-1]
    assert renewer.current().serial != current.serial


def test_a_window_in_the_past_means_now(renewer: Renewer, server: Pebble) -> None:
    renewer.run()
    now = datetime.now(UTC)
    say_window(renewer, server, now - timedelta(days=2), now - timedelta(days=1))
    outcome = renewer.run()
    assert outcome["renewed"] is True
    assert "it has been due since" in outcome["reason"]


def test_a_certificate_revoked_elsewhere_is_renewed(renewer: Renewer) -> None:
    renewer.run()
    old = renewer.current()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lambda_renewer.journal.Journal.save", lambda *_, **__: None)  # nobody here knows of it
        patch.setattr("lambda_renewer.revocation.write_revoked", _die)
        with pytest.raises(Died):
            renewer.run(action="revoke", serial=old.serial, now=True)
    assert renewer.current() == old
    outcome = renewer.run()
    assert outcome["renewed"] is True
    assert "chosen in the authority's renewal window" in outcome["reason"]


def _die(*_: Any, **__: Any) -> None:
    raise Died


def test_renewal_information_that_cannot_be_read_is_no_failure(renewer: Renewer, server: Pebble) -> None:
    renewer.run()
    now = datetime.now(UTC)
    say_window(renewer, server, now + timedelta(days=2), now + timedelta(days=1))
    idle = renewer.run()
    assert idle["renewed"] is False
    assert "two thirds of its lifetime" in idle["reason"]
    assert "a window that ends before it starts" in renewer.said[-1]


def test_an_expired_certificate_is_not_asked_about(renewer: Renewer) -> None:
    renewer.run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lambda_renewer.renewal.fetch_renewal_window", None)
        outcome = renewer.run(later=timedelta(seconds=LIFETIME + 60))
    assert outcome["renewed"] is True


def test_who_asks_too_early_for_the_authority_remembers(renewer: Renewer) -> None:
    """Pebble's Retry-After is 6 hours, and the schedule here is hourly."""
    hourly: dict[str, Any] = {"interval_seconds": 3_600, "window_seconds": 60}
    renewer.run(**hourly)
    first = renewer.run(**hourly)
    pending = renewer.pending()
    assert pending.ask_after is not None
    assert pending.window is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(renewer_directory, "_get_json", None)
        again = renewer.run(later=timedelta(hours=1), **hourly)
    assert (again["renewed"], again["due"]) == (False, first["due"])
    assert renewer.pending() == pending
    renewer.run(later=NEXT_RUN, **hourly)
    assert renewer.pending().ask_after != pending.ask_after
    assert renewer.run(later=timedelta(days=31), **hourly)["renewed"] is True


def orders(patch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Note the new orders as they are posted, and whether they were taken."""
    posted: list[dict[str, Any]] = []
    post = Network.post

    def noting(network: Network, url: str, body: Any, *rest: Any, **more: Any) -> Any:
        if not url.endswith("order-plz"):
            return post(network, url, body, *rest, **more)
        posted.append({**body.to_json(), "refused": None})
        try:
            return post(network, url, body, *rest, **more)
        except Problem as problem:
            posted[-1]["refused"] = (problem.status, problem.code)
            raise

    patch.setattr(Network, "post", noting)
    return posted


def test_a_renewal_says_what_it_replaces(renewer: Renewer, monkeypatch: pytest.MonkeyPatch) -> None:
    posted = orders(monkeypatch)
    renewer.run()
    old = renewer.current()
    renewer.run(**SOON)
    assert [one.get("replaces") for one in posted] == [None, old.ari_id]
    assert [one["profile"] for one in posted] == ["classic", "classic"]


def test_a_second_replacement_is_ordered_without(renewer: Renewer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authority knows a replacement already, and the secret does not."""
    renewer.run()
    old = renewer.current()
    renewer.run(**SOON)
    renewer.aws.client("secretsmanager").put_secret_value(
        SecretId=renewer.certificate_arn,
        SecretString=write_document(old),
        VersionStages=["AWSCURRENT", "AWSPENDING"],
    )
    posted = orders(monkeypatch)
    assert renewer.run(later=NEXT_RUN, **SOON)["renewed"] is True
    assert [(one.get("replaces"), one["refused"]) for one in posted] == [
        (old.ari_id, (409, "alreadyReplaced")),
        (None, None),
    ]


def test_a_lost_answer_to_new_order_locks_nobody_out(renewer: Renewer) -> None:
    renewer.run()
    new_order = AcmeClient.new_order

    def lose(client: AcmeClient, *arguments: Any, **rest: Any) -> Any:
        new_order(client, *arguments, **rest)
        raise Died

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AcmeClient, "new_order", lose)
        with pytest.raises(Died):
            renewer.run(**SOON)
    assert renewer.run(later=NEXT_RUN, **SOON)["renewed"] is True


def test_another_account_replaces_nothing(renewer: Renewer, monkeypatch: pytest.MonkeyPatch) -> None:
    renewer.run()
    renewer.aws.client("secretsmanager").put_secret_value(SecretId=renewer.account_arn, SecretString="{}")
    posted = orders(monkeypatch)
    assert renewer.run(force=True)["renewed"] is True
    assert [one.get("replaces") for one in posted] == [None]


def test_profiles(renewer: Renewer) -> None:
    renewer.run(profile="shortlived")
    current = renewer.current()
    assert abs(current.not_after - current.not_before - timedelta(seconds=SHORT)) < timedelta(minutes=1)
    outcome = renewer.run()
    assert outcome["reason"] == "the profile changed from shortlived to classic"
    with pytest.raises(
        RequestError, match="profile is 'tlsserver'; the directory offers classic, shortlived"
    ):
        renewer.run(profile="tlsserver")
    assert renewer.current().profile == "classic"


def test_a_renewal_takes_few_requests(renewer: Renewer, monkeypatch: pytest.MonkeyPatch) -> None:
    renewer.run()
    made = Requests(renewer, monkeypatch)
    assert renewer.run(**SOON)["renewed"] is True
    assert len([one for one in made.acme if "renewal" in one or "draft" in one]) == 1, made.acme
    assert len(made.acme) <= 13, made.acme
