"""What the stack makes of the year's settings: its alarms, the schedule's event, the agent's config."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tests.unit.stack.recording import task_of, with_seed

_PREFIX = "synology-https-"
_ALARM, _SCHEDULE = "aws:cloudwatch/metricAlarm:MetricAlarm", "aws:scheduler/schedule:Schedule"


@dataclass(frozen=True)
class Stack:
    """What the program registers.

    Attributes:
        alarms: name, without `synology-https-` -> its definition, as Pulumi sends it to AWS.
        event: the renewer's, with ids of a mocked AWS.
        agent: the fields of the agent's config that the stack knows.
        function_name: the renewal Lambda's.
    """

    alarms: dict[str, dict[str, Any]]
    event: dict[str, Any]
    agent: dict[str, Any]
    function_name: str

    @property
    def interval(self) -> timedelta:
        """Time between two runs of the renewer."""
        return timedelta(seconds=self.event["interval_seconds"])

    @property
    def window(self) -> timedelta:
        """How much later than planned one may start."""
        return timedelta(seconds=self.event["window_seconds"])


def describe_stack(*, short_lived: bool) -> Stack:
    """Run the stack's program on mocks, with the development stack's settings and somebody to tell.

    The key is an EC one: at 140 issuances a year RSA's keys would be most of the year's time.
    """
    settings = {"alarm_email": "me@example.com", "key_type": "ec256"}
    if short_lived:
        settings["profile"] = "shortlived"
    made = with_seed(task_of(settings), 0)
    (schedule,) = made.all(_SCHEDULE)
    (nas,) = made.outputs["nas"].values()
    return Stack(
        alarms={one["name"].removeprefix(_PREFIX): one["inputs"] for one in made.all(_ALARM)},
        event=json.loads(schedule["inputs"]["target"]["input"]),
        agent=nas["agent_config"],
        function_name=made.outputs["renewer"],
    )
