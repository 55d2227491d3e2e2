"""SNS: topics, their policies and subscriptions."""

from __future__ import annotations

from .resource_type import (
    Cloud,
    Created,
    Inputs,
    ResourceType,
    State,
    change_tags,
    full_name,
    same_json,
    tag_list,
)


def _create_topic(cloud: Cloud, inputs: Inputs) -> Created:
    name = full_name(inputs)
    attributes = {"DisplayName": inputs["displayName"]} if "displayName" in inputs else {}
    arn = cloud.client("sns").create_topic(Name=name, Attributes=attributes, Tags=tag_list(inputs))
    return arn["TopicArn"], {"name": name, "arn": arn["TopicArn"], "owner": arn["TopicArn"].split(":")[4]}


def _read_topic(cloud: Cloud, arn: str, _: State) -> State:
    found = cloud.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
    return {"arn": found["TopicArn"], "displayName": found.get("DisplayName", "")}


def _update_topic(cloud: Cloud, arn: str, old: State, new: Inputs) -> State:
    sns = cloud.client("sns")
    sns.set_topic_attributes(
        TopicArn=arn, AttributeName="DisplayName", AttributeValue=new.get("displayName", "")
    )
    change_tags(
        old,
        new,
        untag=lambda gone: sns.untag_resource(ResourceArn=arn, TagKeys=gone),
        tag=lambda tags: sns.tag_resource(ResourceArn=arn, Tags=tags),
    )
    return {}


def _delete_topic(cloud: Cloud, arn: str, _: State) -> None:
    cloud.client("sns").delete_topic(TopicArn=arn)


def _put_policy(cloud: Cloud, inputs: Inputs) -> Created:
    cloud.client("sns").set_topic_attributes(
        TopicArn=inputs["arn"], AttributeName="Policy", AttributeValue=inputs["policy"]
    )
    return inputs["arn"], {"owner": inputs["arn"].split(":")[4]}


def _read_policy(cloud: Cloud, arn: str, state: State) -> State:
    found = cloud.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
    return {"policy": same_json(state.get("policy"), found["Policy"])}


def _update_policy(cloud: Cloud, _arn: str, _old: State, new: Inputs) -> State:
    _put_policy(cloud, new)
    return {}


def _delete_policy(_cloud: Cloud, _arn: str, _state: State) -> None:
    """A topic always has a policy: the real provider puts AWS's default one back, and the topic goes next."""


def _subscribe(cloud: Cloud, inputs: Inputs) -> Created:
    made = cloud.client("sns").subscribe(
        TopicArn=inputs["topic"],
        Protocol=inputs["protocol"],
        Endpoint=inputs["endpoint"],
        ReturnSubscriptionArn=True,
    )
    return made["SubscriptionArn"], {"arn": made["SubscriptionArn"]}


def _read_subscription(cloud: Cloud, arn: str, _: State) -> State:
    found = cloud.client("sns").get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    return {"topic": found["TopicArn"], "protocol": found["Protocol"], "endpoint": found["Endpoint"]}


def _unsubscribe(cloud: Cloud, arn: str, _: State) -> None:
    cloud.client("sns").unsubscribe(SubscriptionArn=arn)


TYPES = (
    ResourceType(
        token="aws:sns/topic:Topic",  # noqa: S106 - a type's name
        carried=("name", "namePrefix", "displayName", "tags"),
        fixed=("name", "namePrefix"),
        source="SetTopicAttributes has no name",
        create=_create_topic,
        read=_read_topic,
        update=_update_topic,
        delete=_delete_topic,
        unread=("tags",),
    ),
    ResourceType(
        token="aws:sns/topicPolicy:TopicPolicy",  # noqa: S106
        carried=("arn", "policy"),
        fixed=("arn",),
        source="SetTopicAttributes: a topic has one policy",
        create=_put_policy,
        read=_read_policy,
        update=_update_policy,
        delete=_delete_policy,
        auto_named=None,
    ),
    ResourceType(
        token="aws:sns/topicSubscription:TopicSubscription",  # noqa: S106
        carried=("topic", "protocol", "endpoint"),
        fixed=("topic", "protocol", "endpoint"),
        source="SetSubscriptionAttributes has none of these",
        create=_subscribe,
        read=_read_subscription,
        delete=_unsubscribe,
        auto_named=None,
    ),
)
