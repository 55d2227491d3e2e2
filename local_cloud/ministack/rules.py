"""AWS's rules that MiniStack 1.5.33 is softer on, put in force before it serves.

One function a rule; its docstring quotes or cites AWS. A rule wraps functions of MiniStack and first checks
that they are there with the parameters it expects. Runs in MiniStack's environment: imports nothing of ours.

The pages cited, under https://docs.aws.amazon.com/:
- [ASM API]      secretsmanager/latest/apireference/API_<operation>.html
- [Route 53 API] Route53/latest/APIReference/API_<operation>.html
- [IAM quotas]   IAM/latest/UserGuide/reference_iam-quotas.html
- [Authorization <service>] service-authorization/latest/reference/list_<service>.html
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

Document = dict[str, Any]
Reply = tuple[int, dict[str, str], bytes]
Function = Callable[..., Any]

OK = 200


class MissingTargetError(RuntimeError):
    """MiniStack no longer has what a rule changes; the text names it."""


# --- Reaching into MiniStack -----------------------------------------------------------------------------


def _module(name: str, *needed: str) -> ModuleType:
    """Return `ministack.<name>`, which must have the attributes `needed`."""
    module = importlib.import_module(f"ministack.{name}")
    for attribute in needed:
        if not hasattr(module, attribute):
            raise MissingTargetError(f"{module.__name__}.{attribute} is gone, which a rule needs")
    return module


def _wrap(names: dict[str, Any], where: str, name: str, wrapper: Function) -> None:
    """Put `wrapper` before the function `name`; it receives that function, then its parameters, same names.

    A `*rest` in the wrapper stands for parameters it only passes on.
    """
    function = names.get(name)
    if not callable(function):
        raise MissingTargetError(f"{where}.{name} is gone, which a rule wraps")
    found = list(inspect.signature(function).parameters)
    expected = [p.name for p in inspect.signature(wrapper).parameters.values() if p.kind != p.VAR_POSITIONAL]
    open_ended = len(expected) < len(inspect.signature(wrapper).parameters)
    if expected[1:] != (found[: len(expected) - 1] if open_ended else found):
        raise MissingTargetError(
            f"{where}.{name} now takes ({', '.join(found)}), another shape than a rule wraps"
        )
    names[name] = functools.partial(wrapper, function)


def _wrap_function(module: ModuleType, name: str, wrapper: Function) -> None:
    _wrap(vars(module), module.__name__, name, wrapper)


# --- Condition keys: what a policy's Condition can ask about a request -----------------------------------


def _add_condition_keys(keys: Callable[[str, bytes, Document], Document | None]) -> None:
    """Let `keys(iam_action, body, params)` add to what the policy evaluation knows of each request."""

    def request_tag_context(
        original: Function, service: str, iam_action: str, body: bytes, params: Document
    ) -> Document:
        return {**original(service, iam_action, body, params), **(keys(iam_action, body, params) or {})}

    _wrap_function(_module("core.iam_actions"), "request_tag_context", request_tag_context)


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
        request = _json(body) if names else {}
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
            request = _json(body) or cbor.loads(body)
        except (ValueError, EOFError):
            return None
        return {"cloudwatch:namespace": str(request.get("Namespace", ""))}

    _add_condition_keys(keys)


def record_changes_are_condition_keys() -> None:
    r"""Fill the three `route53:ChangeResourceRecordSets…` keys from the change batch.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-conditions-route53.html: names in
    lower case, without trailing dot, other characters than a-z 0-9 - _ . as \ooo.
    """
    route53 = _module("services.route53", *_BATCH_PARSERS)

    def keys(iam_action: str, body: bytes, _params: Document) -> Document | None:
        if iam_action != "route53:ChangeResourceRecordSets":
            return None
        changes = _changes(route53, body)
        prefix = "route53:ChangeResourceRecordSets"
        return {
            f"{prefix}NormalizedRecordNames": [_normal_name(record["Name"]) for _, record in changes],
            f"{prefix}RecordTypes": [record["Type"] for _, record in changes],
            f"{prefix}Actions": [action for action, _ in changes],
        }

    _add_condition_keys(keys)


# --- Secrets Manager: versions and their labels ----------------------------------------------------------


def _secrets_manager() -> ModuleType:
    return _module(
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
    return _refusal(
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
        return _without(manager, reply, "VersionId")

    def describe(original: Function, data: Document) -> Reply:
        reply: Reply = original(data)
        return (
            reply
            if _json(reply[2]).get("VersionIdsToStages")
            else _without(manager, reply, "VersionIdsToStages")
        )

    _wrap_function(manager, "_create_secret", create)
    _wrap_function(manager, "_describe_secret", describe)


def client_request_token_names_the_first_version() -> None:
    """CreateSecret's token is the version's id, and the same request again is answered, not refused.

    [ASM API] CreateSecret, ClientRequestToken: "This value becomes the `VersionId` of the new version."
    """
    manager = _secrets_manager()

    def create(original: Function, data: Document) -> Reply:
        token, secret = data.get("ClientRequestToken"), manager._secrets.get(data.get("Name"))
        first = None if not secret or secret.get("DeletedDate") else secret["Versions"].get(token)
        if first and _value(first) == _value(data):
            return _reply(manager, {"ARN": secret["ARN"], "Name": secret["Name"], "VersionId": token})
        reply: Reply = original(data)
        if reply[0] != OK or not token or not _has_value(data):
            return reply
        made = _json(reply[2])
        versions = manager._secrets[data["Name"]]["Versions"]
        versions[token] = versions.pop(made["VersionId"])
        return _reply(manager, {**made, "VersionId": token})

    _wrap_function(manager, "_create_secret", create)


def name_scheduled_for_deletion_is_taken() -> None:
    """A name is not free before its recovery window ends: InvalidRequestException.

    [ASM API] CreateSecret, errors: InvalidRequestException where "the secret is scheduled for deletion".
    """
    manager = _secrets_manager()

    def create(original: Function, data: Document) -> Reply:
        if (manager._secrets.get(data.get("Name")) or {}).get("DeletedDate"):
            return _refusal(
                manager,
                "InvalidRequestException",
                "You can't create this secret because a secret with this name is already scheduled for "
                "deletion.",
            )
        reply: Reply = original(data)
        return reply

    _wrap_function(manager, "_create_secret", create)


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
        made = _json(reply[2])
        _, secret = manager._resolve(data["SecretId"])
        for label in data.get("VersionStages", ["AWSCURRENT"]):
            attach(secret, label, made["VersionId"])
        manager._sync_replicas(secret)
        return _reply(manager, {**made, "VersionStages": secret["Versions"][made["VersionId"]]["Stages"]})

    _wrap_function(manager, "_put_secret_value", put)


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

    _wrap_function(manager, "_put_secret_value", put)


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
        return _reply(
            manager,
            {
                "ARN": secret["ARN"],
                "Name": secret["Name"],
                "VersionId": token,
                "VersionStages": version["Stages"],
            },
        )

    _wrap_function(manager, "_put_secret_value", put)


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
        return _without(manager, put, "VersionStages")

    _wrap_function(manager, "_update_secret", update)


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
            return _refusal(
                manager,
                "InvalidRequestException",
                "You provided a VersionStage that is not associated to the provided VersionId.",
            )
        reply: Reply = original(data)
        return reply

    _wrap_function(manager, "_get_secret_value", get)


def deprecated_versions_are_listed_on_request() -> None:
    """ListSecretVersionIds shows versions without label only with IncludeDeprecated.

    [ASM API] ListSecretVersionIds: "By default, versions without staging labels aren't included."
    """
    manager = _secrets_manager()

    def listing(original: Function, data: Document) -> Reply:
        reply: Reply = original(data)
        if reply[0] != OK or data.get("IncludeDeprecated"):
            return reply
        found = _json(reply[2])
        return _reply(manager, {**found, "Versions": [v for v in found["Versions"] if v["VersionStages"]]})

    _wrap_function(manager, "_list_secret_version_ids", listing)


# --- Route 53: what a zone holds -------------------------------------------------------------------------

_BATCH_PARSERS = ("_parse_body", "_parse_record_set", "_find", "_findall", "_text")
_UNPLAIN = re.compile(r"\\([0-7]{3})|([^a-z0-9_.-])")
_QUOTED_STRINGS = re.compile(r'"(?:[^"\\]|\\.){0,255}"(?:\s+"(?:[^"\\]|\\.){0,255}")*')

Changes = list[tuple[str, Document]]


def _normal_name(name: str) -> str:
    r"""Return the name as Route 53 keeps it, without trailing dot: `*.Example.com.` is `\052.example.com`."""

    def plain(match: re.Match[str]) -> str:
        character = chr(int(match[1], 8)).lower() if match[1] else match[2]
        if re.fullmatch(r"[a-z0-9_-]", character):
            return character
        return "".join(f"\\{byte:03o}" for byte in character.encode("latin-1" if match[1] else "utf-8"))

    return _UNPLAIN.sub(plain, name.lower()).rstrip(".")


def _changes(route53: ModuleType, body: bytes) -> Changes:
    """The (action, record set) of each change of a batch; none where the body is not a batch."""
    node = route53._parse_body(body)
    for tag in ("ChangeBatch", "Changes"):
        node = None if node is None else route53._find(node, tag)
    if node is None:
        return []
    return [
        (route53._text(change, "Action"), route53._parse_record_set(record))
        for change in route53._findall(node, "Change")
        if (record := route53._find(change, "ResourceRecordSet")) is not None
    ]


def _refuse_batch(problem: Callable[[str, list[Document], Changes], str | None]) -> None:
    """Answer InvalidChangeBatch where `problem(zone name, its record sets, the changes)` finds one."""
    route53 = _module("services.route53", "_zones", "_records", "_error_response", *_BATCH_PARSERS)

    def change(original: Function, zone_id: str, body: bytes) -> Reply:
        zone = route53._zones.get(zone_id)
        found = problem(zone["name"], route53._records[zone_id], _changes(route53, body)) if zone else None
        reply: Reply = (
            route53._error_response("InvalidChangeBatch", f"[{found}]") if found else original(zone_id, body)
        )
        return reply

    _wrap_function(route53, "_change_resource_record_sets", change)


def names_are_one_spelling() -> None:
    r"""Upper and lower case, `*` and `\052`, with and without dot are the same name, listed in one spelling.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html: "Route 53 stores
    alphabetic characters as lowercase letters (a-z), regardless of how you specify them"; other characters
    are returned "as escape codes", `*` as \052.
    """
    route53 = _module("services.route53")

    def normalise(original: Function, name: str) -> str:
        return str(original(_normal_name(name)))

    _wrap_function(route53, "_normalise_name", normalise)


def records_stay_in_their_zone() -> None:
    """A record set's name is the zone's name or below it.

    [Route 53 API] ChangeResourceRecordSets, InvalidChangeBatch; the text is AWS's.
    """

    def problem(zone: str, _records: list[Document], changes: Changes) -> str | None:
        for _, record in changes:
            if not f".{record['Name']}".endswith(f".{zone}"):
                return f"RRSet with DNS name {record['Name']} is not permitted in zone {zone}"
        return None

    _refuse_batch(problem)


def values_are_unique() -> None:
    """A record set holds no value twice.

    [Route 53 API] ChangeResourceRecordSets, InvalidChangeBatch; the text is AWS's.
    """

    def problem(_zone: str, _records: list[Document], changes: Changes) -> str | None:
        for _, record in changes:
            values = record.get("ResourceRecords", [])
            if twice := [value for value in values if values.count(value) > 1]:
                return f"Duplicate Resource Record: '{twice[0]}'"
        return None

    _refuse_batch(problem)


def txt_values_are_quoted() -> None:
    """A TXT value is one or more quoted strings of at most 255 characters.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html#TXTFormat.
    """

    def problem(_zone: str, _records: list[Document], changes: Changes) -> str | None:
        for _, record in changes:
            for value in record.get("ResourceRecords", []) if record["Type"] == "TXT" else []:
                if not _QUOTED_STRINGS.fullmatch(value):
                    return (
                        "Invalid Resource Record: 'FATAL problem: InvalidCharacterString (Value should be "
                        f"enclosed in quotation marks) encountered with '{value}''"
                    )
        return None

    _refuse_batch(problem)


def cname_stands_alone() -> None:
    """After the whole batch, a name with a CNAME has no other type.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html#CNAMEFormat: "you
    cannot create any other records for that subdomain".
    """

    def problem(zone: str, records: list[Document], changes: Changes) -> str | None:
        held = {(record["Name"], record["Type"]) for record in records}
        for action, record in changes:
            (held.discard if action == "DELETE" else held.add)((record["Name"], record["Type"]))
        for name, kind in {(record["Name"], record["Type"]) for _, record in changes} & held:
            others = {other for held_name, other in held if held_name == name} - {kind}
            if kind == "CNAME" and others:
                return (
                    f"RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other "
                    f"records with the same DNS name in zone {zone}"
                )
            if "CNAME" in others:
                return (
                    f"RRSet of type {kind} with DNS name {name} is not permitted because a conflicting RRSet "
                    f"of type CNAME with the same DNS name already exists in zone {zone}"
                )
        return None

    _refuse_batch(problem)


def change_has_an_arn() -> None:
    """GetChange is authorized on arn:aws:route53:::change/<id>, not on `*` alone.

    [Authorization amazonroute53]: GetChange, resource type change.
    """

    def resource(original: Function, service: str, method: str, path: str, *rest: Any) -> Any:
        if service == "route53" and (change := re.fullmatch(r"/[^/]+/change/([^/]+)", path)):
            return f"arn:aws:route53:::change/{change[1]}"
        return original(service, method, path, *rest)

    _wrap_function(_module("core.iam_actions"), "extract_resource_arn", resource)


# --- IAM: quotas -----------------------------------------------------------------------------------------

_ACCESS_KEYS_A_USER = 2
_MANAGED_POLICY_SIZE = 6144
_INLINE_POLICY_SIZE = {"User": 2048, "Role": 10240, "Group": 5120}


def _wrap_action(action: str, handler: Callable[[ModuleType, Function, Document], Reply]) -> None:
    iam = _module("services.iam", "_IAM_HANDLERS", "_access_keys", "_p", "_error")

    def handle(original: Function, p: Document) -> Reply:
        return handler(iam, original, p)

    _wrap(iam._IAM_HANDLERS, f"{iam.__name__}._IAM_HANDLERS", action, handle)


def _over_quota(iam: ModuleType, text: str) -> Reply:
    reply: Reply = iam._error(409, "LimitExceeded", text, ns="iam")
    return reply


def _size(policy: str) -> int:
    """The policy's length; [IAM quotas]: "IAM doesn't count white space"."""
    return len("".join(policy.split()))


def user_has_two_access_keys() -> None:
    """A user has at most two access keys, active or not: LimitExceeded. [IAM quotas]."""

    def create(iam: ModuleType, original: Function, p: Document) -> Reply:
        user = iam._p(p, "UserName")
        held = [key for key in iam._access_keys.values() if key["UserName"] == user]
        if user and len(held) >= _ACCESS_KEYS_A_USER:
            return _over_quota(iam, f"Cannot exceed quota for AccessKeysPerUser: {_ACCESS_KEYS_A_USER}")
        reply: Reply = original(p)
        return reply

    _wrap_action("CreateAccessKey", create)


def inline_policies_have_a_size() -> None:
    """All inline policies of a user, role or group together have a size: LimitExceeded. [IAM quotas]."""
    _module("services.iam", "_user_inline_policies", "_group_inline_policies", "_roles")

    def held(iam: ModuleType, kind: str, name: str) -> Document:
        if kind == "Role":
            return dict((iam._roles.get(name) or {}).get("InlinePolicies", {}))
        return dict(getattr(iam, f"_{kind.lower()}_inline_policies").get(name) or {})

    def handler(kind: str, limit: int) -> Callable[[ModuleType, Function, Document], Reply]:
        def put(iam: ModuleType, original: Function, p: Document) -> Reply:
            name = iam._p(p, f"{kind}Name")
            policies = held(iam, kind, name) | {iam._p(p, "PolicyName"): iam._p(p, "PolicyDocument")}
            if sum(map(_size, policies.values())) > limit:
                return _over_quota(
                    iam, f"Maximum policy size of {limit} bytes exceeded for {kind.lower()} {name}"
                )
            reply: Reply = original(p)
            return reply

        return put

    for kind, limit in _INLINE_POLICY_SIZE.items():
        _wrap_action(f"Put{kind}Policy", handler(kind, limit))


def managed_policies_have_a_size() -> None:
    """A managed policy has at most 6,144 characters: LimitExceeded. [IAM quotas]."""

    def create(iam: ModuleType, original: Function, p: Document) -> Reply:
        if _size(iam._p(p, "PolicyDocument")) > _MANAGED_POLICY_SIZE:
            return _over_quota(iam, f"Cannot exceed quota for PolicySize: {_MANAGED_POLICY_SIZE}")
        reply: Reply = original(p)
        return reply

    _wrap_action("CreatePolicy", create)
    _wrap_action("CreatePolicyVersion", create)


# --- Replies and requests in JSON ------------------------------------------------------------------------


def _json(body: bytes) -> Document:
    """The JSON object that `body` is, empty where it is something else."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _reply(service: ModuleType, document: Document) -> Reply:
    reply: Reply = service.json_response(document)
    return reply


def _refusal(service: ModuleType, code: str, text: str) -> Reply:
    reply: Reply = service.error_response_json(code, text, 400)
    return reply


def _without(service: ModuleType, reply: Reply, field: str) -> Reply:
    """The reply without `field`; an error as it is."""
    if reply[0] != OK:
        return reply
    return _reply(service, {key: value for key, value in _json(reply[2]).items() if key != field})


# Applied in this order: a later rule stands before an earlier one of the same function.
RULES: tuple[Callable[[], None], ...] = (
    secret_versions_are_condition_keys,
    metric_namespace_is_a_condition_key,
    record_changes_are_condition_keys,
    secret_without_value_has_no_version,
    client_request_token_names_the_first_version,
    name_scheduled_for_deletion_is_taken,
    labels_move,
    first_version_is_current,
    versions_do_not_change,
    update_puts_by_the_same_rules,
    stage_and_version_must_agree,
    deprecated_versions_are_listed_on_request,
    names_are_one_spelling,
    records_stay_in_their_zone,
    values_are_unique,
    txt_values_are_quoted,
    cname_stands_alone,
    change_has_an_arn,
    user_has_two_access_keys,
    inline_policies_have_a_size,
    managed_policies_have_a_size,
)


def apply_all() -> None:
    """Put every rule in force.

    Raises:
        MissingTargetError: MiniStack no longer has what a rule changes; the text names the rule and it.
    """
    for rule in RULES:
        try:
            rule()
        except MissingTargetError as error:
            raise MissingTargetError(f"rule {rule.__name__}: {error}") from None
