"""The ACME account of each directory, kept in a secret of its own that no NAS can read."""

from __future__ import annotations

import json
from typing import Any

from josepy.errors import DeserializationError
from josepy.jwk import JWKEC

from .acme_client import AcmeClient, make_account_key
from .errors import RequestError, StoreConflict, StoreError
from .request import CertificateRequest
from .store import SecretStore, Version


def open_account(request: CertificateRequest, store: SecretStore, ca_root: str | None) -> AcmeClient:
    """Return a client that signs with the account of the request's directory; make it if there is none.

    Args:
        request: names the directory, the contact and whether its terms are accepted.
        store: the account secret, JSON by directory URL.
        ca_root: path of a PEM file with the roots that verify the directory's HTTPS, or None.

    Raises:
        RequestError: the directory has terms of service and the request does not accept them.
        AcmeError: the authority refused.
        StoreError: the account document cannot be read.
    """
    version = store.read()
    known = _accounts(version).get(request.directory)
    if known is not None:
        return _use(known, request.directory, ca_root)
    key = make_account_key()
    client = AcmeClient(request.directory, key, ca_root=ca_root)
    terms = client.terms_of_service()
    if terms and not request.terms_agreed:
        raise RequestError(
            "terms_agreed", False, f"the authority's terms of service are at {terms}: read them, then set it"
        )
    account = {
        "key": key.to_json(),
        "kid": client.new_account(contact=request.contact, terms_agreed=bool(terms)),
        "contact": request.contact,
        "terms_agreed": terms,
    }
    winner = _remember(store, version, request.directory, account)
    return client if winner == account else _use(winner, request.directory, ca_root)


def _remember(
    store: SecretStore, version: Version, directory: str, account: dict[str, Any]
) -> dict[str, Any]:
    """Add `account`, unless another run has made one for the directory: return the one that stands."""
    while True:
        accounts = _accounts(version)
        if directory in accounts:
            return accounts[directory]
        try:
            store.write(json.dumps({**accounts, directory: account}, sort_keys=True), based_on=version)
        except StoreConflict:
            version = store.read()
        else:
            return account


def _use(account: dict[str, Any], directory: str, ca_root: str | None) -> AcmeClient:
    try:
        key, kid = JWKEC.from_json(account["key"]), account["kid"]
    except (KeyError, TypeError, AttributeError, ValueError, DeserializationError):
        # Without the cause, whose text could hold a part of the key.
        raise StoreError(f"the account document's entry for {directory} cannot be read") from None
    if not isinstance(key, JWKEC):
        raise StoreError(f"the account key for {directory} is not an elliptic curve key")
    client = AcmeClient(directory, key, ca_root=ca_root)
    client.use_account(kid)
    return client


def _accounts(version: Version) -> dict[str, dict[str, Any]]:
    try:
        accounts = json.loads(version.text or "{}")
    except ValueError:
        raise StoreError("the ACME account secret is not JSON") from None
    if not isinstance(accounts, dict):
        raise StoreError("the ACME account secret is not a JSON object")
    return accounts
