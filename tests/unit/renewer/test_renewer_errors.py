"""Errors as the user reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambda_renewer import errors
from lambda_renewer.errors import AccessDenied, AwsError, Problem, describe_problem, from_client_error

URN = "urn:ietf:params:acme:error:"

NOW = datetime(2026, 10, 8, 7, 50, 47, tzinfo=UTC)

# Case 3 from the field.
RATE_LIMITED = {
    "type": "urn:ietf:params:acme:error:rateLimited",
    "detail": "too many certificates (5) already issued for this exact set of identifiers in the last "
    "168h0m0s, retry after 2026-10-09 04:49:31 UTC: see "
    "https://letsencrypt.org/docs/rate-limits/#new-certificates-per-exact-set-of-identifiers",
    "status": 429,
}


def test_a_rate_limit_names_limit_time_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "now", lambda: NOW)
    problem = Problem(RATE_LIMITED, status=429, url="https://ca/new-order", retry_after=75_533.0)
    text = str(problem)
    assert "too many certificates (5) already issued for this exact set" in text
    assert "retry after 2026-10-09 04:49:31 UTC" in text
    assert "Not to be retried before 2026-10-09T04:49:40Z." in text
    assert "The current certificate stays. Wait;" in text
    assert "HTTP 429 from https://ca/new-order" in text
    assert problem.code == "rateLimited"
    assert problem.retry_at == NOW + timedelta(seconds=75_533)


def test_the_time_stands_in_the_words_too_where_there_is_no_retry_after() -> None:
    """Let's Encrypt writes it there; some networks lose the header."""
    problem = Problem(RATE_LIMITED, status=429, url="https://ca/new-order")
    assert problem.retry_at == datetime(2026, 10, 9, 4, 49, 31, tzinfo=UTC)
    assert "Not to be retried before 2026-10-09T04:49:31Z." in str(problem)


@pytest.mark.parametrize(
    "detail",
    ["slow down", "retry after 2026-10-09", "retry after 2026-13-40 04:49:31 UTC", "retry after soon UTC"],
)
def test_without_a_time_nothing_is_promised(detail: str) -> None:
    problem = Problem({"type": f"{URN}rateLimited", "detail": detail}, status=429, url="https://ca/")
    assert problem.retry_at is None
    assert "Not to be retried" not in str(problem)


@pytest.mark.parametrize("seconds", [0.0, 1e300, float("inf")])
def test_no_retry_after_overflows(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "now", lambda: NOW)
    problem = Problem({}, status=503, url="https://ca/", retry_after=seconds)
    assert problem.retry_at == NOW + timedelta(seconds=min(seconds, 366 * 86_400))


def test_subproblems_are_told_with_their_names_and_advice() -> None:
    text = describe_problem(
        {
            "type": f"{URN}compound",
            "detail": "two names failed",
            "subproblems": [
                {
                    "type": f"{URN}caa",
                    "detail": "CAA forbids",
                    "identifier": {"type": "dns", "value": "a.example"},
                },
                {
                    "type": f"{URN}dns",
                    "detail": "no answer",
                    "identifier": {"type": "dns", "value": "b.example"},
                },
            ],
        }
    )
    assert f"{URN}compound: two names failed" in text
    assert f"a.example: {URN}caa: CAA forbids" in text
    assert "allow it at the domain, or remove the record" in text
    assert f"b.example: {URN}dns: no answer" in text
    assert "name servers at the registrar" in text
    assert "\n" not in text


def test_a_given_name_comes_before_that_of_the_document() -> None:
    document = {"type": f"{URN}dns", "detail": "d", "identifier": {"type": "dns", "value": "b.example"}}
    assert describe_problem(document, name="*.example.com").startswith("*.example.com: ")
    assert describe_problem(document).startswith("b.example: ")


@pytest.mark.parametrize(
    "code",
    [
        *("rateLimited", "caa", "dns", "unauthorized", "badNonce", "rejectedIdentifier"),
        *("userActionRequired", "externalAccountRequired"),
    ],
)
def test_these_problems_come_with_advice(code: str) -> None:
    bare = describe_problem({"type": f"{URN}unknown", "detail": "d"})
    assert bare == f"{URN}unknown: d"
    assert len(describe_problem({"type": URN + code, "detail": "d"})) > len(f"{URN}{code}: d") + 20


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"type": None, "detail": None},
        {"type": 7, "detail": [], "identifier": "text", "subproblems": "text"},
        {"subproblems": 7},
        {"subproblems": [7, "text", None, {}]},
        {"subproblems": {"a": 1}, "identifier": {}},
    ],
)
def test_a_malformed_problem_is_still_a_sentence(document: dict[str, Any]) -> None:
    assert str(Problem(document, status=500, url="https://ca/")).endswith("(HTTP 500 from https://ca/)")


def client_error(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "User: x is not authorized"}}, operation)


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"])
def test_a_denial_names_the_action_and_what_to_do(code: str) -> None:
    error = from_client_error(client_error(code, "ChangeResourceRecordSets"))
    assert isinstance(error, AccessDenied)
    assert "AWS refused ChangeResourceRecordSets" in str(error)
    assert "User: x is not authorized" in str(error)
    assert "run `pulumi up`" in str(error)


def test_another_refusal_names_the_action_too() -> None:
    error = from_client_error(client_error("ThrottlingException", "GetSecretValue"))
    assert type(error) is AwsError
    assert "AWS refused GetSecretValue: ThrottlingException" in str(error)
    assert "unknown" in str(from_client_error(ClientError({}, "GetChange")))


def test_the_tree_at_the_top_of_the_file_is_the_tree() -> None:
    """Each class stands in the picture, indented once more than its base."""
    lines = (errors.__doc__ or "").splitlines()
    depth = {}
    for line in lines:
        stripped = line.lstrip("│├└─ ")
        word = stripped.split(" ")[0]
        if word and isinstance(getattr(errors, word, None), type):
            depth[word] = (len(line) - len(stripped)) // 4
    classes = {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.RenewerError)
    }
    assert depth == {name: kind.__mro__.index(errors.RenewerError) for name, kind in classes.items()}
