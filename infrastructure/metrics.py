"""The metrics that the renewer and the agents report, as alarms and dashboard find them."""

from __future__ import annotations

# lambda_renewer.measures writes it, one dimension: the certificate's name.
RENEWER = "synology-https/renewer"
DIMENSION = "certificate"
LIFE_LEFT, FAILED, ISSUED, DURATION = "LifeLeft", "Failed", "Issued", "Duration"
# The agent's too, in its NAS's own namespace; there the dimension is the certificate's first domain.
DAYS_LEFT = "DaysLeft"


def nas_namespace(prefix: str, nas: str) -> str:
    """Return the namespace that is one NAS's alone; `prefix` is `synology-https/<stack>`."""
    return f"{prefix}/{nas}"
