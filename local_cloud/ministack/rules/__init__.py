"""AWS's rules that MiniStack 1.5.33 is softer on, put in force before it serves.

One file a service, one function a rule; its docstring quotes or cites AWS. A rule wraps functions of
MiniStack and first checks that they are there with the parameters it expects. Runs in MiniStack's
environment: imports nothing of ours.

The pages cited, under https://docs.aws.amazon.com/:
- [ASM API]      secretsmanager/latest/apireference/API_<operation>.html
- [Route 53 API] Route53/latest/APIReference/API_<operation>.html
- [IAM quotas]   IAM/latest/UserGuide/reference_iam-quotas.html
- [Authorization <service>] service-authorization/latest/reference/list_<service>.html
"""

from __future__ import annotations

from collections.abc import Callable

from . import condition_keys, iam, route53, secrets_manager
from .reach import MissingTargetError

__all__ = ["RULES", "MissingTargetError", "apply_all"]

# Applied in this order: a later rule stands before an earlier one of the same function.
RULES: tuple[Callable[[], None], ...] = (
    condition_keys.secret_versions_are_condition_keys,
    condition_keys.metric_namespace_is_a_condition_key,
    condition_keys.record_changes_are_condition_keys,
    secrets_manager.secret_without_value_has_no_version,
    secrets_manager.client_request_token_names_the_first_version,
    secrets_manager.name_scheduled_for_deletion_is_taken,
    secrets_manager.labels_move,
    secrets_manager.first_version_is_current,
    secrets_manager.versions_do_not_change,
    secrets_manager.update_puts_by_the_same_rules,
    secrets_manager.stage_and_version_must_agree,
    secrets_manager.deprecated_versions_are_listed_on_request,
    route53.names_are_one_spelling,
    route53.records_stay_in_their_zone,
    route53.values_are_unique,
    route53.txt_values_are_quoted,
    route53.cname_stands_alone,
    route53.change_has_an_arn,
    iam.user_has_two_access_keys,
    iam.inline_policies_have_a_size,
    iam.managed_policies_have_a_size,
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
