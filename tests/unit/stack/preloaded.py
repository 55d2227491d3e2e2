"""What the process that recordings are forked from imports once: `pulumi_aws` loads its modules lazily."""

import pulumi_aws as aws

import tests.unit.stack.recorded_program  # noqa: F401

for service in (
    *("budgets", "cloudwatch", "iam", "lambda_", "route53", "scheduler", "secretsmanager", "sns"),
    "get_caller_identity",
    "get_region",
):
    dir(getattr(aws, service))
