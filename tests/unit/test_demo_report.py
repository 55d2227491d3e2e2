"""The demo's report proves nothing unless each of its lines holds."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local_cloud.demo.report import Report


@pytest.fixture
def report() -> Report:
    return Report(Console(file=StringIO(), width=200))


def shown(report: Report) -> str:
    file = report.console.file
    assert isinstance(file, StringIO)
    return file.getvalue()


def written(report: Report, path: Path, error: str | None = None) -> dict[str, Any]:
    report.write(path, seconds=1.0, error=error)
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def test_a_report_without_lines_proves_nothing(report: Report, tmp_path: Path) -> None:
    assert report.proven is False
    assert written(report, tmp_path / "report.json")["proven"] is False


def test_one_line_that_does_not_hold_is_enough(report: Report, tmp_path: Path) -> None:
    report.prove("the first", holds=True, measured="seen")
    assert report.proven is True
    report.prove("the second", holds=False, measured="not seen")
    report.prove("the third", holds=True, measured="seen")
    assert report.proven is False
    assert written(report, tmp_path / "report.json")["proven"] is False
    report.show()
    assert (shown(report).count("✓"), shown(report).count("✗")) == (2, 1)


def test_an_error_makes_a_full_table_unproven(report: Report, tmp_path: Path) -> None:
    report.prove("all", holds=True, measured="seen")
    assert written(report, tmp_path / "report.json")["proven"] is True
    failed = written(report, tmp_path / "report.json", error="the agent exited with 1")
    assert (failed["proven"], failed["error"]) == (False, "the agent exited with 1")


def test_the_report_is_written_whole(report: Report, tmp_path: Path) -> None:
    report.parts["acme"] = "Pebble"
    with report.step("Größe"):
        report.note("a detail")
    report.prove("it holds · 100 %", holds=True, measured="[1] of 1")
    found = written(report, tmp_path / "new" / "report.json")
    assert found["lines"] == [{"claim": "it holds · 100 %", "holds": True, "measured": "[1] of 1"}]
    assert [step["step"] for step in found["steps"]] == ["Größe"]
    assert found["steps"][0]["seconds"] >= 0
    assert found["parts"]["acme"] == "Pebble"
    assert {"python", "system"} <= found["parts"].keys()


def test_what_was_measured_is_shown_as_it_is(report: Report) -> None:
    report.note("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed [/x]")
    report.prove("[bold]claim", holds=False, measured="['no', '[red]'] [/dim]")
    report.show()
    assert "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed [/x]" in shown(report)
    assert "[bold]claim" in shown(report)
    assert "['no', '[red]'] [/dim]" in shown(report)


def test_a_step_that_fails_is_not_shown_as_done(report: Report) -> None:
    with pytest.raises(ZeroDivisionError), report.step("a step"):
        raise ZeroDivisionError
    assert report.steps == []
    assert "✓" not in shown(report)


DENY_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
