"""The metrics of a run, as the log line that CloudWatch reads them from (embedded metric format)."""

from __future__ import annotations

import os

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from .document import Certificate, NoCertificate
from .run import days_left, life_left

# The variable that holds the namespace, the stack's own; without it the project's is taken.
METRIC_NAMESPACE = "METRIC_NAMESPACE"
_PROJECT = "synology-https"


def publish(
    certificate: object,
    *,
    failed: bool,
    seconds: float,
    issued: bool = False,
    current: Certificate | NoCertificate | None = None,
) -> None:
    """Write the metrics Failed, Issued, Duration and, where a certificate is current, LifeLeft and DaysLeft.

    Args:
        certificate: the certificate's name, the metrics' only dimension; nothing is written without one.
        failed: the run failed.
        seconds: how long it took.
        issued: it made a new certificate current.
        current: the current certificate, of whose lifetime the fraction and the days that are left count.
    """
    if not isinstance(certificate, str) or not certificate:
        return
    metrics = Metrics(namespace=os.environ.get(METRIC_NAMESPACE, _PROJECT))
    metrics.add_dimension(name="certificate", value=certificate)
    metrics.add_metric(name="Failed", unit=MetricUnit.Count, value=int(failed))
    metrics.add_metric(name="Issued", unit=MetricUnit.Count, value=int(issued))
    metrics.add_metric(name="Duration", unit=MetricUnit.Seconds, value=seconds)
    left, days = life_left(current), days_left(current)
    if left is not None and days is not None:
        metrics.add_metric(name="LifeLeft", unit=MetricUnit.NoUnit, value=left)
        metrics.add_metric(name="DaysLeft", unit=MetricUnit.NoUnit, value=days)
    metrics.flush_metrics()
