"""AWS Budgets: a mail when the account's month costs more than it should, for whatever reason."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from .tags import tags


@dataclass(frozen=True)
class BudgetArgs:
    """How much, and who is told.

    Attributes:
        limit_usd: US dollars a month, as text with two decimals.
        topic_arn: the topic.
    """

    limit_usd: str
    topic_arn: pulumi.Input[str]


class Budget(pulumi.ComponentResource):
    """The budget of the whole account: a stolen key costs under services that others use too."""

    def __init__(self, name: str, args: BudgetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make the budget; it tells at the limit, and when the month is forecast to pass it."""
        super().__init__("synology-https:index:Budget", name, {}, opts)
        aws.budgets.Budget(
            name,
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=args.limit_usd,
            limit_unit="USD",
            notifications=[
                {
                    "notification_type": kind,
                    "comparison_operator": "GREATER_THAN",
                    "threshold": 100,
                    "threshold_type": "PERCENTAGE",
                    "subscriber_sns_topic_arns": [args.topic_arn],
                }
                for kind in ("ACTUAL", "FORECASTED")
            ],
            tags=tags(),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
