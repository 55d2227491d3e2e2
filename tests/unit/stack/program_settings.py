"""Settings that use everything the stack has, for the tests of what the program registers."""

from __future__ import annotations

from typing import Any

from tests import alarm_rule
from tests.unit.stack.recording import Resource, several

INVOCATION = "aws:lambda/invocation:Invocation"
SCHEDULE = "aws:scheduler/schedule:Schedule"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
TOPIC = "arn:aws:x:::notices"

HOME = {"domains": ["example.com", "*.example.com"]}
OFFICE = {"domains": ["*.office.example.net"], "zone": "example.net", "profile": "shortlived"}
NASES: dict[str, Any] = {
    "attic": {"address": "192.168.0.10", "certificates": ["home"], "services": ["photos"]},
    "rack": {
        "address": ["10.0.0.5", "fd00::5"],
        "certificates": ["office", "home"],
        "services": ["cam.example.com"],
    },
}
EVERYTHING = several(
    {"home": HOME, "office": OFFICE},
    NASES,
    zones={"example.net": {"create": True}},
    alarm_email="me@example.com",
    budget_usd=5,
)


def depended_on(resource: Resource) -> set[str]:
    """Return the types and names that `resource` waits for."""
    return {"::".join(urn.split("$")[-1].rsplit("::", 2)[-2:]) for urn in resource["dependencies"]}


def metric_of(alarm: dict[str, Any]) -> dict[str, Any]:
    """Return the only metric of the alarm; its expression is what the alarm looks at."""
    expression, metric = alarm["metricQueries"]
    assert (expression["returnData"], metric["returnData"]) == (True, False)
    found, filled = alarm_rule.metric_of(alarm)
    assert filled is not None
    return dict(found)
