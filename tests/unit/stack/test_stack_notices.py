"""Whom the stack tells, and where it is seen: the topic, the budget, the dashboard."""

from __future__ import annotations

import json
import re

import pytest

from infrastructure.dashboard import DashboardArgs, dashboard_title, widgets
from tests.unit.stack.program_settings import EVERYTHING, TOPIC
from tests.unit.stack.recorded_program import ACCOUNT
from tests.unit.stack.recording import record


def test_without_an_address_there_is_nobody_to_tell() -> None:
    made = record()
    types = {one["type"] for one in made.resources}
    assert not {one for one in types if "sns" in one or "metricAlarm" in one or "budget" in one}
    config = made.one("aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig")["inputs"]
    assert config == {"functionName": "renewer-1234567", "maximumRetryAttempts": 0}
    assert "sns:Publish" not in made.one("aws:iam/rolePolicy:RolePolicy", "renewer")["inputs"]["policy"]


def test_a_failed_scheduled_run_is_told_to_the_topic() -> None:
    made = record(EVERYTHING)
    config = made.one("aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig")["inputs"]
    assert config["destinationConfig"] == {"onFailure": {"destination": TOPIC}}
    assert config["maximumRetryAttempts"] == 0
    policy = json.loads(made.one("aws:iam/rolePolicy:RolePolicy", "renewer")["inputs"]["policy"])
    (publish,) = [one for one in policy["Statement"] if one["Action"] == "sns:Publish"]
    assert publish["Resource"] == TOPIC


def test_the_topic_mails_one_address_and_takes_messages_from_this_account_alone() -> None:
    made = record(EVERYTHING)
    subscription = made.one("aws:sns/topicSubscription:TopicSubscription")["inputs"]
    assert subscription == {"topic": TOPIC, "protocol": "email", "endpoint": "me@example.com"}
    policy = json.loads(made.one("aws:sns/topicPolicy:TopicPolicy")["inputs"]["policy"])
    for one in policy["Statement"]:
        assert one["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def test_the_budget_tells_the_topic_at_its_limit_and_before() -> None:
    budget = record(EVERYTHING).one("aws:budgets/budget:Budget")["inputs"]
    assert (budget["limitAmount"], budget["limitUnit"], budget["timeUnit"]) == ("5.00", "USD", "MONTHLY")
    kinds = {one["notificationType"]: one for one in budget["notifications"]}
    assert kinds.keys() == {"ACTUAL", "FORECASTED"}
    for one in kinds.values():
        assert (one["threshold"], one["thresholdType"], one["subscriberSnsTopicArns"]) == (
            100,
            "PERCENTAGE",
            [TOPIC],
        )


def test_the_dashboard_shows_what_is_issued_what_is_served_and_the_runs() -> None:
    board = record(EVERYTHING).one("aws:cloudwatch/dashboard:Dashboard")["inputs"]
    assert board["dashboardName"] == "synology-https-dev-eu-central-1"
    shown = {
        one["properties"]["title"]: one["properties"]["metrics"]
        for one in json.loads(board["dashboardBody"])["widgets"]
    }
    assert shown.keys() == {
        "Issued: days left",
        "Issued: fraction of life left",
        "Runs of the renewer",
        "Issued and failed",
        "Seconds a run",
        *(f"{nas}: {what}" for nas in ("attic", "rack") for what in ("days left", "fraction of life left")),
    }
    assert shown["rack: days left"] == [
        [
            {
                "expression": 'SEARCH(\'{"synology-https/dev/rack",certificate} '
                "MetricName=\"DaysLeft\"', 'Minimum', 86400)"
            }
        ]
    ]
    assert not record({"dashboard": False}).all("aws:cloudwatch/dashboard:Dashboard")


@pytest.mark.parametrize("count", [1, 5, 500])
def test_a_dashboard_has_at_most_500_widgets_that_do_not_overlap(count: int) -> None:
    """PutDashboard: 500 widgets; a grid of 24 columns."""
    args = DashboardArgs(
        "t", "eu-central-1", "renewer", [f"nas{n}" for n in range(count)], "synology-https/dev"
    )
    found = widgets(args, "renewer")
    places = {(one["x"], one["y"]) for one in found}
    assert len(places) == len(found) <= 500
    assert all(one["x"] % one["width"] == 0 and one["x"] + one["width"] <= 24 for one in found)
    assert all(one["y"] % one["height"] == 0 for one in found)


@pytest.mark.parametrize("prefix", ["synology-https/dev", "synology-https/alice.dev", "synology-https/a_b"])
def test_a_dashboards_name_is_one_that_cloudwatch_takes(prefix: str) -> None:
    titles = {dashboard_title(prefix, region) for region in ("eu-central-1", "us-east-1")}
    assert len(titles) == 2
    assert all(re.fullmatch("[A-Za-z0-9_-]{1,255}", title) for title in titles)
