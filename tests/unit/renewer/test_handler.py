"""The entry: one event, one action, one line of outcome, one line of metrics."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from lambda_renewer import clock
from lambda_renewer import handler as entry
from lambda_renewer.errors import AccessDenied, AcmeError, AwsError, RenewerError, RequestError
from lambda_renewer.measures import publish
from lambda_renewer.renewal import Outcome
from lambda_renewer.request import ACTIONS
from lambda_renewer.run import Run
from tests.unit.renewer.samples import EVENT, START, certificate

OUTCOME: Outcome = {"name": "nas", "action": "renew", "renewed": False, "reason": "r"}


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 90_000


@pytest.fixture
def act(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[str]]:
    """Return a function that makes each action return or raise what is given; names the actions taken."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")

    def arrange(result: Any) -> list[str]:
        taken: list[str] = []

        def action(run: Run) -> Outcome:
            taken.append(run.request.action)
            if isinstance(result, Exception):
                raise result
            found: Outcome = result
            return found

        monkeypatch.setattr(entry, "_ACTIONS", dict.fromkeys(ACTIONS, action))
        return taken

    return arrange


def metrics(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    lines = [line for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert len(lines) == 1, lines
    found: dict[str, Any] = json.loads(lines[0])
    return found


def test_each_action_has_its_function() -> None:
    assert set(entry._ACTIONS) == set(ACTIONS)


@pytest.mark.parametrize("action", ACTIONS)
def test_the_action_of_the_event_is_taken(act: Callable[[Any], list[str]], action: str) -> None:
    taken = act(OUTCOME)
    assert entry.handler({**EVENT, "action": action, "serial": "0a"}, Context()) == OUTCOME
    assert taken == [action]


def test_a_run_has_what_is_left_of_the_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Run] = []

    def action(run: Run) -> Outcome:
        seen.append(run)
        return OUTCOME

    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr(entry, "_ACTIONS", {"renew": action})
    entry.handler(EVENT, Context())
    [run] = seen
    assert (run.lease_until - run.started).total_seconds() == 95  # with a margin for clocks that differ
    assert 60 < run.deadline.remaining() <= 90 * 0.75  # a quarter is for cleaning up
    assert run.next_run - run.started == run.request.interval + run.request.window
    assert run.store.arn == EVENT["secret"]


def test_a_success_is_told_and_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def action(run: Run) -> Outcome:
        run.current = certificate()
        return {**OUTCOME, "renewed": True}

    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr(entry, "_ACTIONS", {"renew": action})
    monkeypatch.setattr(clock, "now", lambda: START + timedelta(days=9))
    entry.handler(EVENT, Context())
    assert [record.message for record in caplog.records] == ["done"]
    found = metrics(capsys)
    assert found["certificate"] == "nas"
    assert (found["Failed"], found["Issued"]) == ([0.0], [1.0])
    assert (found["LifeLeft"], found["DaysLeft"]) == ([0.9], [81.0])
    assert found["Duration"][0] >= 0


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (AcmeError("no answer"), AcmeError, "^no answer$"),
        (
            ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetChange"),
            AccessDenied,
            "AWS refused GetChange: AccessDenied: no",
        ),
        (
            ClientError({"Error": {"Code": "InternalError"}}, "GetChange"),
            AwsError,
            "refused GetChange: Inter",
        ),
        (
            EndpointConnectionError(endpoint_url="https://aws"),
            AwsError,
            r"AWS could not be asked: .*https://aws.* The schedule tries again by itself\.",
        ),
    ],
)
def test_a_failure_is_told_measured_and_raised(
    act: Callable[[Any], list[str]],
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    kind: type[RenewerError],
    words: str,
) -> None:
    act(error)
    with pytest.raises(kind, match=words) as raised:
        entry.handler(EVENT, Context())
    assert raised.value is error or raised.value.__cause__ is error
    [record] = caplog.records
    assert (record.message, record.levelname) == ("failed", "ERROR")
    told = vars(record)
    assert (told["certificate"], told["kind"]) == ("nas", kind.__name__)
    assert told["error"] == str(raised.value)
    found = metrics(capsys)
    assert (found["certificate"], found["Failed"], found["Issued"]) == ("nas", [1.0], [0.0])
    assert "LifeLeft" not in found


def test_an_event_that_is_no_request_is_measured_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RequestError, match="key_type is 'rsa1'"):
        entry.handler({**EVENT, "key_type": "rsa1"}, Context())
    assert metrics(capsys)["Failed"] == [1.0]


@pytest.mark.parametrize("event", [[], None, 7, {}, {"name": 7}, {"name": ""}])
def test_an_event_without_a_name_is_not_measured(event: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RequestError):
        entry.handler(event, Context())
    assert '"_aws"' not in capsys.readouterr().out


def test_another_error_is_a_fault_of_ours_and_stays_what_it_is(
    act: Callable[[Any], list[str]], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    error = ZeroDivisionError("a text that may hold anything")
    act(error)
    with pytest.raises(ZeroDivisionError) as raised:
        entry.handler(EVENT, Context())
    assert raised.value is error
    [record] = caplog.records
    assert (record.message, record.levelname) == ("failed by a fault of the renewer", "ERROR")
    assert (vars(record)["certificate"], vars(record)["kind"]) == ("nas", "ZeroDivisionError")
    assert "a text that may hold anything" not in str(vars(record))
    assert metrics(capsys)["Failed"] == [1.0]


@pytest.mark.parametrize("error", [AcmeError("no answer"), ZeroDivisionError()])
def test_a_failure_has_the_life_that_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def action(run: Run) -> Outcome:
        run.current = certificate()
        raise error

    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr(entry, "_ACTIONS", {"renew": action})
    monkeypatch.setattr(clock, "now", lambda: START + timedelta(days=45))
    with pytest.raises(type(error)):
        entry.handler(EVENT, Context())
    found = metrics(capsys)
    assert (found["Failed"], found["LifeLeft"], found["DaysLeft"]) == ([1.0], [0.5], [45.0])


def test_a_failure_before_the_run_begins_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_clients(*_: object) -> Run:
        raise EndpointConnectionError(endpoint_url="https://aws")

    monkeypatch.setattr(entry, "start_run", no_clients)
    with pytest.raises(AwsError):
        entry.handler(EVENT, Context())
    found = metrics(capsys)
    assert found["Failed"] == [1.0]
    assert "LifeLeft" not in found


# --- Metrics ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("namespace", ["synology-https/dev", "synology-https/home"])
def test_the_namespace_is_the_stacks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, namespace: str
) -> None:
    monkeypatch.setenv("METRIC_NAMESPACE", namespace)
    publish("nas", failed=False, seconds=1.5)
    [directive] = metrics(capsys)["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == namespace


def test_the_line_is_in_embedded_metric_format(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: START + timedelta(days=67.5))
    publish("nas", failed=False, seconds=1.5, issued=True, current=certificate())
    found = metrics(capsys)
    [directive] = found["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "synology-https"
    assert directive["Dimensions"] == [["certificate"]]
    assert {(one["Name"], one["Unit"]) for one in directive["Metrics"]} == {
        ("Failed", "Count"),
        ("Issued", "Count"),
        ("Duration", "Seconds"),
        ("LifeLeft", "None"),
        ("DaysLeft", "None"),
    }
    assert found["_aws"]["Timestamp"] > 0
    assert (found["Duration"], found["LifeLeft"], found["DaysLeft"]) == ([1.5], [0.25], [22.5])


def test_one_line_a_certificate(capsys: pytest.CaptureFixture[str]) -> None:
    publish("nas", failed=True, seconds=1)
    first = metrics(capsys)
    publish("other", failed=False, seconds=2)
    second = metrics(capsys)
    assert (first["certificate"], second["certificate"]) == ("nas", "other")
    assert (first["Failed"], second["Failed"]) == ([1.0], [0.0])


@pytest.mark.parametrize("name", [None, "", 7, [], {}])
def test_without_a_name_there_is_no_line(name: object, capsys: pytest.CaptureFixture[str]) -> None:
    publish(name, failed=True, seconds=1)
    assert capsys.readouterr().out == ""


def test_no_outcome_holds_a_key() -> None:
    assert certificate().private_key not in repr(certificate())
