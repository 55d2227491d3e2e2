"""When CloudWatch has an alarm on, as it documents it: what the local AWS does not show.

An alarm is on while each of its `evaluation_periods` last periods breaches. Each look retrieves more periods
than those; how many more is not documented, two in its examples. Where as many as are evaluated have data,
the last of these decide, and those without are passed over. Where fewer have, one that does not breach has
the alarm off, and else `treat_missing_data` fills up: it breaches, it does not, or (`ignore`) the alarm stays
as it was. So the more is retrieved, the later silence is told, unless FILL lets nothing be missing. Periods
end at the moment of the look:
docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html and alarms-and-missing-data.html.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
}
_STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "Maximum": max,
    "Sum": sum,
    "SampleCount": lambda values: float(len(values)),
}
_MISSING = {"breaching": True, "notBreaching": False, "ignore": None}


def metric_of(definition: Mapping[str, Any]) -> tuple[Mapping[str, Any], float | None]:
    """Return the metric of an alarm's definition, and what FILL puts where it has no data; None without FILL.

    Raises:
        ValueError: it has other metric math.
    """
    *expressions, reported = definition["metricQueries"]
    if not expressions:
        return reported["metric"], None
    found = re.fullmatch(rf"FILL\({reported['id']}, ([0-9.]+)\)", expressions[0]["expression"])
    if found is None or len(expressions) > 1:
        raise ValueError(f"metric math that is not known here: {expressions}")
    return reported["metric"], float(found[1])


class Alarm:
    """One alarm and the values of its metric.

    Example:
        >>> alarm = Alarm(definition, [(0, 1.0), (3600, 0.0)])
        >>> alarm.is_on(7200)
        False
    """

    def __init__(
        self, definition: Mapping[str, Any], reports: Sequence[tuple[float, float]], *, further: int = 0
    ) -> None:
        """Take the definition, as Pulumi sends it to AWS, and (seconds, value) of each report.

        Args:
            definition: the alarm's.
            reports: of its metric.
            further: periods that are retrieved besides those that are evaluated.

        Raises:
            KeyError: the definition has a comparison, a statistic or a treatment that is not known here.
            ValueError: so is its metric math.
        """
        ordered = sorted(reports)
        self._times = [at for at, _ in ordered]
        self._values = [value for _, value in ordered]
        metric, self._filled = metric_of(definition)
        self._compare = _COMPARE[definition["comparisonOperator"]]
        self._statistic = _STATISTICS[metric["stat"]]
        self._missing = _MISSING[definition["treatMissingData"]]
        self._threshold = float(definition["threshold"])
        self._period, self._periods = int(metric["period"]), int(definition["evaluationPeriods"])
        self._further = further
        self._was_on = False

    def is_on(self, now: float) -> bool:
        """Tell whether it is on at `now`, in seconds; looks are taken in the order of time."""
        looks = (self._breaches(now - n * self._period) for n in range(self._periods + self._further))
        real = [breaches for breaches in looks if breaches is not None]
        if len(real) >= self._periods:
            self._was_on = all(real[: self._periods])
        elif not all(real):
            self._was_on = False
        elif self._missing is not None:
            self._was_on = self._missing
        return self._was_on

    def _breaches(self, end: float) -> bool | None:
        first, last = (bisect_right(self._times, moment) for moment in (end - self._period, end))
        if first == last:
            return None if self._filled is None else self._compare(self._filled, self._threshold)
        return self._compare(self._statistic(self._values[first:last]), self._threshold)
