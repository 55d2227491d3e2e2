"""The alarms: the renewer fails or is silent, a certificate nears its end, a NAS no longer installs.

All but the first take missing data for the worst: who reports nothing is as good as broken. Each says so by
metric math, `FILL(reported, 0)`, since `treat_missing_data` alone comes late: where data is missing,
CloudWatch looks further back than the evaluation periods, and judges what it finds there before it takes
anything for missing (CloudWatch User Guide, "How alarm state is evaluated when data is missing"); a NAS would
have been silent for four or five days, not two. What is filled is never missing. `treat_missing_data` is for
a metric of which there is nothing to fill. An expression of one metric costs what an alarm on it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import pulumi
import pulumi_aws as aws

from .certificate_settings import CertificateSettings
from .metrics import DIMENSION, DURATION, LIFE_LEFT, name_on_nas, nas_namespace, renewer_namespace
from .names import shortened
from .nas_settings import NasSettings
from .tags import tags

_LONGEST_NAME = 255 - len("-1234567")
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
# Renewed at a third (at half where the lifetime is short), so an ordinary renewal stays above both.
_LEAST_LIFE, _LEAST_SHORT_LIFE = 0.2, 0.3


@dataclass(frozen=True)
class AlarmsArgs:
    """What is watched, and who is told.

    Attributes:
        topic_arn: the topic.
        function_name: the renewal Lambda.
        certificates: all of the stack.
        nases: all of the stack.
        prefix: of the metric namespaces, `synology-https/<stack>`.
        first_runs: certificate name -> its first run: before it there is nothing to report.
    """

    topic_arn: pulumi.Input[str]
    function_name: pulumi.Input[str]
    certificates: tuple[CertificateSettings, ...]
    nases: tuple[NasSettings, ...]
    prefix: str
    first_runs: Mapping[str, pulumi.Resource]


class Alarms(pulumi.ComponentResource):
    """One alarm for the renewer, two a certificate, one a NAS and one for each certificate that it serves."""

    def __init__(self, name: str, args: AlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make the alarms."""
        super().__init__("synology-https:index:Alarms", name, {}, opts)
        self._topic_arn = args.topic_arn
        self._namespace = renewer_namespace(args.prefix)
        self._renewer_fails(args.function_name)
        for certificate in args.certificates:
            first_run = args.first_runs[certificate.name]
            self._renewer_is_silent(certificate, first_run)
            self._issued_nears_its_end(certificate, first_run)
        for nas in args.nases:
            self._nas_is_silent(nas, args.prefix)
            for certificate in nas.certificates:
                self._served_nears_its_end(nas, certificate, args.prefix)
        self.register_outputs({})

    def _renewer_fails(self, function_name: pulumi.Input[str]) -> None:
        self._alarm(
            "renewer-fails",
            "A run of the renewer failed in the last day. The current certificates stay. The mail about the "
            "run itself, or the Lambda's log, has the reason, and so has the command's `report`.",
            metric={
                "namespace": "AWS/Lambda",
                "metric_name": "Errors",
                "dimensions": {"FunctionName": function_name},
                "stat": "Sum",
                "period": _seconds(_DAY),
            },
            comparison_operator="GreaterThanThreshold",
            threshold=0,
            evaluation_periods=1,
            treat_missing_data="notBreaching",
        )

    def _renewer_is_silent(self, certificate: CertificateSettings, first_run: pulumi.Resource) -> None:
        schedule = certificate.schedule
        hours = max(-(-(2 * schedule.interval + schedule.window) // _HOUR), 1)
        self._alarm(
            f"renewer-silent-{certificate.name}",
            f"The renewer has not looked at the certificate {certificate.name} for {hours} hours: see "
            "whether its schedule is enabled and its role may run the Lambda, with pulumi up.",
            metric={
                "namespace": self._namespace,
                "metric_name": DURATION,
                "dimensions": {DIMENSION: certificate.name},
                "stat": "SampleCount",
                "period": _seconds(_HOUR),
            },
            threshold=1,
            evaluation_periods=hours,
            after=first_run,
        )

    def _issued_nears_its_end(self, certificate: CertificateSettings, first_run: pulumi.Resource) -> None:
        # As long as two runs can lie apart: each of the two periods has a run, so two runs say the same.
        period = certificate.schedule.interval + certificate.schedule.window
        hours = max(-(-2 * period // _HOUR), 1)
        least = _least_life(certificate)
        # A run that could not read the secret reports no life, which counts as none left: renewer-fails tells
        # of that too, but were it ignored, this alarm would stay off if the metric were lost or misspelt.
        self._alarm(
            f"issued-ends-{certificate.name}",
            f"Less than {least:.0%} of the lifetime of the certificate {certificate.name} is left, and two "
            f"runs did not renew it, or for {hours} hours no run could read it: "
            f"python -m synology_setup report {certificate.name} says why.",
            metric={
                "namespace": self._namespace,
                "metric_name": LIFE_LEFT,
                "dimensions": {DIMENSION: certificate.name},
                "stat": "Maximum",
                "period": _seconds(period),
            },
            threshold=least,
            evaluation_periods=2,
            after=first_run,
        )

    def _nas_is_silent(self, nas: NasSettings, prefix: str) -> None:
        self._alarm(
            f"nas-silent-{nas.name}",
            f"The agent on {nas.name} has reported nothing for two days. Expected until set-up has put it "
            "there. After that: see its task in DSM's Task Scheduler, and whether the NAS is on and online.",
            metric={
                "namespace": nas_namespace(prefix, nas.name),
                "metric_name": LIFE_LEFT,
                "dimensions": {DIMENSION: name_on_nas(nas, nas.certificates[0])},
                "stat": "SampleCount",
                "period": _seconds(_DAY),
            },
            threshold=1,
            evaluation_periods=2,
        )

    def _served_nears_its_end(self, nas: NasSettings, certificate: CertificateSettings, prefix: str) -> None:
        least = _least_life(certificate)
        self._alarm(
            f"served-ends-{nas.name}_{certificate.name}",  # neither name has an underscore
            f"Less than {least:.0%} of the lifetime is left of the certificate {certificate.name} that "
            f"{nas.name} serves, or it reports none. Expected until set-up has put the agent there. After "
            "that: run its task in DSM's Task Scheduler, and read what it prints.",
            metric={
                "namespace": nas_namespace(prefix, nas.name),
                "metric_name": LIFE_LEFT,
                "dimensions": {DIMENSION: name_on_nas(nas, certificate)},
                "stat": "Maximum",
                "period": _seconds(_DAY / 2 if certificate.short_lived else _DAY),
            },
            threshold=least,
            evaluation_periods=2,
        )

    def _alarm(
        self,
        name: str,
        description: str,
        *,
        metric: aws.cloudwatch.MetricAlarmMetricQueryMetricArgsDict,
        threshold: float,
        evaluation_periods: int,
        comparison_operator: str = "LessThanThreshold",
        treat_missing_data: str = "breaching",
        after: pulumi.Resource | None = None,
    ) -> None:
        aws.cloudwatch.MetricAlarm(
            shortened(f"synology-https-{name}", _LONGEST_NAME),
            alarm_description=description,
            alarm_actions=[self._topic_arn],
            ok_actions=[self._topic_arn],
            metric_queries=[
                # Nothing reported is zero: no life left, no run, no failure.
                {"id": "filled", "expression": "FILL(reported, 0)", "label": name, "return_data": True},
                {"id": "reported", "metric": metric, "return_data": False},
            ],
            threshold=threshold,
            evaluation_periods=evaluation_periods,
            comparison_operator=comparison_operator,
            treat_missing_data=treat_missing_data,
            tags=tags(),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[after] if after else None),
        )


def _least_life(certificate: CertificateSettings) -> float:
    return _LEAST_SHORT_LIFE if certificate.short_lived else _LEAST_LIFE


def _seconds(period: timedelta) -> int:
    return period // timedelta(seconds=1)
