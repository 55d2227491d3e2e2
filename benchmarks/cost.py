"""What the stack costs a month: `python -m benchmarks.cost` prints the tables of docs/cost.md. No network.

Prices are those of us-east-1, in US dollars, from the pages named beside them; other regions differ by some
per cent. Change a constant and run it again when AWS changes a price.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from synology_setup.schedule import EVERY_HOURS

PRICES_OF = "November 2026"

HOURS = 730  # of a month, as AWS counts it
DAYS = HOURS / 24

# https://aws.amazon.com/secrets-manager/pricing/
SECRET, SECRET_CALL = 0.40, 0.05 / 10_000
# https://aws.amazon.com/lambda/pricing/ (arm64); the free tier has no end
LAMBDA_RUN, LAMBDA_GB_SECOND = 0.20 / 1_000_000, 0.0000133334
LAMBDA_FREE_RUNS, LAMBDA_FREE_GB_SECONDS = 1_000_000, 400_000
# https://aws.amazon.com/cloudwatch/pricing/: a metric is charged for the hours in which it is sent
METRIC_TIERS = ((10_000, 0.30), (240_000, 0.10), (750_000, 0.05), (math.inf, 0.02))
METRICS_FREE, ALARM, ALARMS_FREE = 10, 0.10, 10
METRIC_CALL, METRIC_CALLS_FREE = 0.01 / 1_000, 1_000_000
DASHBOARD, METRICS_OF_A_FREE_DASHBOARD = 3.00, 50
LOG_GB, LOG_GB_FREE = 0.50, 5.0
# https://aws.amazon.com/eventbridge/pricing/ (Scheduler); https://aws.amazon.com/route53/pricing/
SCHEDULED_RUN, SCHEDULED_FREE = 1.00 / 1_000_000, 14_000_000
ZONE = 0.50

# What the stack does.
RUNS_A_DAY = 2
AGENT_RUNS_A_DAY = 24 // EVERY_HOURS  # as set-up schedules it
IDLE_SECONDS, ISSUE_SECONDS, MEMORY_GB = 2.0, 90.0, 0.25
RENEWALS_A_MONTH = 12 / 12  # a 45-day certificate, renewed after 30
CALLS_A_RUN, CALLS_AN_ISSUE = 2, 8
RENEWER_METRICS, NAS_METRICS = 5, 2  # a certificate
LOG_KB_A_RUN = 3
CERTIFICATES_A_NAS = 10
# Quotas that bound what a stolen key can cost (Service Quotas, defaults of us-east-1).
METRIC_REQUESTS_A_SECOND, METRICS_A_REQUEST, SECRET_READS_A_SECOND = 500, 1_000, 10_000


@dataclass(frozen=True)
class Usage:
    """How the stack is used.

    Attributes:
        certificates: how many.
        agent_runs_a_day: of each NAS.
        alarms: whether there are alarms and a dashboard.
        free_tier: whether the account's free tier is unused by anything else.
    """

    certificates: int
    agent_runs_a_day: int = AGENT_RUNS_A_DAY
    alarms: bool = True
    free_tier: bool = True

    @property
    def nases(self) -> int:
        """How many NASes share the certificates."""
        return -(-self.certificates // CERTIFICATES_A_NAS)


def monthly(usage: Usage) -> dict[str, float]:
    """Return US dollars a month by what they are for."""
    free = 1 if usage.free_tier else 0
    runs = usage.certificates * RUNS_A_DAY * DAYS
    issues = usage.certificates * RENEWALS_A_MONTH
    agent_runs = usage.nases * usage.agent_runs_a_day * DAYS
    describes = usage.certificates * usage.agent_runs_a_day * DAYS
    gb_seconds = (runs * IDLE_SECONDS + issues * ISSUE_SECONDS) * MEMORY_GB
    calls = runs * CALLS_A_RUN + issues * CALLS_AN_ISSUE + describes
    # An hour in which a metric is sent counts as 1/730 of a metric's month.
    renewer_months = usage.certificates * RENEWER_METRICS * min(RUNS_A_DAY / 24, 1)
    nas_months = usage.certificates * NAS_METRICS * min(usage.agent_runs_a_day / 24, 1)
    costs = {
        "secrets": (usage.certificates + 1) * SECRET + calls * SECRET_CALL,
        "Lambda": _over(runs, free * LAMBDA_FREE_RUNS) * LAMBDA_RUN
        + _over(gb_seconds, free * LAMBDA_FREE_GB_SECONDS) * LAMBDA_GB_SECOND,
        "schedules": _over(runs, free * SCHEDULED_FREE) * SCHEDULED_RUN,
        "logs": _over(runs * LOG_KB_A_RUN / 1e6, free * LOG_GB_FREE) * LOG_GB,
        "metrics": _tiered(_over(renewer_months + nas_months, free * METRICS_FREE))
        + _over(agent_runs, free * METRIC_CALLS_FREE) * METRIC_CALL,
        "alarms and dashboard": 0.0,
    }
    if usage.alarms:
        alarms = 1 + 2 * usage.certificates + usage.nases + usage.certificates
        shown = usage.certificates * (RENEWER_METRICS + NAS_METRICS) + 2
        has_free_board = free and shown <= METRICS_OF_A_FREE_DASHBOARD
        costs["alarms and dashboard"] = _over(alarms, free * ALARMS_FREE) * ALARM + (
            0 if has_free_board else DASHBOARD
        )
    return costs


def stolen_key_an_hour() -> dict[str, float]:
    """Return what a NAS's key can cost at most in an hour, in US dollars, by the call that is abused."""
    metrics = METRIC_REQUESTS_A_SECOND * METRICS_A_REQUEST * 3600
    return {
        "PutMetricData": _tiered(metrics / HOURS) + METRIC_REQUESTS_A_SECOND * 3600 * METRIC_CALL,
        "GetSecretValue and DescribeSecret": SECRET_READS_A_SECOND * 3600 * SECRET_CALL,
    }


def table(free_tier: bool) -> list[str]:
    """Return the costs for 1, 10, 100 and 1,000 certificates as lines of Markdown."""
    columns = [Usage(count, free_tier=free_tier) for count in (1, 10, 100, 1_000)]
    costs = [monthly(usage) for usage in columns]
    lines = [
        "| US dollars a month | " + " | ".join(f"{usage.certificates:,}" for usage in columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    for what in costs[0]:
        lines.append(f"| {what} | " + " | ".join(f"{one[what]:,.2f}" for one in costs) + " |")
    lines.append("| **in all** | " + " | ".join(f"**{sum(one.values()):,.2f}**" for one in costs) + " |")
    return lines


def report() -> str:
    """Return all that docs/cost.md takes from here."""
    lines = [f"Prices of us-east-1, {PRICES_OF}.", "", "With the free tier of an account to itself:", ""]
    lines += [*table(True), "", "Where other things use up the free tier:", "", *table(False), ""]
    hourly = [monthly(Usage(count, agent_runs_a_day=24, free_tier=False))["metrics"] for count in (1, 100)]
    usual = [monthly(Usage(count, free_tier=False))["metrics"] for count in (1, 100)]
    lines += [
        f"An agent that runs every hour in place of {AGENT_RUNS_A_DAY} times a day makes the metrics cost "
        f"{hourly[0]:.2f} in place of {usual[0]:.2f} for one certificate, and {hourly[1]:.2f} in place of "
        f"{usual[1]:.2f} for a hundred.",
        "",
    ]
    lines += [f"- {call}: {cost:,.0f} US dollars an hour" for call, cost in stolen_key_an_hour().items()]
    return "\n".join(lines)


def _over(amount: float, free: float) -> float:
    return max(amount - free, 0.0)


def _tiered(metric_months: float) -> float:
    cost, left = 0.0, metric_months
    for width, price in METRIC_TIERS:
        cost += min(left, width) * price
        left = max(left - width, 0.0)
    return cost


if __name__ == "__main__":
    print(report())
