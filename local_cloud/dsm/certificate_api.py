"""SYNO.Core.Certificate import and SYNO.Core.Certificate.CRT list."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from local_cloud.dsm import api_error
from local_cloud.dsm.api_error import ApiError
from local_cloud.dsm.bindings import apply_to_nginx, deliver, make_default
from local_cloud.dsm.switches import Switches, read_switches
from local_cloud.dsm.tree import DsmTree, Json, Pair, leaf_file

_NAME_PARTS = {
    NameOID.COMMON_NAME: "common_name",
    NameOID.COUNTRY_NAME: "country",
    NameOID.LOCALITY_NAME: "city",
    NameOID.ORGANIZATION_NAME: "organization",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "department",
    NameOID.STATE_OR_PROVINCE_NAME: "state",
}


def list_entries(tree: DsmTree, _: Json) -> Json:
    """CRT list, version 1: every entry with its certificate, its services and whether it is the default."""
    default = tree.default_id
    return {
        "certificates": [
            _described(tree, entry_id, entry, default) for entry_id, entry in tree.info().items()
        ]
    }


def import_pair(tree: DsmTree, parameters: Json) -> Json:
    """Import, version 1: a new entry that serves nothing until bound, or with `id` a replacement in place.

    In place every bound service keeps the entry and gets its copy. There is no undo. Any field but a string
    is refused as 5511 "illegal key file" (measured for a bare `as_default=true`), except `id`: one that
    became a number is an entry that there is not. A missing `desc` empties the old one (unsure: the harder
    reading).
    """
    switches = read_switches(tree)
    if switches.refuse_import is not None:
        raise ApiError(switches.refuse_import)
    entry_id, description = parameters.get("id", ""), parameters.get("desc", "")
    as_default = parameters.get("as_default", "")
    if not isinstance(as_default, str) or not isinstance(description, str):
        raise ApiError(api_error.BAD_KEY)
    pair = _checked(
        leaf=_staged(tree, switches, parameters.get("cert_tmp"), unreadable=api_error.BAD_CERTIFICATE),
        chain=_staged_chain(tree, switches, parameters.get("inter_cert_tmp", "")),
        key=_staged(tree, switches, parameters.get("key_tmp"), unreadable=api_error.BAD_KEY),
    )
    entries = tree.info()
    if not isinstance(entry_id, str) or (entry_id and entry_id not in entries):
        raise ApiError(api_error.NO_SUCH_CERTIFICATE)
    entry_id = entry_id or tree.new_id()
    if switches.lie_on_import:
        return {"id": entry_id, "restart_httpd": False}

    tree.write_pair(entry_id, pair)
    entry = entries.setdefault(entry_id, {"services": [], "user_deletable": True})
    entry["desc"] = description
    tree.write_info(entries)
    if as_default == "true":
        make_default(tree, entry_id)
    deliver(tree, entry_id, tree.info()[entry_id]["services"])
    return {"id": entry_id, "restart_httpd": apply_to_nginx(tree, entry_id)}


def _staged(tree: DsmTree, switches: Switches, path: object, *, unreadable: int) -> bytes:
    """Read a staged file.

    The handler has a /tmp of its own and refuses a path with a literal `*`, as a wildcard certificate's may
    have (both reported on 7.2.2: the failed open shows as 5511).
    """
    if not isinstance(path, str):
        raise ApiError(api_error.BAD_KEY)
    real = tree.path(path)
    if (switches.private_tmp and real.is_relative_to(tree.path("/tmp"))) or "*" in path:  # noqa: S108
        raise ApiError(api_error.BAD_KEY)
    try:
        return real.read_bytes()
    except OSError:
        raise ApiError(unreadable) from None


def _staged_chain(tree: DsmTree, switches: Switches, path: object) -> bytes:
    return b"" if path == "" else _staged(tree, switches, path, unreadable=api_error.BAD_INTERMEDIATE)


def _checked(*, leaf: bytes, chain: bytes, key: bytes) -> Pair:
    """Check the three as DSM does: RSA and EC, PKCS#1, SEC1 and PKCS#8 keys are good.

    Unsure is what makes a chain incomplete (5513): here a leaf without its issuer, unless self-issued, and a
    certificate that the next one did not sign.
    """
    try:
        private_key = load_pem_private_key(key, password=None)
    except (ValueError, TypeError):
        raise ApiError(api_error.BAD_KEY) from None
    try:
        certificate = x509.load_pem_x509_certificates(leaf)[0]
    except ValueError:
        raise ApiError(api_error.BAD_CERTIFICATE) from None
    try:
        intermediates = x509.load_pem_x509_certificates(chain) if chain else []
    except ValueError:
        raise ApiError(api_error.BAD_INTERMEDIATE) from None
    if private_key.public_key() != certificate.public_key():
        raise ApiError(api_error.KEY_DOES_NOT_MATCH)
    if not intermediates and certificate.issuer != certificate.subject:
        raise ApiError(api_error.INCOMPLETE_CHAIN)
    for issued, issuer in pairwise([certificate, *intermediates]):
        try:
            issued.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            raise ApiError(api_error.INCOMPLETE_CHAIN) from None
    return Pair(leaf, chain, key)


def _described(tree: DsmTree, entry_id: str, entry: Json, default: str) -> Json:
    """Describe an entry in the list's shape; `valid_till` is such as "Dec 25 11:39:42 2023 GMT"."""
    shape: Json = {
        "id": entry_id,
        "desc": entry["desc"],
        "is_default": entry_id == default,
        "services": entry["services"],
        "user_deletable": entry.get("user_deletable", True),
    }
    try:
        certificate = x509.load_pem_x509_certificate(leaf_file(tree.archive / entry_id).read_bytes())
    except (OSError, ValueError):
        return {**shape, "is_broken": True}
    key_types = "RSA" if isinstance(certificate.public_key(), rsa.RSAPublicKey) else "ECC"
    if (tree.archive / entry_id / "ECC-cert.pem").exists():
        key_types = "RSA/ECC"  # unsure how a dual one is named
    return {
        **shape,
        "is_broken": False,
        "issuer": _name(certificate.issuer),
        "key_types": key_types,
        "renewable": False,
        "signature_algorithm": certificate.signature_algorithm_oid._name,
        "subject": {**_name(certificate.subject), "sub_alt_name": _alternative_names(certificate)},
        "valid_from": _moment(certificate.not_valid_before_utc),
        "valid_till": _moment(certificate.not_valid_after_utc),
    }


def _name(name: x509.Name) -> Json:
    """A name's known parts; a leaf without a common name has an empty one ("Issued to" is empty in DSM)."""
    parts = {_NAME_PARTS[part.oid]: part.value for part in name if part.oid in _NAME_PARTS}
    return {"common_name": "", **parts}


def _alternative_names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]


def _moment(when: datetime) -> str:
    return f"{when:%b} {when.day:2d} {when:%H:%M:%S %Y} GMT"
