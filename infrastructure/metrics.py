"""The metrics that the renewer and the agents report, as alarms and dashboard find them."""

from __future__ import annotations

from .certificate_settings import CertificateSettings
from .nas_settings import NasSettings

# Their one dimension, as lambda_renewer.measures and synology_agent.aws write it.
DIMENSION = "certificate"
LIFE_LEFT, DAYS_LEFT = "LifeLeft", "DaysLeft"
FAILED, ISSUED, DURATION = "Failed", "Issued", "Duration"  # of the renewer alone


def renewer_namespace(prefix: str) -> str:
    """Return the namespace of the renewer, which is no NAS's; `prefix` is `synology-https/<stack>`."""
    return prefix


def nas_namespace(prefix: str, nas: str) -> str:
    """Return the namespace that is one NAS's alone; `prefix` is `synology-https/<stack>`."""
    return f"{prefix}/{nas}"


def name_on_nas(nas: NasSettings, certificate: CertificateSettings) -> str:
    """Return what the agent calls the certificate: the first of the names in its config."""
    return nas.names_of(certificate)[0]
