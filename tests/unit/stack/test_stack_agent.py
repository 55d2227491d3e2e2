"""The stack's output for a NAS, as the agent there reads it, and the alarms on what that agent reports."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from synology_agent.aws import life_metrics
from synology_agent.config import Config, read_config
from tests.unit.stack.program_settings import ALARM, EVERYTHING, metric_of
from tests.unit.stack.recording import record

NOW = datetime(2026, 11, 25, tzinfo=UTC)
SIMPLE = {"alarm_email": "me@example.com"}


def read_by_the_agent(agent_config: dict[str, Any], folder: Path) -> Config:
    """Return the config of the output and an access key, which set-up adds, as the agent reads it."""
    path = folder / "config.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({**agent_config, "access_key_id": "AKIA", "secret_access_key": "s"}))
    return read_config(path)


def test_the_agent_reads_what_the_stack_says(tmp_path: Path) -> None:
    rack = read_by_the_agent(record(EVERYTHING).outputs["nas"]["rack"]["agent_config"], tmp_path)
    assert (rack.region, rack.metric_namespace) == ("eu-central-1", "synology-https/dev/rack")
    office, home = rack.certificates
    assert (office.secret, office.entry) == ("arn:aws:x:::certificate-office", "*.office.example.net")
    assert (home.secret, home.entry) == ("arn:aws:x:::certificate-home", "example.com")
    assert (office.names, home.names) == (("rack.office.example.net",), ("cam.example.com",))
    assert {office.assign, home.assign} == {"auto"}


def test_the_simple_form_gives_one_certificate_for_all_names(tmp_path: Path) -> None:
    nas = read_by_the_agent(record().outputs["nas"]["synology"]["agent_config"], tmp_path)
    (wanted,) = nas.certificates
    assert wanted.entry == "example.com"
    assert wanted.names == ("synology.example.com", "navidrome.example.com")


@pytest.mark.parametrize("settings", [SIMPLE, EVERYTHING])
def test_each_alarm_on_a_nas_looks_at_a_metric_that_its_agent_reports(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    made = record(settings)
    reported, watched = set(), set()
    for name, nas in made.outputs["nas"].items():
        config = read_by_the_agent(nas["agent_config"], tmp_path)
        for wanted in config.certificates:
            metrics = life_metrics(wanted.name, NOW, NOW + timedelta(days=90), NOW)
            reported |= {(config.metric_namespace, one.name, one.certificate) for one in metrics}
            watched.add((name, wanted.name))
    alarms = [metric_of(one["inputs"]) for one in made.all(ALARM)]
    on_nases = {
        (one["namespace"], one["metricName"], one["dimensions"]["certificate"])
        for one in alarms
        if one["namespace"].startswith("synology-https/dev/")
    }
    assert on_nases
    assert on_nases <= reported
    assert {(namespace.rsplit("/", 1)[-1], name) for namespace, _, name in on_nases} == watched


def test_the_renewer_reports_where_its_alarms_look_and_no_nas_may_write() -> None:
    made = record(EVERYTHING)
    variables = made.one("aws:lambda/function:Function")["inputs"]["environment"]["variables"]
    namespace = variables["METRIC_NAMESPACE"]
    assert namespace == "synology-https/dev"  # the stack's own
    alarms = {one["name"]: metric_of(one["inputs"])["namespace"] for one in made.all(ALARM)}
    of_renewer = {name for name, where in alarms.items() if where == namespace}
    assert of_renewer == {name for name in alarms if "renewer-silent" in name or "issued-ends" in name}
    board = made.one("aws:cloudwatch/dashboard:Dashboard")["inputs"]["dashboardBody"]
    assert f'{{\\"{namespace}\\",certificate}}' in board
    for nas in made.outputs["nas"].values():
        assert nas["agent_config"]["metric_namespace"] != namespace
