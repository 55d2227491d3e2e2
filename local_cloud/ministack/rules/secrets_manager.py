"""Secrets Manager: versions and their labels."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from .reach import OK, Document, Function, Reply, module, parsed, refusal, replied, without, wrap_function


def _secrets_manager() -> ModuleType:
    return module(
        "services.secretsmanager",
        *("_secrets", "_resolve", "_find_stage_version", "_remove_stage_everywhere", "_add_stage"),
        *("_sync_replicas", "_emit_secret_label_updated", "error_response_json", "json_response"),
    )


def _versions(manager: ModuleType, request: Document) -> Document:
    """The versions of the secret that the request names; none if it is gone or scheduled for deletion."""
    _, secret = manager._resolve(request.get("SecretId"))
    return secret["Versions"] if secret and not secret.get("DeletedDate") else {}


def _value(holder: Document) -> tuple[Any, Any]:
    return holder.get("SecretString"), holder.get("SecretBinary")


def _token_is_used(manager: ModuleType, request: Document) -> Reply:
    return refusal(
        manager,
        "ResourceExistsException",
        "You can't use ClientRequestToken because that value is already in use for a version of secret "
        f"{request['SecretId']}.",
    )


def _has_value(request: Document) -> bool:
    return _value(request) != (None, None)


def secret_without_value_has_no_version() -> None:
    """A secret made without a value has no version, so no AWSCURRENT to read.

    [ASM API] PutSecretValue and CreateSecret: versions come of values. GetSecretValue then answers
    ResourceNotFoundException, DescribeSecret has no VersionIdsToStages.
    """
    manager = _secrets_manager()

    def create(original: Function, data: Document) -> Reply:
        reply: Reply = original(data)
        if reply[0] != OK or _has_value(data):
            return reply
        manager._secrets[data["Name"]]["Versions"].clear()
        return without(manager, reply, "VersionId")

    def describe(original: Function, data: Document) -> Reply:
        reply: Reply = original(data)
        return (
            reply
            if parsed(reply[2]).get("VersionIdsToStages")
            else without(manager, reply, "VersionIdsToStages")
        )

    wrap_function(manager, "_create_secret", create)
    wrap_function(manager, "_describe_secret", describe)


def client_request_token_names_the_first_version() -> None:
    """CreateSecret's token is the version's id, and the same request again is answered, not refused.

    [ASM API] CreateSecret, ClientRequestToken: "This value becomes the `VersionId` of the new version."
    """
    manager = _secrets_manager()

    def create(original: Function, data: Document) -> Reply:
        token, secret = data.get("ClientRequestToken"), manager._secrets.get(data.get("Name"))
        first = None if not secret or secret.get("DeletedDate") else secret["Versions"].get(token)
        if first and _value(first) == _value(data):
            return replied(manager, {"ARN": secret["ARN"], "Name": secret["Name"], "VersionId": token})
        reply: Reply = original(data)
        if reply[0] != OK or not token or not _has_value(data):
            return reply
        made = parsed(reply[2])
        versions = manager._secrets[data["Name"]]["Versions"]
        versions[token] = versions.pop(made["VersionId"])
        return replied(manager, {**made, "VersionId": token})

    wrap_function(manager, "_create_secret", create)


def name_scheduled_for_deletion_is_taken() -> None:
    """A name is not free before its recovery window ends: InvalidRequestException.

    [ASM API] CreateSecret, errors: InvalidRequestException where "the secret is scheduled for deletion".
    """
    manager = _secrets_manager()

    def create(original: Function, data: Document) -> Reply:
        if (manager._secrets.get(data.get("Name")) or {}).get("DeletedDate"):
            return refusal(
                manager,
                "InvalidRequestException",
                "You can't create this secret because a secret with this name is already scheduled for "
                "deletion.",
            )
        reply: Reply = original(data)
        return reply

    wrap_function(manager, "_create_secret", create)


def labels_move() -> None:
    """A label is on one version at a time; a put attaches all labels it asks for; versions outlive labels.

    [ASM API] PutSecretValue, VersionStages: "If you specify a staging label that's already associated with a
    different version of the same secret, then Secrets Manager removes the label from the other version and
    attaches it to this version"; AWSPREVIOUS goes to the version that AWSCURRENT was removed from. A version
    without label is deprecated, not gone at once: its ClientRequestToken still collides.
    """
    manager = _secrets_manager()

    def attach(secret: Document, label: str, version: str) -> None:
        holder, _ = manager._find_stage_version(secret, label)
        manager._remove_stage_everywhere(secret, label)
        manager._add_stage(secret, version, label)
        if label == "AWSCURRENT" and holder:
            attach(secret, "AWSPREVIOUS", holder)
        if label not in {"AWSPENDING", "AWSPREVIOUS"}:
            manager._emit_secret_label_updated(secret, label, version)

    def put(original: Function, data: Document) -> Reply:
        reply: Reply = original({**data, "VersionStages": []})
        if reply[0] != OK:
            return reply
        made = parsed(reply[2])
        _, secret = manager._resolve(data["SecretId"])
        for label in data.get("VersionStages", ["AWSCURRENT"]):
            attach(secret, label, made["VersionId"])
        manager._sync_replicas(secret)
        return replied(manager, {**made, "VersionStages": secret["Versions"][made["VersionId"]]["Stages"]})

    wrap_function(manager, "_put_secret_value", put)


def first_version_is_current() -> None:
    """The first version of a secret becomes AWSCURRENT, whatever label is asked.

    [ASM API] PutSecretValue: "If this operation creates the first version for the secret, then Secrets
    Manager automatically attaches the staging label AWSCURRENT to it."
    """
    manager = _secrets_manager()

    def put(original: Function, data: Document) -> Reply:
        labels = data.get("VersionStages", ["AWSCURRENT"])
        if not _versions(manager, data) and "AWSCURRENT" not in labels:
            data = {**data, "VersionStages": [*labels, "AWSCURRENT"]}
        reply: Reply = original(data)
        return reply

    wrap_function(manager, "_put_secret_value", put)


def versions_do_not_change() -> None:
    """A ClientRequestToken used before is ignored with the same value, refused with another.

    [ASM API] PutSecretValue, ClientRequestToken: with the same value "the request is ignored. The operation
    is idempotent", with another "the request fails because you can't modify a secret version":
    ResourceExistsException.
    """
    manager = _secrets_manager()

    def put(original: Function, data: Document) -> Reply:
        token = data.get("ClientRequestToken")
        version = _versions(manager, data).get(token or "")
        if version is None:
            reply: Reply = original(data)
            return reply
        if _value(version) != _value(data):
            return _token_is_used(manager, data)
        _, secret = manager._resolve(data["SecretId"])
        return replied(
            manager,
            {
                "ARN": secret["ARN"],
                "Name": secret["Name"],
                "VersionId": token,
                "VersionStages": version["Stages"],
            },
        )

    wrap_function(manager, "_put_secret_value", put)


def update_puts_by_the_same_rules() -> None:
    """UpdateSecret with a value makes an AWSCURRENT version of its token, and refuses one used before.

    [ASM API] UpdateSecret: "If you call this operation with a ClientRequestToken that matches an existing
    version's VersionId, the operation results in an error."
    """
    manager = _secrets_manager()

    def update(original: Function, data: Document) -> Reply:
        if not _has_value(data):
            reply: Reply = original(data)
            return reply
        if data.get("ClientRequestToken") in _versions(manager, data):
            return _token_is_used(manager, data)
        put: Reply = manager._put_secret_value({k: v for k, v in data.items() if k != "VersionStages"})
        if put[0] != OK:
            return put
        original({k: v for k, v in data.items() if k not in {"SecretString", "SecretBinary"}})
        return without(manager, put, "VersionStages")

    wrap_function(manager, "_update_secret", update)


def stage_and_version_must_agree() -> None:
    """GetSecretValue with a VersionId that does not carry the VersionStage asked beside it is refused.

    [ASM API] GetSecretValue, VersionStage: "If you include both this parameter and `VersionId`, the two
    parameters must refer to the same secret version." Without it, a policy that allows only AWSCURRENT is
    passed by naming AWSCURRENT beside any VersionId.
    """
    manager = _secrets_manager()

    def get(original: Function, data: Document) -> Reply:
        version = _versions(manager, data).get(data.get("VersionId") or "")
        if version and data.get("VersionStage") and data["VersionStage"] not in version["Stages"]:
            return refusal(
                manager,
                "InvalidRequestException",
                "You provided a VersionStage that is not associated to the provided VersionId.",
            )
        reply: Reply = original(data)
        return reply

    wrap_function(manager, "_get_secret_value", get)


def deprecated_versions_are_listed_on_request() -> None:
    """ListSecretVersionIds shows versions without label only with IncludeDeprecated.

    [ASM API] ListSecretVersionIds: "By default, versions without staging labels aren't included."
    """
    manager = _secrets_manager()

    def listing(original: Function, data: Document) -> Reply:
        reply: Reply = original(data)
        if reply[0] != OK or data.get("IncludeDeprecated"):
            return reply
        found = parsed(reply[2])
        return replied(manager, {**found, "Versions": [v for v in found["Versions"] if v["VersionStages"]]})

    wrap_function(manager, "_list_secret_version_ids", listing)
