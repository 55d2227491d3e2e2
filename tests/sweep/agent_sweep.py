"""Every fault at every step of an install, each followed by the run that Task Scheduler would start next.

`make sweep`, or `python -m tests.sweep.agent_sweep --only "7.2 renewal" --step 12 --fault kill` to repeat one
case. A step is a change of a file, an fsync, or one of DSM commands. Clients ask all ports of nginx all the
while.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from local_cloud.dsm import ReverseProxy, SimulatedDsm
from local_cloud.dsm.issuing import Issuer, issue, make_issuer
from local_cloud.dsm.packages import OPENVPN_KEYS
from local_cloud.dsm.tree import Pair
from local_cloud.ministack.server import REGION, ROOT, LocalAws
from local_cloud.processes import wait_until
from local_cloud.system_programs import provide
from synology_agent.errors import RollbackFailed
from tests.agent_documents import document_of, leaf_of
from tests.sweep.asking_client import Client, ask
from tests.sweep.forked_agent import ERRORS, Ending, ForkedAgent, Job
from tests.warm_dsm import FAULTS, Order, WarmDsm

BUILD = Path(__file__).resolve().parents[2] / "build"
WORK = BUILD / "agent-sweep"
NAMES = ["example.com", "*.example.com"]
NAVIDROME, BLOG = "navidrome.example.com", "blog.other.test"
HOME = "volume1/@synology-https"
KILL = "kill"
_HANG_SECONDS = 5.0  # more than any command takes on a busy machine


@dataclass(frozen=True)
class Scenario:
    """An install that is spoilt: on which release, by which way, into what."""

    version: str
    first: bool

    @property
    def packages(self) -> tuple[str, ...]:
        """One that keeps copies of its own and one that reads its copy at start, where that is tried too."""
        return ("VPNCenter", "DirectoryServer") if (self.version, self.first) == ("7.2", False) else ()

    def __str__(self) -> str:
        return f"{self.version} {'first install' if self.first else 'renewal'}"


SCENARIOS = [Scenario(version, first) for version in ("7.2", "6.2") for first in (False, True)]


@dataclass(frozen=True)
class Case:
    """One fault before one step of one scenario; `call` is set where one of DSM's commands is spoilt."""

    scenario: Scenario
    step: int
    name: str
    fault: str
    call: int = -1

    def __str__(self) -> str:
        return f"{self.scenario}: step {self.step} ({self.name}), {self.fault}"


class Bench:
    """One simulated NAS in one scenario, put back to where it stood before each case."""

    def __init__(self, scenario: Scenario, aws: LocalAws, nginx: Path, stack: ExitStack) -> None:
        self.scenario = scenario
        self._work = Path(tempfile.mkdtemp(prefix=f"{scenario.version}-", dir=WORK))
        root_ca = make_issuer("Simulated Root")
        self._ca = make_issuer(issuer=root_ca)
        self.dsm = SimulatedDsm(
            self._work / "nas",
            nginx=nginx,
            issuer=self._ca,
            recipe=False,
            proxies=[ReverseProxy(NAVIDROME), ReverseProxy(BLOG, own_certificate=True)],
            packages=scenario.packages,
            version=scenario.version,
        ).create()
        self.warm = stack.enter_context(WarmDsm())
        self.warm.use_in(self.dsm.root)
        self.agent = stack.enter_context(ForkedAgent())
        self._secrets = aws.client("secretsmanager")
        self._arn = self._secrets.create_secret(Name=f"agent-sweep/{self._work.name}")["ARN"]
        self._configure(aws, root_ca)
        stack.enter_context(self.dsm)
        self.places = [
            (self.dsm.https_port, "example.com"),
            (self.dsm.proxy_ports[NAVIDROME], NAVIDROME),
            (self.dsm.proxy_ports[BLOG], BLOG),
        ]
        if not scenario.first:
            self._put(issue(NAMES, issuer=self._ca))
            self.log = self._work / "first.log"
            ending = self._run()
            assert ending.exit_code == 0, self.log.read_text()
        self.before = self.served()
        shutil.copytree(self.dsm.root, self._work / "saved", symlinks=True)
        self.new = issue(NAMES, issuer=self._ca)
        self._put(self.new)
        self.entries = len(self.dsm.tree.info()) + scenario.first

    def served(self) -> dict[tuple[int, str], str]:
        return {place: ask(*place) for place in self.places}

    def comes_to_serve(self, wanted: dict[tuple[int, str], str]) -> bool:
        """Tell whether this is served once nginx's old workers, which may still accept, are gone."""
        for _ in range(100):
            if self.served() == wanted:
                return True
            time.sleep(0.05)
        return False

    def restore(self) -> None:
        """Put the tree back, and have nginx serve it."""
        for folder in ("usr/syno/etc", "usr/local/etc", "var/packages", HOME):
            shutil.rmtree(self.dsm.root / folder, ignore_errors=True)
            if (self._work / "saved" / folder).exists():
                shutil.copytree(self._work / "saved" / folder, self.dsm.root / folder, symlinks=True)
        self.dsm.reload()
        wait_until(lambda: self.served() == self.before, seconds=20, what="the restored NAS")

    def try_case(self, case: Case) -> list[str]:
        """Run with the fault, then once more; return what did not hold."""
        self.restore()
        self.log = self._work / f"{case.step}-{case.fault}.log"
        client = Client(self.places)
        new = leaf_of(self.new)
        client.allowed = {place: {self.before[place], new} for place in self.places[:2]}
        client.allowed[self.places[2]] = {self.before[self.places[2]]}
        broken = []
        with client:
            self.warm.order(Order(case.call, case.fault if case.call >= 0 else ""))
            spoilt = self._run(case)
            self.warm.order(Order())
            broken += self._check_spoilt(case, spoilt.exit_code)
            last = self._run()
        if last.exit_code != 0:
            broken.append(f"the next run exited with {last.exit_code}")
        broken += self._check_end(restarted=case.fault == KILL)
        if client.wrong or not client.asked:
            broken.append(f"{len(client.wrong)} of {client.asked} handshakes were wrong: {client.wrong[:3]}")
        if not broken:
            self.log.unlink()
        return broken

    def steps(self) -> list[str]:
        """Return the steps of an undisturbed install."""
        self.restore()
        self.log = self._work / "undisturbed.log"
        self.warm.order(Order())
        ending = self._run()
        assert ending.exit_code == 0, self.log.read_text()
        assert not self._check_end(), (self._check_end(), self.log.read_text())
        return ending.steps

    def _run(self, case: Case | None = None) -> Ending:
        arguments = ["run", "--verbose", "--config", str(self.dsm.root / HOME / "config.json")]
        arguments += ["--root", str(self.dsm.root)]
        if case is not None and case.fault == "hang":
            return self.agent.run(Job(arguments, str(self.log), command_seconds=_HANG_SECONDS))
        if case is None or case.call >= 0:
            return self.agent.run(Job(arguments, str(self.log)))
        return self.agent.run(Job(arguments, str(self.log), case.step, case.fault))

    def _check_spoilt(self, case: Case, exit_code: int | None) -> list[str]:
        if case.fault == KILL:
            return [] if exit_code is None else [f"the run was not killed: {exit_code}"]
        if exit_code is None:
            return ["the run died"]
        log = self.log.read_text()
        if exit_code == RollbackFailed.exit_code or "a fault of the agent itself" in log:
            return [f"the run exited with {exit_code}"]
        wanted = {**self.before}
        if exit_code == 0 or "installed and served, which could not be remembered" in log:
            wanted.update(dict.fromkeys(self.places[:2], leaf_of(self.new)))
        return [] if self.comes_to_serve(wanted) else [f"exit code {exit_code}, served is {self.served()}"]

    def _check_end(self, *, restarted: bool = True) -> list[str]:
        """Return what does not hold; a package that could not be restarted is named by the agent, no more."""
        broken: list[str] = []
        new, tree = leaf_of(self.new), self.dsm.tree
        info = tree.info()
        ours = [entry_id for entry_id, entry in info.items() if entry["desc"] == "example.com"]
        if len(ours) != 1 or len(info) != self.entries:
            return [f"the entries are {sorted(entry['desc'] for entry in info.values())}"]
        services = {f"{one['subscriber']}/{one['service']}": one for one in info[ours[0]]["services"]}
        count = 4 + len(self.scenario.packages)
        if not {"system/default", "smbftpd/ftpd"} <= set(services) or len(services) != count:
            broken.append(f"ours serves {sorted(services)}")
        folders = [tree.archive / ours[0], *(tree.copy_folder(service) for service in services.values())]
        stale = [str(folder) for folder in folders if leaf_in(folder) != new]
        if stale:
            broken.append(f"stale: {stale}")
        if self.scenario.packages:
            keys = tree.path(OPENVPN_KEYS)
            if ((keys / "server.crt").read_bytes(), (keys / "server.key").read_bytes()) != (
                self.new.leaf,
                self.new.key,
            ):
                broken.append("OpenVPN's own copy is another, or half")
            if restarted and self.dsm.served_by("DirectoryServer") != new:
                broken.append("the directory server was not restarted")
        if tree.default_id != ours[0]:
            broken.append("ours is not the default")
        expected = {**self.before, **dict.fromkeys(self.places[:2], new)}
        if not self.comes_to_serve(expected):
            broken.append(f"served is {self.served()}")
        left = [str(path) for path in self.dsm.root.rglob("*.unfinished")]
        left += [str(path) for path in (self.dsm.root / HOME).glob("state/*/staging")]
        left += [str(path) for path in (self.dsm.root / HOME).glob("state/*/backups/unfinished")]
        return broken + ([f"left: {left}"] if left else [])

    def _put(self, pair: Pair) -> None:
        document = document_of(pair, issued_at=datetime.now(UTC).replace(microsecond=0))
        self._secrets.put_secret_value(SecretId=self._arn, SecretString=document)

    def _configure(self, aws: LocalAws, root_ca: Issuer) -> None:
        home = self.dsm.root / HOME
        home.mkdir(parents=True)
        (home / "ca.pem").write_bytes(root_ca.certificate)
        config = home / "config.json"
        config.touch(mode=0o600)
        fields = {
            "region": REGION,
            "access_key_id": ROOT.access_key,
            "secret_access_key": ROOT.secret_key,
            "endpoint": aws.endpoint,
            "ca_file": str(home / "ca.pem"),
            "certificates": [{"secret": self._arn, "entry": "example.com", "names": NAMES}],
        }
        config.write_text(json.dumps(fields))


def leaf_in(folder: Path) -> str | None:
    """Return the fingerprint of the folder's leaf; a dual folder is none of ours."""
    path = folder / "cert.pem"
    return leaf_of(Pair(path.read_bytes(), b"", b"")) if path.exists() else None


def cases_of(scenario: Scenario, steps: list[str]) -> Iterator[Case]:
    """Yield every fault at every step."""
    call = 0
    for number, name in enumerate(steps):
        yield Case(scenario, number, name, KILL)
        if name.startswith("command"):
            for fault in FAULTS:
                yield Case(scenario, number, name, fault, call)
            call += 1
        else:
            for fault in ERRORS:
                yield Case(scenario, number, name, fault)


def main() -> int:
    """Run the sweep; the exit code says whether everything held."""
    parser = argparse.ArgumentParser(description="Every fault at every step of an install.")
    parser.add_argument("--only", metavar="SCENARIO", help="such as '7.2 renewal'")
    parser.add_argument("--step", type=int, help="only this step")
    parser.add_argument("--fault", help="only this fault")
    parser.add_argument("--workers", type=int, default=4, help="NASes at a time (default: 4)")
    options = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True)
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    began, failed = time.monotonic(), 0
    points: Counter[str] = Counter()
    with ExitStack() as stack:
        aws = stack.enter_context(LocalAws(BUILD))
        nginx = provide(["nginx"], BUILD)["nginx"]
        threads = stack.enter_context(ThreadPoolExecutor(options.workers))
        chosen = [one for one in SCENARIOS if options.only in (None, str(one))]
        share = max(1, options.workers // max(1, len(chosen)))
        benches = {one: [Bench(one, aws, nginx, stack) for _ in range(share)] for one in chosen}
        work = []
        for scenario, nases in benches.items():
            steps = nases[0].steps()
            cases = [
                case
                for case in cases_of(scenario, steps)
                if options.step in (None, case.step) and options.fault in (None, case.fault)
            ]
            points[str(scenario)] = len(steps)
            commands = sum(name.startswith("command") for name in steps)
            console.print(f"{scenario}: {len(steps)} steps, {commands} of them commands; {len(cases)} cases")
            for number, nas in enumerate(nases):
                work.append(threads.submit(try_all, console, nas, cases[number::share]))
        for future in as_completed(work):
            failed += future.result()
    total = sum(points.values())
    if failed or not total:
        console.print(f"[red]{failed} cases did not hold[/red]; logs are in {WORK}")
        return 1
    console.print(f"in {time.monotonic() - began:.0f} s")
    console.print(
        f"{total} points x {len(ERRORS) + len(FAULTS) + 1} faults: "
        "old or new certificate served at every moment, 0 lost"
    )
    return 0


def try_all(console: Console, nas: Bench, cases: list[Case]) -> int:
    """Try the cases on one NAS, one after the other; return how many did not hold."""
    failed = 0
    for number, case in enumerate(cases, 1):
        try:
            broken = nas.try_case(case)
        except Exception as error:
            broken = [f"the sweep itself failed: {error!r}"]
        if broken:
            failed += 1
            log = nas.log.read_text()[-3000:] if nas.log.exists() else ""
            console.print(f"[red]✗[/red] {case}\n  " + "\n  ".join(broken) + f"\n{log}", markup=False)
        if number % 50 == 0:
            console.print(f"{nas.scenario}: {number} of {len(cases)} cases")
    return failed


if __name__ == "__main__":
    os.environ["NO_PROXY"] = "*"
    sys.exit(main())
