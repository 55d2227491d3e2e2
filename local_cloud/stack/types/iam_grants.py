"""IAM: what gives a role or a user its permissions; inline policies and attachments of managed ones."""

from __future__ import annotations

from .resource_type import Cloud, Created, Inputs, ResourceType, State, full_name, same_json


def _put_role_policy(cloud: Cloud, inputs: Inputs) -> Created:
    name = full_name(inputs)
    cloud.client("iam").put_role_policy(
        RoleName=inputs["role"], PolicyName=name, PolicyDocument=inputs["policy"]
    )
    return f"{inputs['role']}:{name}", {"name": name}


def _read_role_policy(cloud: Cloud, _id: str, state: State) -> State:
    found = cloud.client("iam").get_role_policy(RoleName=state["role"], PolicyName=state["name"])
    return {"policy": same_json(state.get("policy"), found["PolicyDocument"])}


def _update_role_policy(cloud: Cloud, _id: str, old: State, new: Inputs) -> State:
    _put_role_policy(cloud, {**new, "name": old["name"]})
    return {}


def _delete_role_policy(cloud: Cloud, _id: str, state: State) -> None:
    cloud.client("iam").delete_role_policy(RoleName=state["role"], PolicyName=state["name"])


def _put_user_policy(cloud: Cloud, inputs: Inputs) -> Created:
    name = full_name(inputs)
    cloud.client("iam").put_user_policy(
        UserName=inputs["user"], PolicyName=name, PolicyDocument=inputs["policy"]
    )
    return f"{inputs['user']}:{name}", {"name": name}


def _read_user_policy(cloud: Cloud, _id: str, state: State) -> State:
    found = cloud.client("iam").get_user_policy(UserName=state["user"], PolicyName=state["name"])
    return {"policy": same_json(state.get("policy"), found["PolicyDocument"])}


def _update_user_policy(cloud: Cloud, _id: str, old: State, new: Inputs) -> State:
    _put_user_policy(cloud, {**new, "name": old["name"]})
    return {}


def _delete_user_policy(cloud: Cloud, _id: str, state: State) -> None:
    cloud.client("iam").delete_user_policy(UserName=state["user"], PolicyName=state["name"])


def _attach_to_role(cloud: Cloud, inputs: Inputs) -> Created:
    cloud.client("iam").attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
    return f"{inputs['role']}-{inputs['policyArn']}", {}


def _read_role_attachment(cloud: Cloud, _id: str, state: State) -> State | None:
    found = cloud.client("iam").list_attached_role_policies(RoleName=state["role"])["AttachedPolicies"]
    return {} if state["policyArn"] in [one["PolicyArn"] for one in found] else None


def _detach_from_role(cloud: Cloud, _id: str, state: State) -> None:
    cloud.client("iam").detach_role_policy(RoleName=state["role"], PolicyArn=state["policyArn"])


def _attach_to_user(cloud: Cloud, inputs: Inputs) -> Created:
    cloud.client("iam").attach_user_policy(UserName=inputs["user"], PolicyArn=inputs["policyArn"])
    return f"{inputs['user']}-{inputs['policyArn']}", {}


def _read_user_attachment(cloud: Cloud, _id: str, state: State) -> State | None:
    found = cloud.client("iam").list_attached_user_policies(UserName=state["user"])["AttachedPolicies"]
    return {} if state["policyArn"] in [one["PolicyArn"] for one in found] else None


def _detach_from_user(cloud: Cloud, _id: str, state: State) -> None:
    cloud.client("iam").detach_user_policy(UserName=state["user"], PolicyArn=state["policyArn"])


TYPES = (
    ResourceType(
        token="aws:iam/rolePolicy:RolePolicy",  # noqa: S106 - a type's name
        carried=("name", "namePrefix", "role", "policy"),
        fixed=("name", "namePrefix", "role"),
        source="PutRolePolicy: a policy is known by role and name",
        create=_put_role_policy,
        read=_read_role_policy,
        update=_update_role_policy,
        delete=_delete_role_policy,
    ),
    ResourceType(
        token="aws:iam/userPolicy:UserPolicy",  # noqa: S106
        carried=("name", "namePrefix", "user", "policy"),
        fixed=("name", "namePrefix", "user"),
        source="PutUserPolicy: a policy is known by user and name",
        create=_put_user_policy,
        read=_read_user_policy,
        update=_update_user_policy,
        delete=_delete_user_policy,
    ),
    ResourceType(
        token="aws:iam/rolePolicyAttachment:RolePolicyAttachment",  # noqa: S106
        carried=("role", "policyArn"),
        fixed=("role", "policyArn"),
        source="AttachRolePolicy and DetachRolePolicy are all there is",
        create=_attach_to_role,
        read=_read_role_attachment,
        delete=_detach_from_role,
        auto_named=None,
    ),
    ResourceType(
        token="aws:iam/userPolicyAttachment:UserPolicyAttachment",  # noqa: S106
        carried=("user", "policyArn"),
        fixed=("user", "policyArn"),
        source="AttachUserPolicy and DetachUserPolicy are all there is",
        create=_attach_to_user,
        read=_read_user_attachment,
        delete=_detach_from_user,
        auto_named=None,
    ),
)
