"""What the aws provider does at `create` and `invoke`, one function a resource type, on the local AWS.

Only the types that the stack uses are here; any other fails by name. Inputs and outputs have the provider's
names (camelCase); each function returns the resource's id and its output properties.
"""

from __future__ import annotations

import io
import secrets
import time
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

Inputs = Mapping[str, Any]
Created = tuple[str, dict[str, Any]]


class UnknownTypeError(LookupError):
    """The program uses a resource type or function that the local provider does not have."""


class Provider:
    """Creates resources in the local AWS.

    Args:
        client: gives a boto3 client by service name.
        region: the region of all of them.
        local_bundle: the Lambda zip to run in place of the program's, which has wheels for Lambda's platform:
            the local AWS runs Lambdas with this machine's Python.
        lambda_environment: variables that Lambdas get beside the program's, as AWS's runtime adds its own.
    """

    def __init__(
        self,
        client: Callable[[str], Any],
        region: str,
        local_bundle: Path,
        lambda_environment: Mapping[str, str],
    ) -> None:
        """Use `client` for every call."""
        self._client = cache(client)
        self._region = region
        self._local_bundle = local_bundle
        self._lambda_environment = lambda_environment

    def create(self, resource_type: str, name: str, inputs: Inputs) -> Created:
        """Create a resource of `resource_type` whose logical name is `name`.

        Raises:
            UnknownTypeError: there is no function for the type.
            botocore.exceptions.ClientError: AWS refused.
        """
        make = _CREATE.get(resource_type)
        if make is None:
            raise UnknownTypeError(f"the local provider has no resource type {resource_type}")
        return make(self, name, inputs)

    def invoke(self, function: str, inputs: Inputs) -> dict[str, Any]:
        """Answer a provider function such as `aws:route53/getZone:getZone`."""
        answer = _INVOKE.get(function)
        if answer is None:
            raise UnknownTypeError(f"the local provider has no function {function}")
        return answer(self, inputs)

    def _record(self, _: str, inputs: Inputs) -> Created:
        record_set = {
            "Name": inputs["name"],
            "Type": inputs["type"],
            "TTL": int(inputs["ttl"]),
            "ResourceRecords": [{"Value": value} for value in inputs["records"]],
        }
        # The provider creates, and never overwrites unless allowOverwrite is set.
        action = "UPSERT" if inputs.get("allowOverwrite") else "CREATE"
        self._client("route53").change_resource_record_sets(
            HostedZoneId=inputs["zoneId"],
            ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": record_set}]},
        )
        return f"{inputs['zoneId']}_{inputs['name']}_{inputs['type']}", {**inputs, "fqdn": inputs["name"]}

    def _secret(self, name: str, inputs: Inputs) -> Created:
        full_name = _name(name, inputs)
        arn = self._client("secretsmanager").create_secret(
            Name=full_name, Description=inputs.get("description", "")
        )["ARN"]
        return arn, {**inputs, "name": full_name, "arn": arn}

    def _log_group(self, name: str, inputs: Inputs) -> Created:
        full_name = _name(name, inputs)
        logs = self._client("logs")
        logs.create_log_group(logGroupName=full_name)
        logs.put_retention_policy(logGroupName=full_name, retentionInDays=int(inputs["retentionInDays"]))
        group = logs.describe_log_groups(logGroupNamePrefix=full_name)["logGroups"][0]
        return full_name, {**inputs, "name": full_name, "arn": group["arn"].removesuffix(":*")}

    def _role(self, name: str, inputs: Inputs) -> Created:
        full_name = _name(name, inputs)
        role = self._client("iam").create_role(
            RoleName=full_name, AssumeRolePolicyDocument=inputs["assumeRolePolicy"]
        )["Role"]
        return full_name, {**inputs, "name": full_name, "arn": role["Arn"]}

    def _role_policy(self, name: str, inputs: Inputs) -> Created:
        full_name = _name(name, inputs)
        self._client("iam").put_role_policy(
            RoleName=inputs["role"], PolicyName=full_name, PolicyDocument=inputs["policy"]
        )
        return f"{inputs['role']}:{full_name}", {**inputs, "name": full_name}

    def _user(self, name: str, inputs: Inputs) -> Created:
        full_name = _name(name, inputs)
        user = self._client("iam").create_user(UserName=full_name, Path=inputs.get("path", "/"))["User"]
        return full_name, {**inputs, "name": full_name, "arn": user["Arn"]}

    def _user_policy(self, name: str, inputs: Inputs) -> Created:
        full_name = _name(name, inputs)
        self._client("iam").put_user_policy(
            UserName=inputs["user"], PolicyName=full_name, PolicyDocument=inputs["policy"]
        )
        return f"{inputs['user']}:{full_name}", {**inputs, "name": full_name}

    def _function(self, name: str, inputs: Inputs) -> Created:
        full_name = _name(name, inputs)
        logging = inputs["loggingConfig"]
        # The program's own bundle is proven to be a zip; what runs is the same renewer for this machine.
        with zipfile.ZipFile(inputs["code"].path) as bundle:
            bundle.getinfo(f"{inputs['handler'].rsplit('.', 1)[0].replace('.', '/')}.py")
        function = self._client("lambda").create_function(
            FunctionName=full_name,
            Description=inputs["description"],
            Runtime=inputs["runtime"],
            Architectures=inputs["architectures"],
            Handler=inputs["handler"],
            Role=inputs["role"],
            Code={"ZipFile": _deflated(self._local_bundle)},
            Timeout=int(inputs["timeout"]),
            MemorySize=int(inputs["memorySize"]),
            Environment={"Variables": {**inputs["environment"]["variables"], **self._lambda_environment}},
            LoggingConfig={"LogFormat": logging["logFormat"], "LogGroup": logging["logGroup"]},
        )
        return full_name, {**inputs, "name": full_name, "arn": function["FunctionArn"]}

    def _event_invoke_config(self, _: str, inputs: Inputs) -> Created:
        self._client("lambda").put_function_event_invoke_config(
            FunctionName=inputs["functionName"], MaximumRetryAttempts=int(inputs["maximumRetryAttempts"])
        )
        return inputs["functionName"], dict(inputs)

    def _invocation(self, name: str, inputs: Inputs) -> Created:
        answer = self._client("lambda").invoke(
            FunctionName=inputs["functionName"], Payload=inputs["input"].encode()
        )
        result = answer["Payload"].read().decode()
        if "FunctionError" in answer:
            raise InvocationError(f"invoking Lambda Function ({inputs['functionName']}): {result}")
        return name, {**inputs, "result": result}

    def _schedule(self, name: str, inputs: Inputs) -> Created:
        full_name = _name(name, inputs)
        window = inputs["flexibleTimeWindow"]
        flexible = {"Mode": window["mode"]}
        if "maximumWindowInMinutes" in window:
            flexible["MaximumWindowInMinutes"] = int(window["maximumWindowInMinutes"])
        target = inputs["target"]
        schedule = self._client("scheduler").create_schedule(
            Name=full_name,
            Description=inputs["description"],
            ScheduleExpression=inputs["scheduleExpression"],
            FlexibleTimeWindow=flexible,
            Target={
                "Arn": target["arn"],
                "RoleArn": target["roleArn"],
                "Input": target["input"],
                "RetryPolicy": {"MaximumRetryAttempts": int(target["retryPolicy"]["maximumRetryAttempts"])},
            },
        )
        return f"default/{full_name}", {**inputs, "name": full_name, "arn": schedule["ScheduleArn"]}

    def _get_zone(self, inputs: Inputs) -> dict[str, Any]:
        wanted = inputs["name"].rstrip(".")
        pages = self._client("route53").get_paginator("list_hosted_zones").paginate()
        for zone in (zone for page in pages for zone in page["HostedZones"]):
            if (
                zone["Name"].rstrip(".") == wanted
                and zone["Config"].get("PrivateZone", False) == inputs["privateZone"]
            ):
                return {"name": wanted, "zoneId": zone["Id"].rsplit("/", 1)[-1]}
        raise LookupError(f"no matching Route 53 Hosted Zone found: {wanted}")

    def _get_caller_identity(self, _: Inputs) -> dict[str, Any]:
        identity = self._client("sts").get_caller_identity()
        return {"accountId": identity["Account"], "arn": identity["Arn"], "userId": identity["UserId"]}

    def _get_region(self, _: Inputs) -> dict[str, Any]:
        return {"region": self._region, "name": self._region, "id": self._region}


class InvocationError(RuntimeError):
    """The Lambda that an Invocation resource ran has failed."""


_CREATE: dict[str, Callable[[Provider, str, Inputs], Created]] = {
    "aws:route53/record:Record": Provider._record,
    "aws:secretsmanager/secret:Secret": Provider._secret,
    "aws:cloudwatch/logGroup:LogGroup": Provider._log_group,
    "aws:iam/role:Role": Provider._role,
    "aws:iam/rolePolicy:RolePolicy": Provider._role_policy,
    "aws:iam/user:User": Provider._user,
    "aws:iam/userPolicy:UserPolicy": Provider._user_policy,
    "aws:lambda/function:Function": Provider._function,
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": Provider._event_invoke_config,
    "aws:lambda/invocation:Invocation": Provider._invocation,
    "aws:scheduler/schedule:Schedule": Provider._schedule,
}

_INVOKE: dict[str, Callable[[Provider, Inputs], dict[str, Any]]] = {
    "aws:route53/getZone:getZone": Provider._get_zone,
    "aws:index/getCallerIdentity:getCallerIdentity": Provider._get_caller_identity,
    "aws:index/getRegion:getRegion": Provider._get_region,
}


def _name(logical_name: str, inputs: Inputs) -> str:
    """Return the given name, or one as Pulumi (auto-naming) or the provider (namePrefix) generates it."""
    if "name" in inputs:
        return str(inputs["name"])
    if "namePrefix" in inputs:
        return f"{inputs['namePrefix']}{time.strftime('%Y%m%d%H%M%S', time.gmtime())}{secrets.token_hex(6)}"
    return f"{logical_name}-{secrets.token_hex(4)[:7]}"


def _deflated(bundle: Path) -> bytes:
    """Return the zip deflated: an upload of the stored one is base64 text, held several times in memory."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(bundle) as stored,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out,
    ):
        for entry in stored.infolist():
            out.writestr(entry, stored.read(entry), zipfile.ZIP_DEFLATED)
    return packed.getvalue()
