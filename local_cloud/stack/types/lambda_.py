"""Lambda: functions, how they are invoked, and who may invoke them."""

from __future__ import annotations

import json
from typing import Any

from .archive import zip_of
from .resource_type import Cloud, Created, Inputs, ResourceType, State, full_name, removed_tags


class InvocationError(RuntimeError):
    """The Lambda that an Invocation resource ran has failed."""


def _configuration(cloud: Cloud, inputs: Inputs) -> dict[str, Any]:
    """Return what CreateFunction and UpdateFunctionConfiguration both take."""
    variables = inputs.get("environment", {}).get("variables", {})
    configuration: dict[str, Any] = {
        "Description": inputs.get("description", ""),
        "Runtime": inputs["runtime"],
        "Handler": inputs["handler"],
        "Role": inputs["role"],
        "Timeout": inputs.get("timeout", 3),
        "MemorySize": inputs.get("memorySize", 128),
        "Environment": {"Variables": {**variables, **cloud.lambda_environment}},
    }
    logging = inputs.get("loggingConfig")
    if logging:
        names = {
            "logFormat": "LogFormat",
            "logGroup": "LogGroup",
            "applicationLogLevel": "ApplicationLogLevel",
            "systemLogLevel": "SystemLogLevel",
        }
        configuration["LoggingConfig"] = {names[key]: value for key, value in logging.items()}
    return configuration


def _create_function(cloud: Cloud, inputs: Inputs) -> Created:
    name = full_name(inputs)
    made = cloud.client("lambda").create_function(
        FunctionName=name,
        Architectures=inputs.get("architectures", ["x86_64"]),
        Code={"ZipFile": zip_of(inputs["code"], cloud.local_bundle)},
        Tags=inputs.get("tags", {}),
        **_configuration(cloud, inputs),
    )
    concurrency = inputs.get("reservedConcurrentExecutions", -1)
    if concurrency != -1:
        cloud.client("lambda").put_function_concurrency(
            FunctionName=name, ReservedConcurrentExecutions=concurrency
        )
    return name, {"name": name, "arn": made["FunctionArn"]}


def _read_function(cloud: Cloud, name: str, state: State) -> State:
    found = cloud.client("lambda").get_function(FunctionName=name)
    actual = found["Configuration"]
    variables = {
        key: value
        for key, value in actual.get("Environment", {}).get("Variables", {}).items()
        if key not in cloud.lambda_environment
    }
    read = {
        "arn": actual["FunctionArn"],
        "description": actual.get("Description", ""),
        "runtime": actual["Runtime"],
        "handler": actual["Handler"],
        "role": actual["Role"],
        "architectures": actual["Architectures"],
        "timeout": actual["Timeout"],
        "memorySize": actual["MemorySize"],
        "tags": found.get("Tags", {}),
    }
    if variables or "environment" in state:
        read["environment"] = {"variables": variables}
    return read


def _update_function(cloud: Cloud, name: str, old: State, new: Inputs) -> State:
    client = cloud.client("lambda")
    if any(old.get(key) != new.get(key) for key in ("code", "architectures")):
        client.update_function_code(
            FunctionName=name,
            ZipFile=zip_of(new["code"], cloud.local_bundle),
            Architectures=new.get("architectures", ["x86_64"]),
        )
    client.update_function_configuration(FunctionName=name, **_configuration(cloud, new))
    concurrency = new.get("reservedConcurrentExecutions", -1)
    if concurrency != -1:
        client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=concurrency)
    elif old.get("reservedConcurrentExecutions", -1) != -1:
        client.delete_function_concurrency(FunctionName=name)
    if removed_tags(old, new):
        client.untag_resource(Resource=old["arn"], TagKeys=removed_tags(old, new))
    if new.get("tags"):
        client.tag_resource(Resource=old["arn"], Tags=new["tags"])
    return {}


def _delete_function(cloud: Cloud, name: str, _: State) -> None:
    cloud.client("lambda").delete_function(FunctionName=name)


def _put_event_invoke_config(cloud: Cloud, inputs: Inputs) -> Created:
    options: dict[str, Any] = {
        to: inputs[key]
        for key, to in {
            "maximumRetryAttempts": "MaximumRetryAttempts",
            "maximumEventAgeInSeconds": "MaximumEventAgeInSeconds",
        }.items()
        if key in inputs
    }
    destinations = inputs.get("destinationConfig", {})
    if destinations:
        options["DestinationConfig"] = {
            {"onFailure": "OnFailure", "onSuccess": "OnSuccess"}[key]: {"Destination": one["destination"]}
            for key, one in destinations.items()
        }
    cloud.client("lambda").put_function_event_invoke_config(FunctionName=inputs["functionName"], **options)
    return inputs["functionName"], {}


def _read_event_invoke_config(cloud: Cloud, name: str, state: State) -> State:
    found = cloud.client("lambda").get_function_event_invoke_config(FunctionName=name)
    read = {"maximumRetryAttempts": found.get("MaximumRetryAttempts")}
    if "maximumEventAgeInSeconds" in state:
        read["maximumEventAgeInSeconds"] = found.get("MaximumEventAgeInSeconds")
    destinations = {
        key: {"destination": one["Destination"]}
        for key, to in {"onFailure": "OnFailure", "onSuccess": "OnSuccess"}.items()
        if (one := found.get("DestinationConfig", {}).get(to, {})).get("Destination")
    }
    return read | ({"destinationConfig": destinations} if destinations else {})


def _update_event_invoke_config(cloud: Cloud, _id: str, _old: State, new: Inputs) -> State:
    _put_event_invoke_config(cloud, new)
    return {}


def _delete_event_invoke_config(cloud: Cloud, name: str, _: State) -> None:
    cloud.client("lambda").delete_function_event_invoke_config(FunctionName=name)


def _invoke(cloud: Cloud, inputs: Inputs) -> Created:
    answer = cloud.client("lambda").invoke(
        FunctionName=inputs["functionName"], Payload=inputs["input"].encode()
    )
    result = answer["Payload"].read().decode()
    if "FunctionError" in answer:
        raise InvocationError(f"invoking Lambda Function ({inputs['functionName']}): {result}")
    return f"{inputs['functionName']}_$LATEST", {"result": result}


def _read_invocation(_cloud: Cloud, _id: str, _state: State) -> State:
    return {}  # what was invoked cannot be looked up


def _delete_invocation(_cloud: Cloud, _id: str, _state: State) -> None:
    """An invocation cannot be taken back: the provider forgets it, unless lifecycleScope is CRUD."""


def _add_permission(cloud: Cloud, inputs: Inputs) -> Created:
    names = {"principal": "Principal", "sourceArn": "SourceArn", "sourceAccount": "SourceAccount"}
    cloud.client("lambda").add_permission(
        FunctionName=inputs["function"],
        StatementId=inputs["statementId"],
        Action=inputs["action"],
        **{to: inputs[key] for key, to in names.items() if key in inputs},
    )
    return inputs["statementId"], {"statementId": inputs["statementId"]}


def _read_permission(cloud: Cloud, statement: str, state: State) -> State | None:
    found = json.loads(cloud.client("lambda").get_policy(FunctionName=state["function"])["Policy"])
    (wanted,) = [one for one in found["Statement"] if one["Sid"] == statement] or [None]
    return None if wanted is None else {"action": wanted["Action"]}


def _remove_permission(cloud: Cloud, statement: str, state: State) -> None:
    cloud.client("lambda").remove_permission(FunctionName=state["function"], StatementId=statement)


TYPES = (
    ResourceType(
        token="aws:lambda/function:Function",  # noqa: S106 - a type's name
        carried=(
            "name",
            "description",
            "runtime",
            "architectures",
            "handler",
            "role",
            "code",
            "timeout",
            "memorySize",
            "environment",
            "loggingConfig",
            "reservedConcurrentExecutions",
            "tags",
        ),
        fixed=("name",),
        source="UpdateFunctionCode and UpdateFunctionConfiguration take all of these but the name",
        create=_create_function,
        read=_read_function,
        update=_update_function,
        delete=_delete_function,
        unread=("code", "loggingConfig", "reservedConcurrentExecutions"),
    ),
    ResourceType(
        token="aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",  # noqa: S106
        carried=("functionName", "maximumRetryAttempts", "maximumEventAgeInSeconds", "destinationConfig"),
        fixed=("functionName",),
        source="PutFunctionEventInvokeConfig is by function",
        create=_put_event_invoke_config,
        read=_read_event_invoke_config,
        update=_update_event_invoke_config,
        delete=_delete_event_invoke_config,
        auto_named=None,
    ),
    ResourceType(
        token="aws:lambda/invocation:Invocation",  # noqa: S106
        carried=("functionName", "input", "triggers"),
        fixed=("functionName", "input", "triggers"),
        source="Invoke makes one call: another input is another call (lifecycleScope CREATE_ONLY)",
        create=_invoke,
        read=_read_invocation,
        delete=_delete_invocation,
        auto_named=None,
        unread=("functionName", "input", "triggers"),
    ),
    ResourceType(
        token="aws:lambda/permission:Permission",  # noqa: S106
        carried=("function", "action", "principal", "sourceArn", "sourceAccount", "statementId"),
        fixed=("function", "action", "principal", "sourceArn", "sourceAccount", "statementId"),
        source="AddPermission and RemovePermission are all there is",
        create=_add_permission,
        read=_read_permission,
        delete=_remove_permission,
        auto_named="statementId",
        unread=("principal", "sourceArn", "sourceAccount"),
    ),
)
