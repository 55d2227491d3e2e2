"""The metrics of a run, as the log line that CloudWatch reads them from (embedded metric format)."""

from __future__ import annotations

import os

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

# The variable that holds the namespace, the stack's own; without it the project's is taken.
METRIC_NAMESPACE = "METRIC_NAMESPACE"
_PROJECT = "synology-https"


def publish(
    certificate: object,
    *,
    failed: bool,
    seconds: float,
    issued: bool = False,
    life_left: float | None = None,
) -> None:
    """Write the metrics Failed, Issued, Duration and, where a certificate is current, LifeLeft.

    Args:
        certificate: the certificate's name, the metrics' only dimension; nothing is written without one.
        failed: the run failed.
        seconds: how long it took.
        issued: it made a new certificate current.
        life_left: fraction of the current certificate's lifetime that is left, 0 to 1.
    """
    if not isinstance(certificate, str) or not certificate:
        return
    metrics = Metrics(namespace=os.environ.get(METRIC_NAMESPACE, _PROJECT))
    metrics.add_dimension(name="certificate", value=certificate)
    metrics.add_metric(name="Failed", unit=MetricUnit.Count, value=int(failed))
    metrics.add_metric(name="Issued", unit=MetricUnit.Count, value=int(issued))
    metrics.add_metric(name="Duration", unit=MetricUnit.Seconds, value=seconds)
    if life_left is not None:
        metrics.add_metric(name="LifeLeft", unit=MetricUnit.NoUnit, value=life_left)
    metrics.flush_metrics()
