"""IAM: roles, users and managed policies."""

from __future__ import annotations

import json
from typing import Any

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
    tag_map,
)


class DeleteConflict(RuntimeError):
    """A role, user or policy still has what must go first; AWS's IAM refuses with this name."""


def _options(inputs: Inputs, names: dict[str, str]) -> dict[str, Any]:
    return {to: inputs[key] for key, to in names.items() if inputs.get(key) is not None}


def _create_role(cloud: Cloud, inputs: Inputs) -> Created:
    name = full_name(inputs)
    role = cloud.client("iam").create_role(
        RoleName=name,
        AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
        Tags=tag_list(inputs),
        **_options(
            inputs,
            {
                "path": "Path",
                "description": "Description",
                "maxSessionDuration": "MaxSessionDuration",
                "permissionsBoundary": "PermissionsBoundary",
            },
        ),
    )["Role"]
    return name, {"name": name, "arn": role["Arn"], "uniqueId": role["RoleId"]}


def _read_role(cloud: Cloud, name: str, state: State) -> State:
    role = cloud.client("iam").get_role(RoleName=name)["Role"]
    read = {
        "arn": role["Arn"],
        "path": role["Path"],
        "assumeRolePolicy": same_json(state.get("assumeRolePolicy"), role["AssumeRolePolicyDocument"]),
        "description": role.get("Description", ""),
        "tags": tag_map(role.get("Tags", [])),
    }
    if "maxSessionDuration" in state:
        read["maxSessionDuration"] = role["MaxSessionDuration"]
    return read


def _update_role(cloud: Cloud, name: str, old: State, new: Inputs) -> State:
    iam = cloud.client("iam")
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=new["assumeRolePolicy"])
    iam.update_role(
        RoleName=name,
        Description=new.get("description", ""),
        MaxSessionDuration=new.get("maxSessionDuration", 3600),
    )
    change_tags(
        old,
        new,
        untag=lambda gone: iam.untag_role(RoleName=name, TagKeys=gone),
        tag=lambda tags: iam.tag_role(RoleName=name, Tags=tags),
    )
    return {}


def _delete_role(cloud: Cloud, name: str, _: State) -> None:
    iam = cloud.client("iam")
    inline = iam.list_role_policies(RoleName=name)["PolicyNames"]
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    if inline or attached:  # DeleteRole: "must not have any policies attached"
        raise DeleteConflict(f"DeleteConflict: role {name} still has policies: {inline} {attached}")
    iam.delete_role(RoleName=name)


def _create_user(cloud: Cloud, inputs: Inputs) -> Created:
    name = full_name(inputs)
    user = cloud.client("iam").create_user(
        UserName=name, Path=inputs.get("path", "/"), Tags=tag_list(inputs)
    )["User"]
    return name, {"name": name, "arn": user["Arn"], "uniqueId": user["UserId"]}


def _read_user(cloud: Cloud, name: str, _: State) -> State:
    user = cloud.client("iam").get_user(UserName=name)["User"]
    tags = cloud.client("iam").list_user_tags(UserName=name)["Tags"]
    return {"arn": user["Arn"], "path": user["Path"], "tags": tag_map(tags)}


def _update_user(cloud: Cloud, name: str, old: State, new: Inputs) -> State:
    change_tags(
        old,
        new,
        untag=lambda gone: cloud.client("iam").untag_user(UserName=name, TagKeys=gone),
        tag=lambda tags: cloud.client("iam").tag_user(UserName=name, Tags=tags),
    )
    return {}


def _delete_user(cloud: Cloud, name: str, state: State) -> None:
    iam = cloud.client("iam")
    keys = [one["AccessKeyId"] for one in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]]
    inline = iam.list_user_policies(UserName=name)["PolicyNames"]
    attached = iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]
    left = inline + attached + ([] if state.get("forceDestroy") else keys)
    if left:  # DeleteUser: keys and policies "must be deleted" first
        raise DeleteConflict(f"DeleteConflict: user {name} still has {left}")
    for key in keys:
        iam.delete_access_key(UserName=name, AccessKeyId=key)
    iam.delete_user(UserName=name)


def _create_policy(cloud: Cloud, inputs: Inputs) -> Created:
    name = full_name(inputs)
    policy = cloud.client("iam").create_policy(
        PolicyName=name,
        PolicyDocument=inputs["policy"],
        Tags=tag_list(inputs),
        **_options(inputs, {"path": "Path", "description": "Description"}),
    )["Policy"]
    return policy["Arn"], {"name": name, "arn": policy["Arn"], "policyId": policy["PolicyId"]}


def _read_policy(cloud: Cloud, arn: str, state: State) -> State:
    iam = cloud.client("iam")
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    return {
        "path": policy["Path"],
        "description": policy.get("Description", ""),
        "policy": same_json(state.get("policy"), version["Document"]),
        "tags": tag_map(policy.get("Tags", [])),
    }


def _update_policy(cloud: Cloud, arn: str, old: State, new: Inputs) -> State:
    iam = cloud.client("iam")
    if json.loads(new["policy"]) != json.loads(old["policy"]):
        for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
            if not version["IsDefaultVersion"]:  # at most five: IAM User Guide, quotas
                iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=new["policy"], SetAsDefault=True)
    change_tags(
        old,
        new,
        untag=lambda gone: iam.untag_policy(PolicyArn=arn, TagKeys=gone),
        tag=lambda tags: iam.tag_policy(PolicyArn=arn, Tags=tags),
    )
    return {}


def _delete_policy(cloud: Cloud, arn: str, _: State) -> None:
    iam = cloud.client("iam")
    attached = iam.list_entities_for_policy(PolicyArn=arn)
    left = [one["RoleName"] for one in attached["PolicyRoles"]]
    left += [one["UserName"] for one in attached["PolicyUsers"]]
    if left:  # DeletePolicy: detach it from all first
        raise DeleteConflict(f"DeleteConflict: policy {arn} is still attached to {left}")
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=arn)


TYPES = (
    ResourceType(
        token="aws:iam/role:Role",  # noqa: S106 - a type's name
        carried=(
            "name",
            "namePrefix",
            "assumeRolePolicy",
            "path",
            "description",
            "maxSessionDuration",
            "permissionsBoundary",
            "tags",
        ),
        fixed=("name", "namePrefix", "path", "permissionsBoundary"),
        source="UpdateRole takes description and session duration only; our update sets no boundary",
        create=_create_role,
        read=_read_role,
        update=_update_role,
        delete=_delete_role,
        unread=("permissionsBoundary",),
    ),
    ResourceType(
        token="aws:iam/user:User",  # noqa: S106
        carried=("name", "path", "forceDestroy", "tags"),
        fixed=("name", "path"),
        source="UpdateUser would rename in place, and the real provider may; ours replaces",
        create=_create_user,
        read=_read_user,
        update=_update_user,
        delete=_delete_user,
        unread=("forceDestroy",),
    ),
    ResourceType(
        token="aws:iam/policy:Policy",  # noqa: S106
        carried=("name", "namePrefix", "path", "description", "policy", "tags"),
        fixed=("name", "namePrefix", "path", "description"),
        source='CreatePolicy: "the policy description is immutable"; no call renames or moves',
        create=_create_policy,
        read=_read_policy,
        update=_update_policy,
        delete=_delete_policy,
    ),
)
