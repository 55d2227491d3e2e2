"""The demo's steps: each does one thing in the embedded cloud, and proves it in the report."""

from __future__ import annotations

import json
import ssl
import stat
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dns.resolver

from local_cloud import listeners
from local_cloud.ministack.server import Credentials
from local_cloud.processes import LOOPBACK
from local_cloud.stack import Engine, deploy

from .bundle_check import import_from
from .client import Answer, Client, Visitor
from .nas import AgentRun
from .permissions import Attempt, attempts, forged, renewer_attempts
from .report import Report
from .world import DOMAIN, DSM_NAME, NAS, SERVICE_NAME, World

_RENEWAL_SECONDS = 100  # the local AWS fires a one-minute rate after about a minute


class DemoFailed(RuntimeError):
    """A step could not be carried out, so that what follows cannot be shown."""


def refused_before(world: World, client: Client, report: Report) -> None:
    """Show that a browser refuses the NAS's page while it has only the certificate it came with."""
    with report.step("Before: a browser that trusts the authority visits the NAS"):
        try:
            client.visit(DSM_NAME, world.dsm.https_port)
        except ssl.SSLCertVerificationError as error:
            refused, measured = True, error.verify_message
        else:
            refused, measured = False, "the page was accepted"
        report.note(measured)
    report.prove("before: the NAS's page is refused", holds=refused, measured=measured)


def up(world: World, report: Report, engine: Engine | None = None) -> dict[str, Any]:
    """Deploy the stack, on Pulumi's mocks if there is no engine, which issues; return its outputs."""
    by = "real engine, provider ours" if engine else "Pulumi's mocks in place of its engine, provider ours"
    report.parts["up"] = f"the real __main__.py; {by}"
    with report.step(f"pulumi up: {report.parts['up']}"):
        config = {
            "directory": world.acme.directory_url,
            "ca_root": world.acme.ca_root.read_text(),
            "schedule": "rate(1 minute)",
        }
        outputs = deploy(
            world.aws,
            config,
            local_bundle=world.bundle,
            resolver=f"{LOOPBACK}:{world.dns.port}",
            engine=engine,
            progress=report.note,
        )
    first = _first_renewal(outputs)
    report.prove(
        "up ended with a certificate issued",
        holds=first["renewed"] is True,
        measured=f"serial {first.get('serial')}, good until {first.get('not_after')}",
    )
    imported = import_from(world.bundle, world.aws.site_packages, world.work / "imports")
    report.prove(
        "the bundle holds all that an issuance imports, boto3 aside",
        holds=imported.failure is None,
        measured=imported.failure or f"{len(imported.packages)} packages: {', '.join(imported.packages)}",
    )
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [LOOPBACK], world.dns.port
    answers = {name: str(resolver.resolve(name, "A")[0]) for name in (DSM_NAME, SERVICE_NAME)}
    report.prove(
        "DNS leads the NAS's names to its address",
        holds=set(answers.values()) == {"192.168.0.10"},
        measured=", ".join(f"{name} A {address}" for name, address in answers.items()),
    )
    return outputs


def install(world: World, client: Client, report: Report, outputs: dict[str, Any]) -> None:
    """Install the agent by set-up's one command; then each page serves the new certificate.

    Raises:
        DemoFailed: the command failed.
    """
    with report.step("python -m synology_setup install: one command, over SSH"):
        code = world.nas.install(
            outputs,
            world.aws,
            endpoint=world.proxy.endpoint,
            ca_root=world.acme.issuing_root(),
            console=report.console,
        )
        if code:
            raise DemoFailed(f"install exited with {code}")
    mode = stat.S_IMODE((world.nas.home / "config.json").stat().st_mode)
    report.prove(
        "install asked for the host key and one password, and left the agent scheduled",
        holds=len(world.nas.asked) == len(world.nas.tasks) == 2 and mode == 0o600,  # noqa: PLR2004
        measured=f"{len(world.nas.asked)} questions; tasks {', '.join(world.nas.tasks)}; config {mode:o}",
    )
    serial = _first_renewal(outputs)["serial"]
    for name, port in pages(world):
        answer = _visit(client, name, port)
        report.prove(
            f"after: the same browser is content with https://{name}",
            holds=answer.serial == serial and " 200 " in answer.status,
            measured=f"{answer.status}, serial {answer.serial}",
        )


def keys_do_no_more_than_they_need(
    world: World, report: Report, outputs: dict[str, Any], key: Credentials
) -> None:
    """Show what the NAS's key and the Lambda's role may do, and what they are denied."""
    with report.step("What the NAS's key and the Lambda's role may do"):
        secrets = world.aws.client("secretsmanager")
        other = secrets.create_secret(Name="synology-https/dev/certificate/other", SecretString="{}")["ARN"]
        account = next(
            secret["ARN"]
            for secret in secrets.list_secrets()["SecretList"]
            if "acme-account" in secret["Name"]
        )
        wanted = _nas(outputs)["agent_config"]
        secret = wanted["certificates"][0]["secret"]
        needed, forbidden = attempts(
            world.aws,
            key,
            secret=secret,
            other_secrets={"the account secret": account, "another certificate": other},
            namespace=wanted["metric_namespace"],
            zone=world.zone_id,
        )
        forbidden.append(forged(world.aws, key, secret))
        _prove_permissions(report, "the NAS's key", needed, forbidden)
        function = world.aws.client("lambda").get_function_configuration(FunctionName=outputs["renewer"])
        needed, forbidden = renewer_attempts(
            world.aws, function["Role"], other_secret=other, zone=world.zone_id, domain=DOMAIN
        )
        _prove_permissions(report, "the Lambda's role", needed, forbidden)


def _prove_permissions(report: Report, who: str, needed: list[Attempt], forbidden: list[Attempt]) -> None:
    report.prove(
        f"{who} may do what it needs",
        holds=all(one.allowed for one in needed),
        measured="; ".join(f"{one.what}: {one.answer}" for one in needed),
    )
    passed = [one for one in forbidden if one.allowed]
    report.prove(
        f"{who} is denied everything else that was tried",
        holds=not passed,
        measured=f"NOT denied: {'; '.join(f'{one.what}: {one.answer}' for one in passed)}"
        if passed
        else f"{len(forbidden)} denied: {'; '.join(one.what for one in forbidden)}",
    )


def second_run_changes_nothing(world: World, report: Report) -> None:
    """Show that the agent's second run changes nothing, and fetches no certificate.

    Raises:
        DemoFailed: the run failed.
    """
    with report.step("The agent's second run, by Task Scheduler"):
        before, calls = _contents(world.dsm.root), len(world.proxy.operations)
        _succeeded(world.nas.run_task(), report)
        operations = world.proxy.operations[calls:]
        after = _contents(world.dsm.root)
        changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    report.prove(
        "the agent's second run changes nothing of DSM, and asks AWS for no certificate",
        holds=bool(before) and not changed and operations == ["DescribeSecret", "PutMetricData"],
        measured=f"of {len(before)} files changed: {', '.join(changed) or 'none'}; "
        f"calls: {', '.join(operations)}",
    )


def renewed_by_the_schedule(world: World, client: Client, report: Report, outputs: dict[str, Any]) -> None:
    """Wait for the schedule's renewal and let the agent install it, while a browser visits without pause.

    Raises:
        DemoFailed: the agent's run failed.
    """
    secret = _nas(outputs)["agent_config"]["certificates"][0]["secret"]
    secrets = world.aws.client("secretsmanager")

    def current() -> dict[str, Any]:
        text = secrets.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")["SecretString"]
        return dict(json.loads(text))

    old = _first_renewal(outputs)["serial"]
    with ExitStack() as visits:
        visitors = [visits.enter_context(Visitor(client, name, port)) for name, port in pages(world)]
        with report.step("Waiting for the schedule to renew the certificate, about a minute after up"):
            deadline = time.monotonic() + _RENEWAL_SECONDS
            while current()["serial"] == old and time.monotonic() < deadline:
                time.sleep(0.5)
        new = current()["serial"]
        runs = _decisions(world)
        report.prove(
            "the schedule, not a call of ours, renewed it because it had come due",
            holds=new != old and len(runs) > 1 and runs[-1]["renew"] is True and "due" in runs[-1]["reason"],
            measured=f"{len(runs)} runs of the Lambda, one of them by up; "
            f"the last: {runs[-1]['reason'] if runs else 'there was none'}",
        )
        with report.step("The agent's next run installs it, under a browser that never stops asking"):
            _succeeded(world.nas.run_task("--verbose"), report)
            time.sleep(1)  # visits after the reload
    served = {name: _visit(client, name, port).serial for name, port in pages(world)}
    report.prove(
        "the agent's next run installed it: the NAS serves the new serial",
        holds=set(served.values()) == {new} and new != old,
        measured=", ".join(f"{name}: {serial}" for name, serial in served.items()),
    )
    failures = [failure for visitor in visitors for failure in visitor.failures]
    report.prove(
        "nginx answered every request meanwhile, at both pages",
        holds=not failures and all(visitor.serials == [old, new] for visitor in visitors),
        measured=f"{sum(visitor.answered for visitor in visitors)} answered, {len(failures)} failed"
        f"{f', the first: {failures[0]}' if failures else ''}; serials in turn: "
        + " and ".join(", ".join(visitor.serials) for visitor in visitors),
    )


def loopback_only(report: Report) -> None:
    """Show that no part is open to other machines."""
    others = listeners.open_to_others()
    report.prove(
        "everything listens on loopback only",
        holds=not others,
        measured=", ".join(others) or f"{listeners.listening_ports()} ports, all on loopback",
    )


def _nas(outputs: dict[str, Any]) -> dict[str, Any]:
    return dict(outputs["nas"][NAS])


def _first_renewal(outputs: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(outputs["certificates"][DOMAIN]["first_renewal"]))


def pages(world: World) -> list[tuple[str, int]]:
    """Return the name and the port of each page: DSM's own, and the service behind its reverse proxy."""
    return [(DSM_NAME, world.dsm.https_port), (SERVICE_NAME, world.dsm.proxy_ports[SERVICE_NAME])]


def _decisions(world: World) -> list[dict[str, Any]]:
    """Return what each run of the Lambda decided, from its log, in order."""
    logs = world.aws.client("logs")
    found: list[tuple[int, dict[str, Any]]] = []
    for group in logs.describe_log_groups(logGroupNamePrefix="/synology-https/")["logGroups"]:
        for event in logs.filter_log_events(logGroupName=group["logGroupName"])["events"]:
            try:
                line = json.loads(event["message"])
            except ValueError:
                continue
            if isinstance(line, dict) and line.get("message") == "decided":
                found.append((event["timestamp"], line))
    return [line for _, line in sorted(found, key=lambda one: one[0])]


def _visit(client: Client, name: str, port: int) -> Answer:
    try:
        return client.visit(name, port)
    except OSError as error:
        return Answer(serial="none", status=f"refused: {error}")


def _contents(nas: Path) -> dict[str, tuple[bytes, int, int]]:
    """Return each file's bytes, time and inode, but for logs, nginx's own, locks, and when a run was."""
    found = {}
    for path in nas.rglob("*"):
        name = path.relative_to(nas)
        kept = not {"log", "run", "tmp"} & set(name.parts) and not name.name.endswith(
            ("lock", "last-run.json")
        )
        if path.is_file() and kept:
            found[str(name)] = (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
    return found


def _succeeded(run: AgentRun, report: Report) -> None:
    for line in run.output.splitlines():
        report.note(line)
    if run.code:
        raise DemoFailed(f"the agent exited with {run.code}: {run.output}")
