"""The stack's outputs: what set-up reads, and what to do next in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi

from .metrics import nas_namespace
from .nas_settings import NasSettings

_DSM_PORT = 5001


def nas_url(nas: NasSettings) -> str:
    """Return where DSM's page is."""
    return f"https://{nas.host_names[0]}:{_DSM_PORT}"


def agent_config(
    nas: NasSettings, *, region: str, prefix: str, certificate_arns: Mapping[str, pulumi.Input[str]]
) -> dict[str, Any]:
    """Return the agent's config file without its key, JSON.

    Args:
        nas: whose agent.
        region: of the secrets.
        prefix: of its metric namespace, `synology-https/<stack>`.
        certificate_arns: certificate name -> ARN of its secret.
    """
    return {
        "region": region,
        "metric_namespace": nas_namespace(prefix, nas.name),
        "certificates": [
            {
                "secret": certificate_arns[one.name],
                "names": nas.names_of(one),
                "entry": one.domains[0],
                "assign": "auto",
            }
            for one in nas.certificates
        ],
    }


def next_step(
    first_outcomes: Mapping[str, str],
    *,
    nases: tuple[str, ...] = (),
    name_servers: Mapping[str, list[str]] | None = None,
    alarm_email: str | None = None,
) -> str:
    """Say what is left to do, a line each.

    Args:
        first_outcomes: certificate name -> what its first run returned, JSON.
        nases: the NASes' names.
        name_servers: zone name -> name servers, of the zones that the stack made.
        alarm_email: who has to confirm the subscription, or None.
    """
    lines = [
        f"At the registrar of {zone}, enter the name servers {', '.join(one.rstrip('.') for one in servers)}."
        for zone, servers in (name_servers or {}).items()
    ]
    waiting = {}
    for name, text in first_outcomes.items():
        outcome = json.loads(text)
        if "serial" not in outcome:
            waiting[name] = outcome["reason"]
    lines += [
        f"{reason}. Then run: python -m synology_setup renew {name}" for name, reason in waiting.items()
    ]
    if not waiting:
        there = "The certificate is there." if len(first_outcomes) == 1 else "The certificates are there."
        lines.append(f"{there} Put the agent on the NAS, with its address and a DSM administrator:")
        which = [f" --nas {name}" if len(nases) > 1 else "" for name in nases]
        lines += [f"  python -m synology_setup install ACCOUNT@ADDRESS{nas}" for nas in which]
    if alarm_email is not None:
        lines.append(
            f"If you have not yet, confirm the subscription in the mail to {alarm_email}: "
            "else no alarm arrives."
        )
    return "\n".join(lines)
