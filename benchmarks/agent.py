"""The agent with nothing to do, beside others that have nothing to do: `python -m benchmarks.agent`.

Beside `aws secretsmanager describe-secret`, the one call that tells whether there is anything to do; and
beside what runs on a NAS today: Debian's `lego renew` and `dehydrated --cron`, their certificates not due.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import children, cloud, peers
from benchmarks.cloud import BUILD, Cloud
from benchmarks.command_line import print_part
from benchmarks.figures import Part, Sample, sample
from benchmarks.simulated_nas import NothingToDo, agent_python, installed
from local_cloud.processes import LOOPBACK
from local_cloud.system_programs import ProgramMissing, provide

_HOOK = Path(__file__).parent / "peers" / "dns_hook.py"
_AWSCLI = "aws secretsmanager describe-secret"

Run = tuple[children.Usage, list[str]]


def awscli(here: Cloud, ready: NothingToDo) -> Callable[[], Run]:
    """Return a run of AWS's command line on the same secret, with the same key."""
    program, proxy = peers.provide_awscli(BUILD), ready.nas.proxy
    # Its own public roots and ours, as the agent trusts the system's and ours.
    roots = here.work / "roots.pem"
    roots.write_bytes(peers.awscli_roots(program).read_bytes() + ready.root)
    words = ["secretsmanager", "describe-secret", "--secret-id", ready.secret.arn]
    environment = {
        **here.environment(),
        "AWS_ENDPOINT_URL": proxy.endpoint,
        "AWS_CA_BUNDLE": str(roots),
        "AWS_ACCESS_KEY_ID": ready.secret.credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": ready.secret.credentials.secret_key,
    }

    def run() -> Run:
        calls = len(proxy.operations)
        used = children.run([program, *words], env=environment, cwd=here.work)
        return used, proxy.operations[calls:]

    return run


def lego(here: Cloud) -> Callable[[], Run]:
    """Let Debian's lego issue, and return a renewal that is not due.

    Raises:
        ProgramMissing: there is none.
        children.CommandFailed: it could not issue; its command line differs between its versions.
    """
    program, folder = provide(["lego"], BUILD)["lego"], here.folder("debian-lego")
    words = ["--server", here.proxy.directory_url, "--email", "admin@example.com", "--accept-tos"]
    # Debian's has an SDK that knows no other endpoint than AWS's: its Route 53 is our hook.
    words += ["--dns", "exec", "--dns.resolvers", f"{LOOPBACK}:{here.dns.port}", "--dns.disable-cp"]
    words += ["--path", str(folder), *(word for name in here.domains for word in ("--domains", name))]
    environment = {
        **here.environment(),
        "LEGO_CA_CERTIFICATES": str(here.proxy.ca_root),
        "EXEC_PATH": str(_hook(folder)),
        "ZONE_ID": here.renewer.zone_id,
    }
    issue: list[str | Path] = [program, *words, "run"]
    renew = [*issue[:-1], "renew", "--days", "10"]
    children.run(issue, env=environment, cwd=folder)
    return lambda: _through_proxy(here, renew, environment, folder)


def dehydrated(here: Cloud) -> Callable[[], Run]:
    """Let Debian's dehydrated issue, and return a run of its cron job that is not due.

    Raises:
        ProgramMissing: it, curl or openssl is missing.
        children.CommandFailed: it could not issue.
    """
    for tool in ("curl", "openssl"):
        if shutil.which(tool) is None:
            raise ProgramMissing(f"dehydrated needs {tool}")
    provided, folder = provide(["dehydrated"], BUILD)["dehydrated"], here.folder("dehydrated")
    # An unpacked one is the script itself, without the search for libraries that unpacked programs need.
    script = provided.parents[1] / "usr" / "bin" / "dehydrated"
    program = script if script.is_file() else provided
    hook = _hook(folder)
    (folder / "domains.txt").write_text(" ".join(here.domains) + " > nas\n")
    config = folder / "config"
    config.write_text(
        f'CA="{here.proxy.directory_url}"\nCHALLENGETYPE="dns-01"\nHOOK="{hook}"\nBASEDIR="{folder}"\n'
        f'CURL_OPTS="--cacert {here.proxy.ca_root}"\nDOMAINS_TXT="{folder}/domains.txt"\nRENEW_DAYS="10"\n'
    )
    environment = {**here.environment(), "ZONE_ID": here.renewer.zone_id}
    words: list[str | Path] = [program, "--config", config]
    children.run([*words, "--register", "--accept-terms"], env=environment, cwd=folder)
    children.run([*words, "--cron"], env=environment, cwd=folder)
    return lambda: _through_proxy(here, [*words, "--cron"], environment, folder)


def _hook(folder: Path) -> Path:
    hook = folder / "hook"
    hook.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{_HOOK}" "$@"\n')
    hook.chmod(0o755)
    return hook


def _through_proxy(
    here: Cloud, command: Sequence[str | Path], environment: dict[str, str], folder: Path
) -> Run:
    recording = here.record()
    used = children.run(command, env=environment, cwd=folder)
    return used, [one.operation for one in recording.exchanges]


def measure(runs: int) -> Part:
    """Measure `runs` runs of each, in turn."""
    part = Part("The agent with nothing to do")
    with cloud.start_cloud("agent") as here:
        python, part.versions["agent"] = agent_python()
        cloud.allow_peers(here)
        with installed(here.aws, here.folder("agent"), python) as ready:
            programs: dict[str, Callable[[], Run]] = {
                "ours": lambda: ready.run(here.work),
                _AWSCLI: awscli(here, ready),
            }
            for name, prepare in (("lego renew", lego), ("dehydrated --cron", dehydrated)):
                try:
                    programs[name] = prepare(here)
                except (ProgramMissing, children.CommandFailed) as error:
                    part.notes.append(f"{name} was not measured: {str(error).splitlines()[0]}")
            found: dict[str, list[Run]] = {name: [] for name in programs}
            for run in programs.values():
                run()
            for _ in range(runs):
                for name, run in programs.items():
                    found[name].append(run())
    _report(part, found)
    return part


def _report(part: Part, found: dict[str, list[Run]]) -> None:
    lines: list[tuple[str, Callable[[Run], float], str]] = [
        ("CPU time", lambda run: run[0].cpu, "s"),
        ("wall time", lambda run: run[0].wall, "s"),
        ("peak memory", lambda run: run[0].memory, "MiB"),
        ("requests", lambda run: len(run[1]), ""),
    ]

    def of(name: str, value: Callable[[Run], float], unit: str) -> Sample:
        return sample([value(run) for run in found[name]], unit)

    for what, value, unit in lines:
        if what == "CPU time":
            own = of("ours", lambda run: run[0].own_cpu, unit)
            part.add(f"{what} without DSM's programs", own, against=(_AWSCLI, of(_AWSCLI, value, unit)))
        if what == "peak memory":
            part.add(what, of("ours", value, unit), at_most=25)
        for peer in found:
            if peer != "ours":
                at_most = 0.2 if (what, peer) == ("CPU time", _AWSCLI) else None
                against = (peer, of(peer, value, unit))
                part.add(what, of("ours", value, unit), against=against, at_most=at_most)
    part.notes += [f"{name}: {', '.join(runs[0][1]) or 'no request'}." for name, runs in found.items()]
    part.notes.append(
        "Ours also looks at what DSM serves and sends its metrics; the others do neither. Three starts of "
        "the simulated DSM's own programs, which are Python's, are counted in, but for the row without "
        "them; a NAS's slower processor and disk are not."
    )


if __name__ == "__main__":
    print_part(measure)
