"""The ACME account of each directory, kept in a secret of its own that no NAS can read."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

from josepy.errors import DeserializationError
from josepy.jwk import JWKEC

from .acme_client import AcmeClient, ExternalAccount, make_account_key
from .directory import Directory
from .errors import RequestError, StoreConflict, StoreError
from .request import CertificateRequest
from .store import Contents, SecretStore, Version

_SWAP_TRIES = 10

Accounts = dict[str, dict[str, Any]]


def open_account(
    request: CertificateRequest,
    directory: Directory,
    store: SecretStore,
    ca_root: str | None,
    external: Callable[[], ExternalAccount | None],
) -> AcmeClient:
    """Return a client that signs with the account of the request's directory; make it if there is none.

    Args:
        request: names the directory, the contact and whether its terms are accepted.
        directory: what that URL answers.
        store: the account secret, JSON by directory URL.
        ca_root: path of a PEM file with the roots that verify the directory's HTTPS, or None.
        external: gives the credentials of External Account Binding; asked only where an account is made.

    Raises:
        RequestError: the directory has terms of service and the request does not accept them, or it wants an
            external account and the request names none.
        AcmeError: the authority refused.
        StoreError: the account document cannot be read.
    """
    contents = Contents(store.read_stage("AWSCURRENT"), None)
    known = _accounts(contents).get(request.directory)
    if known is not None:
        return _use(known, request.directory, directory, ca_root)
    meta = directory.get("meta", {})
    terms = meta.get("termsOfService")
    if terms and not request.terms_agreed:
        raise RequestError(
            "terms_agreed", False, f"the authority's terms of service are at {terms}: read them, then set it"
        )
    credentials = external()
    if meta.get("externalAccountRequired") and credentials is None:
        raise RequestError(
            "eab_secret", None, "the authority wants an external account: put its credentials into a secret"
        )
    key = make_account_key()
    client = AcmeClient(directory, key, ca_root=ca_root)
    account = {
        "key": key.to_json(),
        "kid": client.new_account(contact=request.contact, terms_agreed=bool(terms), external=credentials),
        "contact": request.contact,
        "terms_agreed": terms,
    }
    winner = _remember(store, contents, request.directory, account)
    return client if winner == account else _use(winner, request.directory, directory, ca_root)


def read_external_account(version: Version | None) -> ExternalAccount:
    """Read the credentials from the secret that a request names: JSON with `kid` and `hmac_key`.

    Raises:
        StoreError: it has no value, or is not such JSON.
    """
    try:
        fields = json.loads(version.text if version else "")
        kid, hmac_key = fields["kid"], fields["hmac_key"]
        if not isinstance(kid, str) or not re.fullmatch(r"[A-Za-z0-9_+/-]+=*", hmac_key):
            raise TypeError
        base64.urlsafe_b64decode(f"{hmac_key}==")
        return ExternalAccount(kid, hmac_key)
    except (ValueError, KeyError, TypeError):
        raise StoreError(
            'the secret of the external account is not JSON such as {"kid": "…", "hmac_key": "…"}'
        ) from None


def _remember(
    store: SecretStore, contents: Contents, directory: str, account: dict[str, Any]
) -> dict[str, Any]:
    """Add `account`, unless another run has made one for the directory: return the one that stands."""
    for _ in range(_SWAP_TRIES):
        accounts = _accounts(contents)
        if directory in accounts:
            return accounts[directory]
        try:
            text = json.dumps({**accounts, directory: account}, sort_keys=True)
            store.write(text, ["AWSCURRENT"], based_on=contents)
        except StoreConflict:
            contents = Contents(store.read_stage("AWSCURRENT"), None)
        else:
            return account
    raise StoreError(f"the account secret kept changing while the account of {directory} was written")


def _use(account: dict[str, Any], url: str, directory: Directory, ca_root: str | None) -> AcmeClient:
    try:
        key, kid = JWKEC.from_json(account["key"]), account["kid"]
    except (KeyError, TypeError, AttributeError, ValueError, DeserializationError):
        # Without the cause, whose text could hold a part of the key.
        raise StoreError(f"the account document's entry for {url} cannot be read") from None
    if not isinstance(key, JWKEC):
        raise StoreError(f"the account key for {url} is not an elliptic curve key")
    client = AcmeClient(directory, key, ca_root=ca_root)
    client.use_account(kid)
    return client


def _accounts(contents: Contents) -> Accounts:
    try:
        accounts = json.loads(contents.current.text if contents.current else "{}")
    except ValueError:
        raise StoreError("the ACME account secret is not JSON") from None
    if not isinstance(accounts, dict):
        raise StoreError("the ACME account secret is not a JSON object")
    return accounts
