"""Policies and refusals in few words, for the tests of the local AWS's rules."""

import re
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError

ANY = "*"


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def allow(action: str | Sequence[str], resource: str, **condition: Any) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": action, "Resource": resource}
    if condition:
        statement["Condition"] = condition
    return {"Version": "2012-10-17", "Statement": [statement]}


def refused(code: str, text: str, call: Callable[..., Any], **arguments: Any) -> None:
    with pytest.raises(ClientError, match=re.escape(text)) as failure:
        call(**arguments)
    assert failure.value.response["Error"]["Code"] == code


def denied(call: Callable[..., Any], **arguments: Any) -> None:
    with pytest.raises(ClientError, match="is not authorized to perform") as failure:
        call(**arguments)
    assert failure.value.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}


def token() -> str:
    return str(uuid.uuid4())
