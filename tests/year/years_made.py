"""Hand-made records of years, in which one thing is wrong, for the tests of the checks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.year.plan import DAY, START, Outage, Plan, Scenario, make_plan
from tests.year.record import Issued, Record, Run, Sight, Value, seconds_of
from tests.year.stack import Stack

PLACE = "navidrome.example.com"
LIFETIME = 90
_RENEWED_AFTER = 60  # days


def _alarm(
    metric: str, stat: str, threshold: float, period: int, periods: int = 2, *, nas: str = "", **fields: Any
) -> dict[str, Any]:
    reported = {
        "namespace": f"synology-https/dev{nas}",
        "metricName": metric,
        "dimensions": {"certificate": "example.com"},
        "stat": stat,
        "period": period,
        **fields,
    }
    return {
        "comparisonOperator": "LessThanThreshold",
        "treatMissingData": "breaching",
        "evaluationPeriods": periods,
        "threshold": threshold,
        "metricQueries": [
            {"id": "filled", "expression": "FILL(reported, 0)"},
            {"id": "reported", "metric": reported},
        ],
    }


_FAILS = _alarm(
    *("Errors", "Sum", 0, 86_400, 1), namespace="AWS/Lambda", dimensions={"FunctionName": "renewer"}
)
STACK = Stack(
    alarms={
        "renewer-fails": {**_FAILS, "comparisonOperator": "GreaterThanThreshold"},
        "renewer-silent-example.com": _alarm("Duration", "SampleCount", 1, 3600, 30),
        "issued-ends-example.com": _alarm("LifeLeft", "Maximum", 0.2, 64_800),
        "nas-silent-synology": _alarm("LifeLeft", "SampleCount", 1, 86_400, nas="/synology"),
        "served-ends-synology_example.com": _alarm("LifeLeft", "Maximum", 0.2, 86_400, nas="/synology"),
    },
    event={"interval_seconds": 43_200, "window_seconds": 21_600},
    agent={},
    function_name="renewer",
)


def quiet_plan(*outages: Outage, **fields: Any) -> Plan:
    """Return a year without chaos but for these outages."""
    scenario = Scenario("90", ((0, LIFETIME),), 1, renewal_info=False, chaos=False, no_reload_in=0, **fields)
    return replace(make_plan(scenario, STACK.interval, STACK.window), outages=outages)


def good_record(plan: Plan) -> Record:
    """Return what is seen in a year in which all goes well; while the NAS is down it does nothing."""
    record = Record()
    for day in range(0, plan.scenario.days, _RENEWED_AFTER):
        begin = at(day)
        record.issued.append(Issued(f"serial {day}", begin, begin + at(LIFETIME) - at(0), begin))
    for event in plan.events:
        moment = seconds_of(event.at)
        current = [one for one in record.issued if one.begin <= moment][-1]
        left = (current.end - moment) / (current.end - current.begin)
        name = {"certificate": "example.com"}
        if event.kind == "renewer":
            record.runs.append(Run(moment, "renewer", "well"))
            record.values += [
                Value(moment, "AWS/Lambda", "Errors", {"FunctionName": "renewer"}, 0.0),
                Value(moment, "synology-https/dev", "Duration", name, 1.0),
                Value(moment, "synology-https/dev", "LifeLeft", name, left),
            ]
        elif not any(one.part == "nas" and one.start <= event.at < one.end for one in plan.outages):
            record.sights.append(Sight(moment, PLACE, current.begin, current.end, current.serial))
            record.runs.append(Run(moment, "agent", "well"))
            record.values.append(Value(moment, "synology-https/dev/synology", "LifeLeft", name, left))
    return record


def at(day: float) -> int:
    """Return the moment of a day of the year, in seconds since the epoch."""
    return seconds_of(START + timedelta(days=day))


def outage(part: Any, day: float, days: float) -> Outage:
    """Return an outage from a day of the year on."""
    return Outage(part, START + day * DAY, START + (day + days) * DAY)
