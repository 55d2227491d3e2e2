"""IAM: what gives a role or a user its permissions; inline policies and attachments of managed ones.

IAM has the same calls for both, which differ in the word: `put_role_policy`, `put_user_policy`.
"""

from __future__ import annotations

from typing import Any, Literal

from .resource_type import Cloud, Created, Inputs, ResourceType, State, full_name, same_json

Holder = Literal["role", "user"]


def _inline_policy(holder: Holder) -> ResourceType:
    """Return the type of a policy that stands in its role or user."""
    title = holder.capitalize()

    def call(cloud: Cloud, verb: str, owner: str, name: str, **more: Any) -> Any:
        method = getattr(cloud.client("iam"), f"{verb}_{holder}_policy")
        return method(**{f"{title}Name": owner}, PolicyName=name, **more)

    def put(cloud: Cloud, inputs: Inputs) -> Created:
        name = full_name(inputs)
        call(cloud, "put", inputs[holder], name, PolicyDocument=inputs["policy"])
        return f"{inputs[holder]}:{name}", {"name": name}

    def read(cloud: Cloud, _id: str, state: State) -> State:
        found = call(cloud, "get", state[holder], state["name"])
        return {"policy": same_json(state.get("policy"), found["PolicyDocument"])}

    def update(cloud: Cloud, _id: str, old: State, new: Inputs) -> State:
        put(cloud, {**new, "name": old["name"]})
        return {}

    def delete(cloud: Cloud, _id: str, state: State) -> None:
        call(cloud, "delete", state[holder], state["name"])

    return ResourceType(
        token=f"aws:iam/{holder}Policy:{title}Policy",
        carried=("name", "namePrefix", holder, "policy"),
        fixed=("name", "namePrefix", holder),
        source=f"Put{title}Policy: a policy is known by {holder} and name",
        create=put,
        read=read,
        update=update,
        delete=delete,
    )


def _attachment(holder: Holder) -> ResourceType:
    """Return the type of a managed policy's attachment to a role or user."""
    title = holder.capitalize()

    def call(cloud: Cloud, verb: str, about: Inputs) -> None:
        method = getattr(cloud.client("iam"), f"{verb}_{holder}_policy")
        method(**{f"{title}Name": about[holder]}, PolicyArn=about["policyArn"])

    def attach(cloud: Cloud, inputs: Inputs) -> Created:
        call(cloud, "attach", inputs)
        return f"{inputs[holder]}-{inputs['policyArn']}", {}

    def read(cloud: Cloud, _id: str, state: State) -> State | None:
        listed = getattr(cloud.client("iam"), f"list_attached_{holder}_policies")
        found = listed(**{f"{title}Name": state[holder]})["AttachedPolicies"]
        return {} if state["policyArn"] in [one["PolicyArn"] for one in found] else None

    def detach(cloud: Cloud, _id: str, state: State) -> None:
        call(cloud, "detach", state)

    return ResourceType(
        token=f"aws:iam/{holder}PolicyAttachment:{title}PolicyAttachment",
        carried=(holder, "policyArn"),
        fixed=(holder, "policyArn"),
        source=f"Attach{title}Policy and Detach{title}Policy are all there is",
        create=attach,
        read=read,
        delete=detach,
        auto_named=None,
    )


TYPES = (_inline_policy("role"), _inline_policy("user"), _attachment("role"), _attachment("user"))
