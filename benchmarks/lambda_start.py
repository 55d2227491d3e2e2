"""The Lambda's size, start and memory, beside certbot packaged the same way.

`python -m benchmarks.lambda_start [--runs N]`. Both are hash-pinned wheels in a folder without byte code, as
Lambda unpacks them to a read-only place, and find boto3 where the runtime has it.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks import children, cloud, issuance, peers
from benchmarks.cloud import BUILD, Cloud
from benchmarks.command_line import print_part
from benchmarks.figures import Part, Sample, sample
from infrastructure.bundle import LOCAL, build_bundle, lambda_platform
from infrastructure.renewer import MEMORY_MB

_PROGRAMS = Path(__file__).parent
_ARCHITECTURE = "arm64"  # the stack's own choice
# AWS: "at 1,769 MB, a function has the equivalent of one vCPU"
# (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html)
_MB_OF_A_CPU = 1_769
_SETTINGS = (128, 192, 256, 512, 1_024)
# Of the setting, for the peak; the rest is for Lambda's own runtime, of which AWS publishes no figure.
_MEMORY_SHARE = 0.6


def sizes(files: Iterable[tuple[str, bytes]]) -> tuple[float, float]:
    """Return the MB of the files as they are, and of a zip in which they are deflated."""
    stored, packed = 0, io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in files:
            stored += len(content)
            archive.writestr(name, content)
    return stored / 1e6, len(packed.getvalue()) / 1e6


def measure(runs: int) -> Part:
    """Measure `runs` of each."""
    part = Part("Lambda")
    _measure_sizes(part)
    with cloud.start_cloud("lambda") as here:
        cloud.allow_peers(here)
        folder = here.folder("certbot")
        packaged = peers.package_certbot(LOCAL, here.work / "certbot-bundle")
        _measure_runs(part, here, packaged, folder, runs)
    return part


def _measure_sizes(part: Part) -> None:
    platform = lambda_platform(_ARCHITECTURE)
    with zipfile.ZipFile(build_bundle(platform, BUILD)) as bundle:
        mine = sizes((name, bundle.read(name)) for name in sorted(bundle.namelist()))
    folder = peers.package_certbot(platform, BUILD / "bench" / f"certbot-{_ARCHITECTURE}")
    theirs = sizes(
        (str(path.relative_to(folder)), path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )
    part.add(f"bundle for {_ARCHITECTURE}, its files deflated", sample([mine[1]], "MB"), at_most=6)
    for what, own, other in zip(("deflated", "stored"), reversed(mine), reversed(theirs), strict=True):
        against = ("certbot", sample([other], "MB"))
        part.add(f"bundle for {_ARCHITECTURE}, its files {what}", sample([own], "MB"), against=against)


def _measure_runs(part: Part, here: Cloud, packaged: Path, folder: Path, runs: int) -> None:
    modules = {"ours": here.work / "modules.json", "certbot": here.work / "certbot-modules.json"}
    python: list[str | Path] = [here.aws.python, "-I", "-B"]
    environment = {"ours": here.environment(), "certbot": issuance.certbot_environment(here)}
    certbot: list[str | Path] = [*python, _PROGRAMS / "certbot_run.py", packaged]

    def issue_by_certbot() -> children.Usage:
        words: list[str | Path] = [
            *certbot,
            "--modules",
            modules["certbot"],
            *issuance.certbot_command(here, folder),
        ]
        return children.run(words, env=environment["certbot"], cwd=folder)

    issues: dict[str, Callable[[], children.Usage]] = {
        "ours": lambda: here.run_handler(here.event(force=True), options=[str(modules["ours"])]),
        "certbot": issue_by_certbot,
    }
    not_due: dict[str, Callable[[], children.Usage]] = {
        "ours": lambda: here.run_handler(here.event()),
        "certbot": lambda: children.run(
            [*certbot, "renew", "--non-interactive", *issuance.certbot_folders(folder)],
            env=environment["certbot"],
            cwd=folder,
        ),
    }

    def start(who: str, bundle: Path, *services: str) -> Callable[[], children.Usage]:
        command: list[str | Path] = [*python, _PROGRAMS / "cold_start.py", bundle, modules[who], *services]
        return lambda: children.run(command, env=environment[who], cwd=here.work)

    starts = {
        "ours": start("ours", here.bundle, "secretsmanager", "route53"),
        "certbot": start("certbot", packaged, "route53"),
    }
    # The second is a renewal, as all but the first are: it imports less than a first issuance.
    first = [{who: issue() for who, issue in issues.items()} for _ in range(2)][-1]
    _expect('"renewed": true' in first["ours"].output, first["ours"])
    nothing = {who: run() for who, run in not_due.items()}
    _expect('"renewed": false' in nothing["ours"].output, nothing["ours"])
    _expect("not due for renewal" in nothing["certbot"].output, nothing["certbot"])
    used = {what: _in_turn(kinds, runs) for what, kinds in (("not due", not_due), ("start", starts))}
    used["issuance"] = _in_turn(issues, runs)
    _compare(
        part, "not-due run from a cold start, CPU time", used["not due"], lambda one: one.cpu, "s", 2 / 3
    )
    _compare(part, "not-due run from a cold start, wall time", used["not due"], lambda one: one.wall, "s")
    _compare(part, "not-due run, peak memory", used["not due"], lambda one: one.memory, "MiB")
    _compare(part, "cold start of an issuance, CPU time", used["start"], lambda one: one.cpu, "s", 1)
    _compare(part, "cold start of an issuance, wall time", used["start"], lambda one: one.wall, "s")
    _compare(part, "issuance, peak memory", used["issuance"], lambda one: one.memory, "MiB")
    _choose_memory(part, used["not due"]["ours"], used["issuance"]["ours"])
    part.notes += [
        "The cold start of an issuance imports every module that a real renewal had imported, and makes its "
        "clients. Runs under this machine's Python and wheels, sizes of Lambda's own.",
        "Without byte code, which a Lambda's read-only folder cannot keep.",
    ]


def _expect(holds: bool, used: children.Usage) -> None:
    if not holds:
        raise children.CommandFailed(f"it did not do what was to be measured:\n{used.output}")


def _in_turn(
    kinds: dict[str, Callable[[], children.Usage]], runs: int
) -> dict[str, Sequence[children.Usage]]:
    found: dict[str, list[children.Usage]] = {who: [] for who in kinds}
    for _ in range(runs):
        for who, run in kinds.items():
            found[who].append(run())
    return dict(found)


def _compare(
    part: Part,
    what: str,
    used: dict[str, Sequence[children.Usage]],
    value: Callable[[children.Usage], float],
    unit: str,
    at_most: float | None = None,
) -> None:
    samples: dict[str, Sample] = {who: sample([value(one) for one in ran], unit) for who, ran in used.items()}
    part.add(what, samples["ours"], against=("certbot", samples["certbot"]), at_most=at_most)


def _choose_memory(part: Part, not_due: Sequence[children.Usage], issued: Sequence[children.Usage]) -> None:
    """Show what each memory setting would make of the measured CPU time and memory."""
    idle, busy = (sample([one.cpu for one in ran]).median for ran in (not_due, issued))
    peak = max(one.memory for one in issued)
    lines = [
        "| memory setting | part of a processor | a not-due run's CPU time takes | an issuance's | peak is |"
    ]
    lines.append("|---:|---:|---:|---:|---:|")
    for setting in _SETTINGS:
        share = min(setting / _MB_OF_A_CPU, 1.0)
        lines.append(
            f"| {setting} MB | {share:.2f} | {idle / share:.1f} s | {busy / share:.1f} s "
            f"| {peak / setting:.0%} of it |"
        )
    part.tables.append("\n".join(lines))
    enough = next(setting for setting in _SETTINGS if peak <= setting * _MEMORY_SHARE)
    part.notes.append(
        f"Memory setting: the peak of {math.ceil(peak)} MiB fits into {enough} MB with "
        f"{1 - _MEMORY_SHARE:.0%} left. The stack sets {MEMORY_MB} MB: CPU time costs the same at every "
        "setting (half the memory, twice the time), and the first run is waited for by `pulumi up`."
    )


if __name__ == "__main__":
    print_part(measure)
