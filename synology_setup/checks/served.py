"""The certificate that DSM's page serves now."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from synology_agent.certificates import covers

from .dsm_page import DsmPage
from .finding import Finding, bad, good, untold


def judge_served(nas: str, certificate: str, name: str, page: DsmPage, now: datetime) -> Finding:
    """Judge it.

    Args:
        nas: its name in the stack.
        certificate: the name in the stack of the certificate that it should serve.
        name: the host name in the URL.
        page: what was seen.
        now: this machine's time.
    """
    what = f"the NAS {nas} serves a good certificate for {name}"
    install = f"python -m synology_setup install ACCOUNT@{name}"
    leaf = page.leaf
    until = leaf.not_valid_after_utc
    measured = (
        f"serial {leaf.serial_number:x}, issued by {_issuer(leaf)}, until {until:%Y-%m-%d %H:%M} UTC "
        f"({(until - now).days} days)"
    )
    if not page.distrust:
        return good(what, measured)
    if _is_dsms_own(leaf):
        return untold(what, f"before the installation: DSM's own certificate, {measured}", install)
    if until < now:
        renew = f"python -m synology_setup renew {certificate}"
        advice = f"it has expired. Have a new one made: {renew}. Then: {install}"
    elif not covers(_names(leaf), name):
        advice = (
            f"it is for {', '.join(_names(leaf)) or 'no name'}. Install the stack's: {install}. Where "
            f"that is done: Control Panel > Security > Certificate > Settings, choose the one for {name}"
        )
    else:
        advice = (
            "this machine does not trust its issuer. If it comes from a test authority (staging): pulumi "
            "config set directory https://acme-v02.api.letsencrypt.org/directory, then `pulumi up`. "
            f"Otherwise an intermediate certificate is missing: {install} puts the whole chain there"
        )
    return bad(what, f"{measured}: {page.distrust}", advice)


def unread(nas: str, name: str, port: int, reason: str) -> Finding:
    """Say that there is no certificate to look at."""
    return bad(
        f"the NAS {nas} serves a good certificate for {name}",
        f"no TLS at port {port}: {reason}",
        f"look whether {port} is the HTTPS port: Control Panel > Login Portal > DSM (DSM 6: Network > DSM "
        "Settings)",
    )


def _is_dsms_own(leaf: x509.Certificate) -> bool:
    """Tell whether it is one that comes with DSM: self-signed, or signed by a CA of its own."""
    organizations = leaf.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return leaf.issuer == leaf.subject or any("Synology" in str(one.value) for one in organizations)


def _issuer(leaf: x509.Certificate) -> str:
    for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for attribute in leaf.issuer.get_attributes_for_oid(oid):
            return str(attribute.value)
    return leaf.issuer.rfc4514_string() or "nobody"


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return extension.value.get_values_for_type(x509.DNSName)
