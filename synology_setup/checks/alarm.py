"""Whether an alarm reaches somebody: AWS mails nothing before the address has confirmed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .aws import AWS_ERRORS, Aws, explain, is_absent
from .finding import Finding, bad, good, untold

_WHAT = "the alarm's e-mail subscription is confirmed"
# Where an ARN would stand: docs.aws.amazon.com/sns/latest/api/API_ListSubscriptionsByTopic.html and
# API_Subscribe.html; a subscription that was taken away is listed for a while.
_PENDING, _DELETED = "PendingConfirmation", "Deleted"


def check_alarm(aws: Aws | None, topic: str | None) -> Finding:
    """Look at the subscriptions of the topic; without credentials or topic nothing can be told."""
    if topic is None:
        setting = "pulumi config set alarm_email YOU@YOUR.DOMAIN, then `pulumi up`, mails what goes wrong"
        return untold(_WHAT, "the stack has no alarm topic", setting)
    if aws is None:
        return untold(_WHAT, "AWS could not be asked")
    try:
        pages = aws.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        subscriptions = [subscription for page in pages for subscription in page["Subscriptions"]]
    except AWS_ERRORS as error:
        if is_absent(error):
            return bad(_WHAT, f"the topic {topic} does not exist", "run `pulumi up`: it makes the topic anew")
        said, _ = explain(error)
        return untold(_WHAT, said)
    return judge_subscriptions(topic, subscriptions)


def judge_subscriptions(topic: str, subscriptions: Iterable[dict[str, Any]]) -> Finding:
    """Judge them as ListSubscriptionsByTopic lists them."""
    mails = {
        subscription["Endpoint"]: subscription["SubscriptionArn"]
        for subscription in subscriptions
        if subscription["Protocol"] in {"email", "email-json"} and subscription["SubscriptionArn"] != _DELETED
    }
    subscribe = f"aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint"
    if not mails:
        setting = "pulumi config set alarm_email YOU@YOUR.DOMAIN, then `pulumi up`"
        return bad(_WHAT, f"{topic} has no e-mail subscription", f"{setting}; or {subscribe} YOU@YOUR.DOMAIN")
    pending = sorted(
        address for address, arn in mails.items() if arn.lower().replace(" ", "") == _PENDING.lower()
    )
    if pending:
        return bad(
            _WHAT,
            f"{', '.join(pending)} has not confirmed: no alarm is mailed there",
            "open the mail from AWS Notifications <no-reply@sns.amazonaws.com>, also among the spam, and "
            f'follow "Confirm subscription". To have it sent again: {subscribe} {pending[0]}',
        )
    return good(_WHAT, ", ".join(sorted(mails)))
