"""The alarms, as the program defines them.

What CloudWatch makes of missing data, of metric math and of the embedded metric format the local AWS does not
show, so an alarm is held here to the documented rules (tests/alarm_rule.py).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from infrastructure.certificate_settings import load_certificates
from synology_setup.schedule import EVERY_HOURS
from tests.alarm_rule import Alarm
from tests.unit.stack.program_settings import ALARM, EVERYTHING, TOPIC, depended_on, metric_of
from tests.unit.stack.recording import record, several

HOUR = 3600


def alarms() -> dict[str, dict[str, Any]]:
    return {
        one["name"].removeprefix("synology-https-"): one["inputs"] for one in record(EVERYTHING).all(ALARM)
    }


def test_there_is_an_alarm_for_each_thing_that_can_go_wrong() -> None:
    assert alarms().keys() == {
        "renewer-fails",
        *(f"renewer-silent-{name}" for name in ("home", "office")),
        *(f"issued-ends-{name}" for name in ("home", "office")),
        *(f"nas-silent-{name}" for name in ("attic", "rack")),
        *("served-ends-attic_home", "served-ends-rack_office", "served-ends-rack_home"),
    }


def test_all_tell_the_topic_of_both_changes_and_only_the_first_bears_missing_data() -> None:
    for name, alarm in alarms().items():
        assert (alarm["alarmActions"], alarm["okActions"]) == ([TOPIC], [TOPIC])
        expected = "notBreaching" if name == "renewer-fails" else "breaching"
        assert alarm["treatMissingData"] == expected, name


@pytest.mark.parametrize("name", ["nas-silent-attic", "served-ends-attic_home"])
def test_a_nass_alarm_says_that_it_is_expected_until_set_up_ran(name: str) -> None:
    assert "Expected until set-up has put " in alarms()[name]["alarmDescription"]


def test_the_metrics_are_those_that_are_reported() -> None:
    found = {
        name: tuple(metric_of(alarm)[key] for key in ("namespace", "metricName", "dimensions"))
        for name, alarm in alarms().items()
    }
    assert found["renewer-fails"] == ("AWS/Lambda", "Errors", {"FunctionName": "renewer-1234567"})
    assert found["renewer-silent-office"] == ("synology-https/dev", "Duration", {"certificate": "office"})
    assert found["issued-ends-office"] == ("synology-https/dev", "LifeLeft", {"certificate": "office"})
    rack = "synology-https/dev/rack"
    assert found["nas-silent-rack"] == (rack, "LifeLeft", {"certificate": "rack.office.example.net"})
    assert found["served-ends-rack_home"] == (rack, "LifeLeft", {"certificate": "cam.example.com"})


def test_the_periods_are_ones_that_cloudwatch_takes() -> None:
    """PutMetricAlarm: whole minutes, a week in all, and a day where a period is under an hour."""
    for settings in (
        EVERYTHING,
        {**EVERYTHING, "schedule": "rate(1 minute)"},
        {**EVERYTHING, "schedule": "rate(1 day)"},
    ):
        for one in record(settings).all(ALARM):
            alarm = one["inputs"]
            period = metric_of(alarm)["period"]
            assert period % 60 == 0
            assert 60 <= period <= 24 * HOUR
            assert period * alarm["evaluationPeriods"] <= (7 * 24 * HOUR if period >= HOUR else 24 * HOUR)
            # What an expression may not stand beside (PutMetricAlarm).
            assert not alarm.keys() & {"metricName", "namespace", "period", "statistic", "dimensions"}
            assert len(alarm["alarmDescription"]) <= 1024


FURTHER = (0, 1, 2, 5)  # periods that CloudWatch looks further back: it does not say how many


def goes_off(alarm: dict[str, Any], reports: dict[int, float], now: int) -> bool:
    """Tell whether the alarm is on at `now`, however far CloudWatch looks back; where that decides, fail.

    Args:
        alarm: its definition.
        reports: when, in seconds -> the value, in order of time.
        now: in seconds.
    """
    states = {evaluated(alarm, reports, now, further) for further in FURTHER}
    assert len(states) == 1, "how far CloudWatch looks back decides"
    return states.pop()


def evaluated(alarm: dict[str, Any], reports: dict[int, float], now: int, further: int) -> bool:
    """Evaluate as documented: what is there in the whole range comes first, then what is missing."""
    return Alarm(alarm, list(reports.items()), further=further).is_on(now)


def without_filling(alarm: dict[str, Any]) -> dict[str, Any]:
    """Return the alarm on the metric itself."""
    plain = copy.deepcopy(alarm)
    plain["metricQueries"] = plain["metricQueries"][1:]
    return plain


def runs(certificate: str, days: float, life: Callable[[float], float], *, late: bool) -> dict[int, float]:
    """Return LifeLeft as each run reports it; `late` makes every second one use the whole window."""
    settings = {
        "home": {"domains": ["example.com"]},
        "office": {"domains": ["a.example"], "profile": "shortlived"},
    }
    defaults = {"key_type": "ec256", "profile": "classic", "directory": "letsencrypt"}
    (schedule,) = [one.schedule for one in load_certificates(settings, defaults) if one.name == certificate]
    interval, window = (one // timedelta(seconds=1) for one in (schedule.interval, schedule.window))
    found = {}
    for number in range(int(days * 24 * HOUR / interval)):
        at = number * interval + (window if late and number % 2 else 0)
        found[at] = life(at / (24 * HOUR))
    return found


@pytest.mark.parametrize(
    ("certificate", "lifetime", "renewed_at"),
    [("home", 90, 1 / 3), ("home", 45, 1 / 3), ("home", 45, 0.25), ("office", 6.66, 0.5)],
)
@pytest.mark.parametrize("late", [False, True])
def test_an_ordinary_life_with_its_renewals_sets_no_alarm_off(
    certificate: str, lifetime: float, renewed_at: float, late: bool
) -> None:
    def life(day: float) -> float:
        return 1 - (day % (lifetime * (1 - renewed_at))) / lifetime

    reports = runs(certificate, 200, life, late=late)
    for name in (f"issued-ends-{certificate}", f"renewer-silent-{certificate}"):
        alarm = alarms()[name]
        # From the first full evaluation on; before it there is no data to miss.
        for now in range(3 * 24 * HOUR, 199 * 24 * HOUR, HOUR):
            assert not goes_off(alarm, reports, now), (name, now / HOUR)


@pytest.mark.parametrize(
    ("certificate", "lifetime", "renewed_at"),
    [("home", 90, 1 / 3), ("home", 45, 0.25), ("office", 6.66, 0.5)],
)
def test_an_ordinary_life_on_a_nas_sets_no_alarm_off(
    certificate: str, lifetime: float, renewed_at: float
) -> None:
    """Its agent runs every six hours, so it serves the old certificate for that much longer at most."""
    served = lifetime * (1 - renewed_at) * 24 * HOUR  # from one renewal to the next
    reports = {
        at: 1 - ((at - 6 * HOUR) % served + 6 * HOUR) / (lifetime * 24 * HOUR)
        for at in range(0, 200 * 24 * HOUR, EVERY_HOURS * HOUR)
    }
    for name in (f"served-ends-rack_{certificate}", "nas-silent-rack"):
        alarm = alarms()[name]
        for now in range(3 * 24 * HOUR, 199 * 24 * HOUR, HOUR):
            assert not goes_off(alarm, reports, now), (name, now / HOUR)


@pytest.mark.parametrize(
    ("certificate", "lifetime", "least"), [("home", 90.0, 0.2), ("home", 45.0, 0.2), ("office", 6.66, 0.3)]
)
def test_a_certificate_that_is_not_renewed_sets_it_off_in_good_time(
    certificate: str, lifetime: float, least: float
) -> None:
    reports = runs(certificate, lifetime, lambda day: 1 - day / lifetime, late=False)
    alarm = alarms()[f"issued-ends-{certificate}"]
    on = next(
        now for now in range(2 * 24 * HOUR, int(lifetime * 24) * HOUR, HOUR) if goes_off(alarm, reports, now)
    )
    low = [at for at, left in reports.items() if left < least and at <= on]
    assert len(low) >= 2  # over more than one run
    left = 1 - on / (24 * HOUR) / lifetime
    assert left > 0.15


def test_one_low_value_alone_sets_nothing_off() -> None:
    reports = runs("home", 10, lambda day: 0.1 if 5 <= day < 5.4 else 0.9, late=True)
    alarm = alarms()["issued-ends-home"]
    assert not any(goes_off(alarm, reports, now) for now in range(3 * 24 * HOUR, 9 * 24 * HOUR, HOUR))


@pytest.mark.parametrize(("certificate", "hours"), [("home", 30), ("office", 15)])
def test_a_silent_renewer_sets_it_off_after_two_intervals_and_the_window(
    certificate: str, hours: int
) -> None:
    alarm = alarms()[f"renewer-silent-{certificate}"]
    last = 10 * 24 * HOUR
    reports = dict.fromkeys(runs(certificate, 10, lambda _: 1.0, late=False), 1.0) | {last: 1.0}
    on = next(now for now in range(last, last + 100 * HOUR, HOUR) if goes_off(alarm, reports, now))
    assert on - last == hours * HOUR


def test_a_silent_nas_sets_it_off_after_two_days_and_one_run_a_day_is_enough() -> None:
    alarm = alarms()["nas-silent-attic"]
    reports = {day * 24 * HOUR + (day % 2) * HOUR: 0.9 for day in range(10)}
    assert not any(goes_off(alarm, reports, now) for now in range(2 * 24 * HOUR, 9 * 24 * HOUR, HOUR))
    last = max(reports)
    on = next(now for now in range(last, last + 100 * HOUR, HOUR) if goes_off(alarm, reports, now))
    assert on - last == 48 * HOUR


@pytest.mark.parametrize(("name", "stated"), [("nas-silent-attic", 48), ("renewer-silent-home", 30)])
def test_an_alarm_on_the_metric_itself_would_come_later_than_stated(name: str, stated: int) -> None:
    """Why the metric is filled; and the evaluation above can tell the difference."""
    alarm = alarms()[name]
    reports = {number * 6 * HOUR: 0.9 for number in range(40)}
    last = max(reports)

    def silent_for(definition: dict[str, Any], further: int) -> int:
        times = range(last, last + 200 * HOUR, HOUR)
        return next(now - last for now in times if evaluated(definition, reports, now, further)) // HOUR

    assert {silent_for(alarm, further) for further in FURTHER} == {stated}
    period = metric_of(alarm)["period"] // HOUR
    plain = without_filling(alarm)
    assert [silent_for(plain, further) - stated for further in FURTHER] == [one * period for one in FURTHER]


def test_where_nothing_was_ever_reported_every_alarm_but_the_first_is_on() -> None:
    """Whether CloudWatch fills a metric that it does not know, or has no data point at all."""
    for name, alarm in alarms().items():
        for one in (alarm, without_filling(alarm)):
            assert goes_off(one, {}, 9 * 24 * HOUR) is (name != "renewer-fails"), name


def test_a_short_life_is_watched_alike_whoever_issues_it() -> None:
    def watched(**certificate: Any) -> dict[str, dict[str, Any]]:
        made = record({"alarm_email": "me@example.com", **certificate})
        return {one["name"]: one["inputs"] for one in made.all(ALARM)}

    elsewhere = watched(directory="https://ca.example.net/directory", lifetime_days=7)
    assert elsewhere == watched(profile="shortlived")
    assert elsewhere != watched() == watched(profile="shortlived", lifetime_days=47)


@pytest.mark.parametrize(("days", "in_time"), [(3, False), (4, True), (7, True), (9, True)])
def test_from_four_days_on_a_nas_that_installs_nothing_is_told_before_the_end(
    days: int, in_time: bool
) -> None:
    """What `lifetime_days` under four is warned for: the agent runs every six hours, at the worst moment."""
    made = record({"alarm_email": "me@example.com", "lifetime_days": days})
    (alarm,) = [one["inputs"] for one in made.all(ALARM) if "served-ends" in one["name"]]
    whole = days * 24 * HOUR
    first_on = []
    for start in range(0, 6 * HOUR, HOUR):  # of the agent's runs, from its issuance at 0
        times = range(start - 10 * 24 * HOUR, 20 * 24 * HOUR, 6 * HOUR)
        reports = {at: 1 - max(at, 0) / whole for at in times}
        first_on.append(next(now for now in range(0, times[-1], HOUR) if goes_off(alarm, reports, now)))
    assert (max(first_on) < whole) is in_time
    assert bool([one for one in made.warnings if "no alarm is sure" in one]) is not in_time


def test_each_failed_run_of_a_day_keeps_the_alarm_on() -> None:
    alarm = alarms()["renewer-fails"]
    assert not goes_off(alarm, {}, 0)
    failures = {0: 0.0, 12 * HOUR: 1.0, 24 * HOUR: 1.0}
    assert not goes_off(alarm, failures, 11 * HOUR)
    assert all(goes_off(alarm, failures, now) for now in range(12 * HOUR, 47 * HOUR, HOUR))
    assert not goes_off(alarm, failures, 49 * HOUR)


def test_a_certificates_alarms_wait_for_its_first_run() -> None:
    for one in record(EVERYTHING).all(ALARM):
        for certificate in ("home", "office"):
            if one["name"].endswith((f"silent-{certificate}", f"issued-ends-{certificate}")):
                assert f"aws:lambda/invocation:Invocation::{certificate}" in depended_on(one)


def test_names_with_hyphens_make_no_two_alarms_of_one_name() -> None:
    certificates = {
        "backup-main": {"domains": ["a.example.com"], "zone": "example.com"},
        "main": {"domains": ["b.example.com"], "zone": "example.com"},
    }
    nas = {
        "office": {"address": "10.0.0.5", "certificates": ["backup-main"], "host": "a.example.com"},
        "office-backup": {"address": "10.0.0.6", "certificates": ["main"], "host": "b.example.com"},
    }
    made = record(several(certificates, nas, alarm_email="me@example.com"))
    assert made.error is None
    assert len({name for name, _ in made.inputs().items()}) == len(made.resources)
