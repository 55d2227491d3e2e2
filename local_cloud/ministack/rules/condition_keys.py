"""What a policy's Condition can ask about a request."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from .reach import Document, Function, module, parsed, wrap_function
from .route53 import BATCH_PARSERS, changes_of, normal_name


def _add_condition_keys(keys: Callable[[str, bytes, Document], Document | None]) -> None:
    """Let `keys(iam_action, body, params)` add to what the policy evaluation knows of each request."""

    def request_tag_context(
        original: Function, service: str, iam_action: str, body: bytes, params: Document
    ) -> Document:
        return {**original(service, iam_action, body, params), **(keys(iam_action, body, params) or {})}

    wrap_function(module("core.iam_actions"), "request_tag_context", request_tag_context)


def secret_versions_are_condition_keys() -> None:
    """Fill `secretsmanager:VersionId` and `:VersionStage` from the request, only where it names them.

    [Authorization awssecretsmanager]: GetSecretValue has both, UpdateSecretVersionStage the stage. A request
    that names no stage has no such key, although AWSCURRENT is what it reads (aws/aws-cli issue 5031).
    """
    of_action = {
        "secretsmanager:GetSecretValue": ("VersionId", "VersionStage"),
        "secretsmanager:UpdateSecretVersionStage": ("VersionStage",),
    }

    def keys(iam_action: str, body: bytes, _params: Document) -> Document:
        names = of_action.get(iam_action, ())
        request = parsed(body) if names else {}
        return {f"secretsmanager:{name}": request[name] for name in names if request.get(name)}

    _add_condition_keys(keys)


def metric_namespace_is_a_condition_key() -> None:
    """Fill `cloudwatch:namespace` for PutMetricData, in each of its three protocols.

    [Authorization amazoncloudwatch].
    """
    cbor = importlib.import_module("cbor2")

    def keys(iam_action: str, body: bytes, params: Document) -> Document | None:
        if iam_action != "cloudwatch:PutMetricData":
            return None
        if named := params.get("Namespace"):
            return {"cloudwatch:namespace": named[0] if isinstance(named, list) else named}
        try:
            request = parsed(body) or cbor.loads(body)
        except (ValueError, EOFError):
            return None
        return {"cloudwatch:namespace": str(request.get("Namespace", ""))}

    _add_condition_keys(keys)


def record_changes_are_condition_keys() -> None:
    r"""Fill the three `route53:ChangeResourceRecordSets…` keys from the change batch.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-conditions-route53.html: names in
    lower case, without trailing dot, other characters than a-z 0-9 - _ . as \ooo.
    """
    route53 = module("services.route53", *BATCH_PARSERS)

    def keys(iam_action: str, body: bytes, _params: Document) -> Document | None:
        if iam_action != "route53:ChangeResourceRecordSets":
            return None
        changes = changes_of(route53, body)
        prefix = "route53:ChangeResourceRecordSets"
        return {
            f"{prefix}NormalizedRecordNames": [normal_name(record["Name"]) for _, record in changes],
            f"{prefix}RecordTypes": [record["Type"] for _, record in changes],
            f"{prefix}Actions": [action for action, _ in changes],
        }

    _add_condition_keys(keys)
