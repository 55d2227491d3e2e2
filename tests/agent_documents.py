"""Certificate documents as the renewer writes them, for certificates of the simulation's own authorities."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from lambda_renewer.document import Certificate, write_document
from local_cloud.dsm.tree import Pair
from synology_agent.certificates import read_pem


def document_of(pair: Pair, **changes: Any) -> str:
    """Return the document that the renewer writes for the pair; `changes` replace its fields."""
    leaf = x509.load_pem_x509_certificate(pair.leaf)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    fields: dict[str, Any] = {
        "name": "home",
        "domains": tuple(names.get_values_for_type(x509.DNSName)),
        "key_type": "ec256",
        "leaf": pair.leaf.decode(),
        "chain": pair.chain.decode(),
        "private_key": pair.key.decode(),
        "serial": f"{leaf.serial_number:x}",
        "fingerprint_sha256": leaf_of(pair),
        "issuer": leaf.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value,
        "not_before": leaf.not_valid_before_utc,
        "not_after": leaf.not_valid_after_utc,
        "issued_at": datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1),
        "acme_directory": "https://localhost/dir",
        "acme_account": "https://localhost/account/1",
        "profile": "classic",
        "ari_id": "x.y",
        "zone_ids": ("Z1",),
    }
    return write_document(Certificate(**{**fields, **changes}))


def leaf_of(pair: Pair) -> str:
    """Return the SHA-256 of the pair's leaf, as the agent writes it."""
    return read_pem(pair.leaf.decode())[0].fingerprint
