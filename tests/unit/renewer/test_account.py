"""The account of a directory: found, made, bound, or the one that another run made first."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from josepy.jwk import JWKRSA

from lambda_renewer.account import open_account, read_external_account
from lambda_renewer.acme_client import AcmeClient, ExternalAccount, make_account_key
from lambda_renewer.errors import RequestError, StoreError
from lambda_renewer.store import SecretStore, Version
from tests.unit.renewer.samples import EVENT, request

URL = EVENT["directory"]
DIRECTORY: dict[str, Any] = {"newAccount": "https://ca/account", "newNonce": "https://ca/nonce", "meta": {}}
BOUND: dict[str, Any] = {**DIRECTORY, "meta": {"externalAccountRequired": True}}
CREDENTIALS = ExternalAccount(kid="kid-1", hmac_key="a2V5")


def nobody() -> ExternalAccount | None:
    return None


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The accounts that the authority was asked for."""
    asked: list[dict[str, Any]] = []

    def new_account(client: AcmeClient, **fields: Any) -> str:
        asked.append(fields)
        client.use_account(f"https://ca/account/{len(asked)}")
        return f"https://ca/account/{len(asked)}"

    monkeypatch.setattr(AcmeClient, "new_account", new_account)
    return asked


def put(store: SecretStore, text: str) -> None:
    store.write(text, ["AWSCURRENT"], based_on=store.read())


def test_an_account_is_made_once(store: SecretStore, made: list[dict[str, Any]]) -> None:
    first = open_account(request(), DIRECTORY, store, None, nobody)
    again = open_account(request(), DIRECTORY, store, None, nobody)
    assert (first.kid, again.kid) == ("https://ca/account/1", "https://ca/account/1")
    assert first._key.to_json() == again._key.to_json()
    assert made == [{"contact": "a@example.com", "terms_agreed": False, "external": None}]


def test_terms_are_accepted_by_setting(store: SecretStore, made: list[dict[str, Any]]) -> None:
    terms = {**DIRECTORY, "meta": {"termsOfService": "https://ca/terms"}}
    refusing = replace(request(), terms_agreed=False)
    with pytest.raises(RequestError, match="the authority's terms of service are at https://ca/terms"):
        open_account(refusing, terms, store, None, nobody)
    assert made == []
    open_account(request(), terms, store, None, nobody)
    assert made[0]["terms_agreed"] is True
    # A known account needs no consent again.
    assert open_account(refusing, terms, store, None, nobody).kid == "https://ca/account/1"


def test_credentials_are_used_and_asked_for_once(store: SecretStore, made: list[dict[str, Any]]) -> None:
    asked: list[int] = []

    def external() -> ExternalAccount:
        asked.append(1)
        return CREDENTIALS

    for _ in range(2):
        open_account(request(), BOUND, store, None, external)
    assert made == [{"contact": "a@example.com", "terms_agreed": False, "external": CREDENTIALS}]
    assert asked == [1]


def test_credentials_that_are_wanted_and_missing(store: SecretStore, made: list[dict[str, Any]]) -> None:
    with pytest.raises(RequestError, match="eab_secret is None; the authority wants an external") as raised:
        open_account(request(), BOUND, store, None, nobody)
    assert raised.value.field == "eab_secret"
    assert made == []


def test_credentials_that_are_not_wanted_are_sent_all_the_same(
    store: SecretStore, made: list[dict[str, Any]]
) -> None:
    open_account(request(), DIRECTORY, store, None, lambda: CREDENTIALS)
    assert made[0]["external"] == CREDENTIALS


def test_read_credentials() -> None:
    text = json.dumps({"kid": "kid-1", "hmac_key": "a2V5", "of tomorrow": 1})
    assert read_external_account(Version("v1", text, frozenset())) == CREDENTIALS


@pytest.mark.parametrize(
    "text",
    [
        *("", "no JSON", "[]", "7", "null", "{}", '{"kid": "a"}', '{"hmac_key": "a2V5"}'),
        *(
            json.dumps({"kid": "a", "hmac_key": key})
            for key in ("", "!!!!", "a2V5 a2V5", "kéy", "a", 1234, None)
        ),
        *(json.dumps({"kid": kid, "hmac_key": "a2V5"}) for kid in (7, None, ["a"])),
    ],
)
def test_malformed_credentials(text: str) -> None:
    with pytest.raises(StoreError, match="the secret of the external account is not JSON such as"):
        read_external_account(Version("v1", text, frozenset()))
    with pytest.raises(StoreError, match="the secret of the external account"):
        read_external_account(None)


def test_who_comes_second_uses_the_firsts_account(
    store: SecretStore, made: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs find no account, both make one, and the store keeps the first."""
    theirs = make_account_key()
    other = {"key": theirs.to_json(), "kid": "https://ca/account/99", "contact": None, "terms_agreed": None}
    new_account = AcmeClient.new_account

    def while_another_does(client: AcmeClient, **fields: Any) -> str:
        kid = new_account(client, **fields)
        put(store, json.dumps({URL: other}))
        return kid

    monkeypatch.setattr(AcmeClient, "new_account", while_another_does)
    client = open_account(request(), DIRECTORY, store, None, nobody)
    assert client.kid == "https://ca/account/99"
    assert client._key.to_json() == theirs.to_json()
    assert len(made) == 1


def test_another_directorys_account_is_kept(
    store: SecretStore, made: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other run wrote first, for another directory: both accounts stand."""
    new_account = AcmeClient.new_account

    def while_another_does(client: AcmeClient, **fields: Any) -> str:
        kid = new_account(client, **fields)
        put(store, json.dumps({"https://other/dir": {"kid": "x"}}))
        return kid

    monkeypatch.setattr(AcmeClient, "new_account", while_another_does)
    assert open_account(request(), DIRECTORY, store, None, nobody).kid == "https://ca/account/1"
    version = store.read_stage("AWSCURRENT")
    assert version is not None
    assert json.loads(version.text).keys() == {"https://other/dir", URL}
    assert len(made) == 1


RSA = JWKRSA(key=rsa.generate_private_key(65537, 2048)).to_json()


@pytest.mark.parametrize(
    "text",
    [
        *("no JSON", "[]", "7", json.dumps({URL: {}}), json.dumps({URL: []}), json.dumps({URL: "text"})),
        *(json.dumps({URL: {"key": {}, "kid": "k"}}), json.dumps({URL: {"key": RSA, "kid": "k"}})),
        json.dumps({URL: {"key": {"kty": "EC", "crv": "P-256", "x": "secret", "y": "?"}, "kid": "k"}}),
        json.dumps({URL: {"key": make_account_key().to_json()}}),
    ],
)
def test_a_document_that_cannot_be_read(store: SecretStore, made: list[dict[str, Any]], text: str) -> None:
    put(store, text)
    with pytest.raises(StoreError, match="account") as raised:
        open_account(request(), DIRECTORY, store, None, nobody)
    assert "secret" not in str(raised.value).replace("account secret", "")
    assert made == []
