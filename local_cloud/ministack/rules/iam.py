"""IAM: quotas."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from .reach import Document, Function, Reply, module, wrap

_ACCESS_KEYS_A_USER = 2
_MANAGED_POLICY_SIZE = 6144
_INLINE_POLICY_SIZE = {"User": 2048, "Role": 10240, "Group": 5120}


def _wrap_action(action: str, handler: Callable[[ModuleType, Function, Document], Reply]) -> None:
    iam = module("services.iam", "_IAM_HANDLERS", "_access_keys", "_p", "_error")

    def handle(original: Function, p: Document) -> Reply:
        return handler(iam, original, p)

    wrap(iam._IAM_HANDLERS, f"{iam.__name__}._IAM_HANDLERS", action, handle)


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
    module("services.iam", "_user_inline_policies", "_group_inline_policies", "_roles")

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
