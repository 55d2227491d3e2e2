"""The one way to AWS: every client retries adaptively, and is patient with permissions that are new."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Literal, overload

# botocore imports pyOpenSSL where it finds it, and with it cryptography, and uses neither: a run that has
# nothing to do is spared both. It takes an import that fails for their absence.
sys.modules.setdefault("urllib3.contrib.pyopenssl", None)  # type: ignore[arg-type]

import boto3  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402

from .errors import ACCESS_DENIED, AccessDenied, AwsError  # noqa: E402
from .waiting import Deadline, back_off  # noqa: E402

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse
    from botocore.model import OperationModel
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sts import STSClient

# Adaptive mode paces itself under throttling: Route 53 allows five requests a second an account.
_CONFIG = Config(retries={"mode": "adaptive", "total_max_attempts": 8}, connect_timeout=5, read_timeout=20)
_DENIED_PAUSE_SECONDS = (1.0, 8.0)
# Of a zone's role: AWS allows no shorter session, and no Lambda runs for longer.
_SESSION_NAME, _SESSION_SECONDS = "synology-https-renewer", 900
_FIRST_ERROR = 300  # as botocore has it
# By protocol: an error that botocore's retries take for a passing one (botocore.retries.standard).
_CUT_XML = (
    b"<ErrorResponse><Error><Code>RequestTimeout</Code>"
    b"<Message>the answer was cut short</Message></Error></ErrorResponse>"
)
_CUT_ANSWER = {
    "json": b'{"__type": "RequestTimeout", "message": "the answer was cut short"}',
    "query": _CUT_XML,
    "rest-xml": _CUT_XML,
}


class Aws:
    """AWS's clients for one run.

    IAM is eventually consistent: a Lambda that runs seconds after its policy was attached is often denied. So
    a denial is retried, for `patience` seconds a run in all, and never after the run's deadline.
    """

    def __init__(self, patience: float, deadline: Deadline) -> None:
        """Retry denials for `patience` seconds from the first one on, as long as `deadline` allows a wait."""
        self._patience = patience
        self._deadline = deadline
        self._denied_until: float | None = None
        self._route53: dict[str | None, Route53Client] = {}
        self._pauses = back_off(*_DENIED_PAUSE_SECONDS)

    @overload
    def client(self, service: Literal["route53"], **session: str) -> Route53Client: ...
    @overload
    def client(self, service: Literal["secretsmanager"]) -> SecretsManagerClient: ...
    @overload
    def client(self, service: Literal["sts"]) -> STSClient: ...
    def client(self, service: Literal["route53", "secretsmanager", "sts"], **session: str) -> object:
        """Return a boto3 client that signs with the credentials in `session`, else with the Lambda's own."""
        made = boto3.client(service, config=_CONFIG, **session)  # type: ignore[call-overload]  # texts
        service_id = made.meta.service_model.service_id.hyphenize()
        made.meta.events.register(f"needs-retry.{service_id}", self._wait)
        made.meta.events.register(f"before-parse.{service_id}", _notice_cut)
        made.meta.events.register(f"after-call.{service_id}", _refuse_cut)
        return made

    def route53(self, role: str | None) -> Route53Client:
        """Return the client that reaches a hosted zone, in a session of `role` where that is given.

        One session serves the whole run: the shortest there is outlasts a Lambda.

        Raises:
            AwsError: the role cannot be assumed.
        """
        if role not in self._route53:
            self._route53[role] = self.client("route53") if role is None else self._in_role(role)
        return self._route53[role]

    def _in_role(self, role: str) -> Route53Client:
        def explain(parsed: dict[str, Any], **_: object) -> None:
            error = parsed.get("Error", {})
            if error.get("Code") in ACCESS_DENIED:
                raise AccessDenied(
                    f"AWS refused the hosted zone's role {role}: {error.get('Message', error['Code'])}. "
                    "Give it the policy of the stack's output zone_roles, in the AWS account of that role."
                )

        try:
            session = self.client("sts").assume_role(
                RoleArn=role, RoleSessionName=_SESSION_NAME, DurationSeconds=_SESSION_SECONDS
            )["Credentials"]
        except ClientError as error:
            kind = AccessDenied if error.response["Error"]["Code"] in ACCESS_DENIED else AwsError
            raise kind(
                f"the hosted zone's role {role} could not be assumed: {error.response['Error']['Message']}. "
                "Give it the trust policy of the stack's output zone_roles, which `pulumi preview` shows, "
                "or correct the role in the setting zones."
            ) from error
        made = self.client(
            "route53",
            aws_access_key_id=session["AccessKeyId"],
            aws_secret_access_key=session["SecretAccessKey"],
            aws_session_token=session["SessionToken"],
        )
        made.meta.events.register("after-call.route-53", explain)
        return made

    def _wait(self, response: tuple[Any, dict[str, Any]] | None, **_: object) -> float | None:
        """Answer botocore's question whether to send again: the seconds to wait, or None for no opinion."""
        if response is None or response[1].get("Error", {}).get("Code") not in ACCESS_DENIED:
            return None
        now = time.monotonic()
        if self._denied_until is None:
            self._denied_until = now + self._patience
        pause = next(self._pauses)
        return pause if pause < min(self._denied_until - now, self._deadline.remaining()) else None


def _notice_cut(operation_model: OperationModel, response_dict: dict[str, Any], **_: object) -> None:
    """Make an error of an answer that is shorter than its Content-Length: botocore reads what there is."""
    if len(response_dict["body"]) < int(response_dict["headers"].get("Content-Length", 0)):
        protocol = operation_model.service_model.resolved_protocol
        response_dict.update(status_code=500, body=_CUT_ANSWER[protocol])


def _refuse_cut(
    http_response: AWSResponse, parsed: dict[str, Any], model: OperationModel, **_: object
) -> None:
    """Raise that error once the retries are used up: botocore looks at the answer's own status, a success."""
    if http_response.status_code < _FIRST_ERROR and "Error" in parsed:
        raise ClientError(parsed, model.name)  # type: ignore[arg-type]  # it is what botocore gives there
