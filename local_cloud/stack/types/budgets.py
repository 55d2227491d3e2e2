"""AWS Budgets: what is spent, and who is told."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from .resource_type import Cloud, Created, Inputs, ResourceType, State, change_tags, full_name, tag_list


def _account(cloud: Cloud) -> str:
    return str(cloud.client("sts").get_caller_identity()["Account"])


def _budget(name: str, inputs: Inputs) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "BudgetName": name,
        "BudgetType": inputs["budgetType"],
        "TimeUnit": inputs["timeUnit"],
        "BudgetLimit": {"Amount": inputs["limitAmount"], "Unit": inputs["limitUnit"]},
    }
    if inputs.get("costFilters"):
        wanted["CostFilters"] = {one["name"]: one["values"] for one in inputs["costFilters"]}
    return wanted


def _notifications(inputs: Inputs) -> list[dict[str, Any]]:
    return [
        {
            "Notification": {
                "NotificationType": one["notificationType"],
                "ComparisonOperator": one["comparisonOperator"],
                "Threshold": one["threshold"],
                "ThresholdType": one["thresholdType"],
            },
            "Subscribers": [
                *(
                    {"SubscriptionType": "EMAIL", "Address": address}
                    for address in one.get("subscriberEmailAddresses", [])
                ),
                *(
                    {"SubscriptionType": "SNS", "Address": arn}
                    for arn in one.get("subscriberSnsTopicArns", [])
                ),
            ],
        }
        for one in inputs.get("notifications", [])
    ]


def _create(cloud: Cloud, inputs: Inputs) -> Created:
    name, account = full_name(inputs), _account(cloud)
    cloud.client("budgets").create_budget(
        AccountId=account,
        Budget=_budget(name, inputs),
        NotificationsWithSubscribers=_notifications(inputs),
        ResourceTags=tag_list(inputs),
    )
    arn = f"arn:aws:budgets::{account}:budget/{name}"
    return f"{account}:{name}", {"name": name, "accountId": account, "arn": arn}


def _read(cloud: Cloud, _id: str, state: State) -> State:
    found = cloud.client("budgets").describe_budget(AccountId=_account(cloud), BudgetName=state["name"])
    budget = found["Budget"]
    amount, known = budget["BudgetLimit"]["Amount"], str(state["limitAmount"])
    return {
        "budgetType": budget["BudgetType"],
        "timeUnit": budget["TimeUnit"],
        "limitAmount": known if Decimal(amount) == Decimal(known) else amount,
        "limitUnit": budget["BudgetLimit"]["Unit"],
    }


def _update(cloud: Cloud, _id: str, old: State, new: Inputs) -> State:
    budgets, account, name = cloud.client("budgets"), _account(cloud), old["name"]
    budgets.update_budget(AccountId=account, NewBudget=_budget(name, new))
    if old.get("notifications", []) != new.get("notifications", []):
        for one in _notifications(old):
            budgets.delete_notification(AccountId=account, BudgetName=name, Notification=one["Notification"])
        for one in _notifications(new):
            budgets.create_notification(AccountId=account, BudgetName=name, **one)
    arn = old["arn"]
    change_tags(
        old,
        new,
        untag=lambda gone: budgets.untag_resource(ResourceARN=arn, ResourceTagKeys=gone),
        tag=lambda tags: budgets.tag_resource(ResourceARN=arn, ResourceTags=tags),
    )
    return {}


def _delete(cloud: Cloud, _id: str, state: State) -> None:
    cloud.client("budgets").delete_budget(AccountId=_account(cloud), BudgetName=state["name"])


TYPES = (
    ResourceType(
        token="aws:budgets/budget:Budget",  # noqa: S106 - a type's name
        carried=(
            "name",
            "namePrefix",
            "budgetType",
            "timeUnit",
            "limitAmount",
            "limitUnit",
            "costFilters",
            "notifications",
            "tags",
        ),
        fixed=("name", "namePrefix"),
        source="UpdateBudget: a budget is known by account and name",
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        unread=("costFilters", "notifications", "tags"),
    ),
)
