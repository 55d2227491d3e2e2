"""The picture: what is issued, what each NAS serves, and the renewer's runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from .metrics import (
    DAYS_LEFT,
    DIMENSION,
    DURATION,
    FAILED,
    ISSUED,
    LIFE_LEFT,
    nas_namespace,
    renewer_namespace,
)

_DAY = 86_400
_COLUMNS, _WIDTH, _HEIGHT = 2, 12, 6  # CloudWatch's grid has 24 columns
_MOST_NASES = 240  # of the 500 widgets that a dashboard may have, two a NAS

Widget = dict[str, Any]


@dataclass(frozen=True)
class DashboardArgs:
    """What is shown.

    Attributes:
        title: its name, unique in the account: dashboards are of all regions.
        region: the stack's.
        function_name: the renewal Lambda.
        nases: the NASes' names.
        prefix: of the metric namespaces, `synology-https/<stack>`.
    """

    title: str
    region: str
    function_name: pulumi.Input[str]
    nases: Sequence[str]
    prefix: str


def dashboard_title(prefix: str, region: str) -> str:
    """Return the dashboard's name: letters, digits, hyphens and underscores are allowed (PutDashboard)."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", f"{prefix}-{region}")


class Dashboard(pulumi.ComponentResource):
    """The CloudWatch dashboard; it finds certificates by search, so it stays as it is when they change."""

    def __init__(self, name: str, args: DashboardArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make the dashboard."""
        super().__init__("synology-https:index:Dashboard", name, {}, opts)
        aws.cloudwatch.Dashboard(
            name,
            dashboard_name=args.title,
            dashboard_body=pulumi.Output.json_dumps(
                pulumi.Output.from_input(args.function_name).apply(
                    lambda function: {"widgets": widgets(args, function)}
                ),
                sort_keys=True,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def widgets(args: DashboardArgs, function_name: str) -> list[Widget]:
    """Return the widgets in their places, two a row."""
    renewer = renewer_namespace(args.prefix)
    found = [
        _widget("Issued: days left", args.region, [_search(renewer, DAYS_LEFT, "Minimum")]),
        _widget("Issued: fraction of life left", args.region, [_search(renewer, LIFE_LEFT, "Minimum")]),
        _widget(
            "Runs of the renewer",
            args.region,
            [
                ["AWS/Lambda", "Invocations", "FunctionName", function_name, {"stat": "Sum"}],
                ["AWS/Lambda", "Errors", "FunctionName", function_name, {"stat": "Sum"}],
            ],
        ),
        _widget(
            "Issued and failed",
            args.region,
            [_search(renewer, ISSUED, "Sum"), _search(renewer, FAILED, "Sum")],
        ),
    ]
    for nas in args.nases[:_MOST_NASES]:
        namespace = nas_namespace(args.prefix, nas)
        found += [
            _widget(f"{nas}: days left", args.region, [_search(namespace, DAYS_LEFT, "Minimum")]),
            _widget(f"{nas}: fraction of life left", args.region, [_search(namespace, LIFE_LEFT, "Minimum")]),
        ]
    found.append(_widget("Seconds a run", args.region, [_search(renewer, DURATION, "Maximum")]))
    for number, widget in enumerate(found):
        row, column = divmod(number, _COLUMNS)
        widget |= {"x": column * _WIDTH, "y": row * _HEIGHT}
    return found


def _search(namespace: str, metric: str, statistic: str) -> list[dict[str, str]]:
    pattern = f'{{"{namespace}",{DIMENSION}}} MetricName="{metric}"'
    return [{"expression": f"SEARCH('{pattern}', '{statistic}', {_DAY})"}]


def _widget(title: str, region: str, metrics: list[Any]) -> Widget:
    properties = {
        "title": title,
        "region": region,
        "view": "timeSeries",
        "period": _DAY,
        "metrics": metrics,
    }
    return {"type": "metric", "width": _WIDTH, "height": _HEIGHT, "properties": properties}
