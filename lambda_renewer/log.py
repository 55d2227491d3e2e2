"""The renewer's log: one JSON object a line, nothing secret in it."""

from aws_lambda_powertools import Logger

log = Logger(service="lambda_renewer", level="INFO")
