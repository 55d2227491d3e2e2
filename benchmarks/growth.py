"""From one certificate to a thousand: `python -m benchmarks.growth`.

Every certificate has a schedule of its own, so a thousand are a thousand runs, which one warm Lambda process
may handle in turn: what a run asks for and what the process holds must not grow. On a NAS one run of the
agent looks after all of its certificates.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import Any

from benchmarks import children, cloud
from benchmarks.cloud import Cloud
from benchmarks.command_line import print_part
from benchmarks.figures import Part, sample
from benchmarks.simulated_nas import agent_python, installed
from infrastructure.policies import renewer_policy
from local_cloud.ministack.server import REGION

NOT_DUE = (1, 10, 100, 1_000)
ISSUED = (1, 10, 30)
ON_A_NAS = (1, 10, 50)


@dataclass(frozen=True)
class Row:
    """What so many certificates took.

    Attributes:
        count: how many.
        used: by the one process.
        calls: requests to AWS and to the authority, GetChange once a change.
    """

    count: int
    used: children.Usage
    calls: int


def measure(runs: int) -> Part:
    """Measure each size; each is so many runs already, so `runs` counts only on the NAS."""
    part = Part("Growth")
    with cloud.start_cloud("growth") as here:
        arns = _secrets(here, 1 + sum(ISSUED) + max(NOT_DUE))
        _issue(here, [arns.pop()])  # makes the account
        issued = [[arns.pop() for _ in range(count)] for count in ISSUED]  # each of them for the first time
        _show(part, "a run that issues", [_issue(here, new) for new in issued])
        document = here.renewer.secret_text(issued[0][0])
        secrets = here.aws.client("secretsmanager")
        for arn in arns:  # with the labels that the renewer leaves
            secrets.put_secret_value(
                SecretId=arn, SecretString=document, VersionStages=["AWSCURRENT", "AWSPENDING"]
            )
        _show(part, "a not-due run", [_look(here, arns[:count]) for count in NOT_DUE])
        _measure_nas(part, here, runs)
    part.notes += [
        "One process handles all events in turn, as a warm Lambda does; real ones share them out.",
        "Issued with ec256 keys: the time of an RSA key is chance. Not-due certificates are copies of one "
        "real document, each in a secret of its own.",
        "Calls and memory at the largest number stand beside those of a single certificate.",
    ]
    return part


def _secrets(here: Cloud, count: int) -> list[str]:
    """Make so many secrets, and a key that may renew all of them."""
    secrets, prefix = here.aws.client("secretsmanager"), f"growth-{uuid.uuid4().hex[:8]}"
    arns = [str(secrets.create_secret(Name=f"{prefix}/{number}")["ARN"]) for number in range(count)]
    zone = f"arn:aws:route53:::hostedzone/{here.renewer.zone_id}"
    policy = renewer_policy(
        certificate_arn=arns[0].rpartition("/")[0] + "/*",
        account_arn=here.renewer.account_arn,
        log_group_arn=f"arn:aws:logs:{REGION}:000000000000:log-group:renewer",
        challenges={zone: [f"_acme-challenge.{here.renewer.domain}"]},
    )
    here.renewer.credentials = here.aws.user(prefix, policy)
    return arns


def _issue(here: Cloud, arns: list[str]) -> Row:
    return _run(here, [_event(here, arn, force=True) for arn in arns], renewed=True)


def _look(here: Cloud, arns: list[str]) -> Row:
    return _run(here, [_event(here, arn) for arn in arns], renewed=False)


def _event(here: Cloud, arn: str, **changes: Any) -> dict[str, Any]:
    return {**here.event(**changes), "secret": arn, "key_type": "ec256"}


def _run(here: Cloud, events: list[dict[str, Any]], *, renewed: bool) -> Row:
    recording = here.record()
    used = here.run_handler(*events)
    outcomes = [json.loads(line) for line in used.output.splitlines() if line.startswith('{"name"')]
    if [one["renewed"] for one in outcomes] != [renewed] * len(events):
        raise children.CommandFailed(f"not what was to be measured:\n{used.output[-2_000:]}")
    counted = Counter(one.operation for one in recording.exchanges)
    # However long INSYNC takes, it is one question; so it is with an order that is not ready.
    for polled, asks in (("GetChange", "ChangeResourceRecordSets"), ("order", "newOrder")):
        counted[polled] = min(counted[polled], counted[asks])
    return Row(len(events), used, sum(counted.values()))


def _show(part: Part, what: str, rows: list[Row]) -> None:
    first, last = rows[0], rows[-1]
    alone = f"{first.count} certificate"
    part.add(
        f"{what}, {last.count:,} certificates: calls per certificate",
        sample([last.calls / last.count]),
        against=(alone, sample([first.calls])),
        at_most=1,
    )
    part.add(
        f"{what}, {last.count:,} certificates: peak memory of the process",
        sample([last.used.memory], "MiB"),
        against=(alone, sample([first.used.memory], "MiB")),
        at_most=1.1,
    )
    lines = ["| certificates | calls per certificate | CPU per certificate | peak memory |"]
    lines.append("|---:|---:|---:|---:|")
    lines += [
        f"| {row.count:,} | {row.calls / row.count:.1f} | {row.used.cpu / row.count:.2f} s "
        f"| {row.used.memory:.0f} MiB |"
        for row in rows
    ]
    part.tables.append(f"{what[0].upper()}{what[1:]}:\n\n" + "\n".join(lines))


def _measure_nas(part: Part, here: Cloud, runs: int) -> None:
    python, part.versions["agent"] = agent_python()
    lines = [
        "| certificates on a NAS | requests | CPU | peak memory | wall time |",
        "|---:|---:|---:|---:|---:|",
    ]
    found: dict[int, tuple[float, float]] = {}
    for count in ON_A_NAS:
        with installed(here.aws, here.folder(f"nas-{count}"), python, certificates=count) as ready:
            used = [ready.run(here.work) for _ in range(runs)]
        cpu, memory, wall = (
            sample([getattr(one, name) for one, _ in used]).median for name in ("cpu", "memory", "wall")
        )
        calls = len(used[0][1])
        found[count] = (calls / count, memory)
        lines.append(f"| {count} | {calls} | {cpu:.2f} s | {memory:.1f} MiB | {wall:.2f} s |")
    most = max(ON_A_NAS)
    part.add(
        f"the agent, nothing to do, {most} certificates: requests per certificate",
        sample([found[most][0]]),
        against=("1 certificate", sample([found[1][0]])),
        at_most=1,
    )
    part.add(
        f"the agent, nothing to do, {most} certificates: peak memory",
        sample([found[most][1]], "MiB"),
        against=("1 certificate", sample([found[1][1]], "MiB")),
        at_most=1.2,
    )
    part.tables.append("The agent with nothing to do:\n\n" + "\n".join(lines))


if __name__ == "__main__":
    print_part(measure)
