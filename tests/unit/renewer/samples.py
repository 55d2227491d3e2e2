"""A certificate and a request to vary in tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from lambda_renewer.document import Certificate
from lambda_renewer.keys import make_key, write_key
from lambda_renewer.request import CertificateRequest, parse_request

KEY = write_key(make_key("ec256"))
START = datetime(2026, 11, 25, 2, 0, 0, tzinfo=UTC)

EVENT: dict[str, Any] = {
    "action": "renew",
    "name": "nas",
    "domains": ["example.com", "*.example.com"],
    "key_type": "ec256",
    "profile": "classic",
    "directory": "https://acme.example.net/dir",
    "contact": "a@example.com",
    "terms_agreed": True,
    "ca_root": "a PEM",
    "zones": {"example.com": {"id": "Z1"}},
    "secret": "arn:aws:secretsmanager:eu-central-1:000000000000:secret:certificate-AbCdEf",
    "interval_seconds": 43_200,
    "window_seconds": 21_600,
}


def request(**changes: Any) -> CertificateRequest:
    return parse_request({**EVENT, **changes})


def certificate(lifetime: timedelta = timedelta(days=90), **changes: Any) -> Certificate:
    return replace(
        Certificate(
            name="nas",
            domains=("example.com", "*.example.com"),
            key_type="ec256",
            leaf="leaf PEM",
            chain="chain PEM",
            private_key="the secret key",
            serial="3039",
            fingerprint_sha256="ab" * 32,
            issuer="Test CA",
            not_before=START,
            not_after=START + lifetime,
            issued_at=START,
            acme_directory=EVENT["directory"],
            acme_account="https://acme.example.net/account/1",
            profile="classic",
            zone_ids=("Z1",),
            ari_id="AAAA.MDk",
        ),
        **changes,
    )
