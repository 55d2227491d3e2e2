"""The demo tells a denial of AWS from any other failure."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from local_cloud.demo.permissions import _try


def refuse(code: str) -> Any:
    def call() -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "GetSecretValue")

    return call


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException"])
def test_a_denial_is_a_denial(code: str) -> None:
    assert _try("a call", refuse(code)) == ("a call", False, code)


@pytest.mark.parametrize(
    "code",
    [
        *("ResourceNotFoundException", "InvalidChangeBatch", "ValidationException", "ThrottlingException"),
        *("InternalFailure", "InvalidClientTokenId", "SignatureDoesNotMatch", "NoSuchHostedZone", ""),
    ],
)
def test_any_other_error_is_none(code: str) -> None:
    assert _try("a call", refuse(code)) == ("a call", True, code)


def test_a_call_that_succeeds_was_allowed() -> None:
    assert _try("a call", lambda: None) == ("a call", True, "done")


def test_an_error_that_is_not_awss_is_no_denial() -> None:
    with pytest.raises(EndpointConnectionError):
        _try(
            "a call",
            lambda: (_ for _ in ()).throw(EndpointConnectionError(endpoint_url="http://x")).send(None),
        )
