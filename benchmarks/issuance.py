"""One issuance, ours beside certbot's and lego's: `python -m benchmarks.issuance [--runs N]`.

Everyone renews the same names (a zone's apex and its wildcard) with the same kind of key at the same ACME
server and the same local Route 53, through the same counting proxy, with an account that is known already.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks import children, cloud, peers
from benchmarks.cloud import BUILD, KEY_TYPE, Cloud
from benchmarks.command_line import print_part
from benchmarks.figures import Part, Sample, sample
from local_cloud.processes import LOOPBACK
from local_cloud.recording import Exchange

_KEY_BITS = KEY_TYPE.removeprefix("rsa")


@dataclass(frozen=True)
class Issuance:
    """What one issuance took.

    Attributes:
        used: by the client's process.
        asked: seconds for which it waited because a server's Retry-After asked for it.
        acme: requests to the authority, by operation in order.
        aws: requests to AWS.
    """

    used: children.Usage
    asked: float
    acme: tuple[str, ...]
    aws: tuple[str, ...]

    @property
    def own(self) -> float:
        """Seconds less the waits that a server asked for."""
        return self.used.wall - self.asked

    @property
    def aws_but_polls(self) -> int:
        """Requests to AWS, but for all GetChange after the first of each change."""
        polls = sum(one == before == "GetChange" for before, one in pairwise(self.aws))
        return len(self.aws) - polls


def waits(exchanges: Sequence[Exchange]) -> float:
    """Return for how long a client did nothing after answers that asked it to: the pause, as far as asked.

    Renewal information's Retry-After is no such wait: it says when to ask again (RFC 9773 section 4.3.1).
    """
    return sum(
        max(min(after.arrived - one.answered, one.retry_after), 0)
        for one, after in pairwise(exchanges)
        if one.operation != "renewalInfo"
    )


def measured(cloud: Cloud, issue: Callable[[], children.Usage]) -> Issuance:
    """Let a client issue, and count what it asks."""
    recording = cloud.record()
    used = issue()
    exchanges = list(recording.exchanges)
    acme, aws = (
        tuple(one.operation for one in exchanges if one.service == service) for service in ("acme", "aws")
    )
    return Issuance(used, waits(exchanges), acme, aws)


def ours(cloud: Cloud) -> children.Usage:
    """Let the Lambda's bundle issue, whether it is due or not."""
    used = cloud.run_handler(cloud.event(force=True))
    if not json.loads(used.output.splitlines()[-1])["renewed"]:
        raise children.CommandFailed(f"nothing was issued:\n{used.output}")
    return used


def certbot_command(cloud: Cloud, folder: Path) -> list[str]:
    """Return certbot's arguments for an issuance."""
    names = [word for name in cloud.domains for word in ("--domain", name)]
    return [
        *("certonly", "--non-interactive", "--agree-tos", "--email", "admin@example.com", "--no-eff-email"),
        *("--server", cloud.proxy.directory_url, "--dns-route53", "--force-renewal"),
        *("--key-type", "rsa", "--rsa-key-size", _KEY_BITS, "--cert-name", "nas", *names),
        *certbot_folders(folder),
    ]


def certbot_folders(folder: Path) -> list[str]:
    """Return the options by which certbot writes below `folder` only."""
    return [
        *("--config-dir", str(folder / "config"), "--work-dir", str(folder / "work")),
        *("--logs-dir", str(folder / "logs")),
    ]


def certbot_environment(cloud: Cloud) -> dict[str, str]:
    """Return certbot's environment: it trusts the authority's HTTPS as requests does."""
    return {**cloud.environment(), "REQUESTS_CA_BUNDLE": str(cloud.proxy.ca_root)}


def certbot(cloud: Cloud, program: Path, folder: Path) -> children.Usage:
    """Let certbot issue."""
    command: list[str | Path] = [program, *certbot_command(cloud, folder)]
    return children.run(command, env=certbot_environment(cloud), cwd=folder)


def lego(cloud: Cloud, program: Path, folder: Path) -> children.Usage:
    """Let lego's library issue."""
    server, nameserver = cloud.proxy.directory_url, f"{LOOPBACK}:{cloud.dns.port}"
    return children.run(
        [program, server, folder, nameserver, f"RSA{_KEY_BITS}", *cloud.domains],
        env={**cloud.environment(), "LEGO_CA_CERTIFICATES": str(cloud.proxy.ca_root)},
        cwd=folder,
    )


def measure(runs: int) -> Part:
    """Run each client once to make its account, and then `runs` times."""
    part = Part("Issuance")
    with cloud.start_cloud("issuance") as here:
        cloud.allow_peers(here)
        # As pip leaves certbot: the Lambda's own start, without byte code, is another benchmark's.
        subprocess.run([here.aws.python, "-m", "compileall", "-q", here.bundle], check=True)
        part.versions["ACME server"] = here.acme_version
        clients: dict[str, Callable[[], children.Usage]] = {"ours": lambda: ours(here)}
        program, folder = peers.provide_certbot(BUILD), here.folder("certbot")
        part.versions["certbot"] = children.run([program, "--version"], env={}, cwd=folder).output.strip()
        clients["certbot"] = lambda: certbot(here, program, folder)
        built = peers.provide_lego(BUILD)
        if built is None:
            part.notes.append("lego was not measured: there is no Go here to build it with.")
        else:
            lego_folder, lego_program = here.folder("lego"), built
            part.versions["lego"] = peers.lego_version()
            clients["lego"] = lambda: lego(here, lego_program, lego_folder)
        found: dict[str, list[Issuance]] = {}
        for client in clients.values():
            client()
        for _ in range(runs):  # in turn, so that a busy minute of the machine hits all of them
            for name, client in clients.items():
                found.setdefault(name, []).append(measured(here, client))
    _report(part, found, has_renewal_info="renewalInfo" in found["ours"][0].acme)
    return part


def _report(part: Part, found: dict[str, list[Issuance]], *, has_renewal_info: bool) -> None:
    mine = found["ours"]

    def of(name: str, value: Callable[[Issuance], float], unit: str) -> Sample:
        return sample([value(one) for one in found[name]], unit)

    for peer, at_most in (("certbot", 0.1), ("lego", 0.05)):
        if peer in found:
            part.add(
                "wall time, less the waits that a server asked for",
                of("ours", lambda one: one.own, "s"),
                against=(peer, of(peer, lambda one: one.own, "s")),
                at_most=at_most,
            )
    lines: list[tuple[str, Callable[[Issuance], float], str, float | None]] = [
        ("wall time in all", lambda one: one.used.wall, "s", None),
        ("waits that a server asked for", lambda one: one.asked, "s", None),
        ("CPU time", lambda one: one.used.cpu, "s", None),
        ("requests to the ACME server", lambda one: len(one.acme), "", 13 if has_renewal_info else 12),
        ("requests to AWS, GetChange once a change", lambda one: one.aws_but_polls, "", 10),
        ("requests to AWS in all", lambda one: len(one.aws), "", None),
        ("peak memory", lambda one: one.used.memory, "MiB", 70),
    ]
    for what, value, unit, most in lines:
        if most is not None:
            part.add(what, of("ours", value, unit), at_most=most)
        for peer in found:
            if peer != "ours":
                part.add(what, of("ours", value, unit), against=(peer, of(peer, value, unit)))
    part.notes += [
        f"Apex and wildcard of one zone, {KEY_TYPE} keys, a known account, {len(mine)} runs each in turn; "
        "the ACME server refuses no nonce and reuses no authorization.",
        f"Ours asked the authority for {', '.join(mine[0].acme)}.",
        f"Ours asked AWS for {', '.join(mine[0].aws)}.",
        "Ours and certbot both have their byte code; a Lambda has none: see its own part.",
        "The local Route 53 is INSYNC at the second question; AWS takes about half a minute for everyone.",
    ]
    if "lego" in found:
        part.notes.append(
            "lego's question to the zone's own name servers is switched off (they cannot be reached on "
            "loopback), its wait for INSYNC and its question to the recursive one are on, as by default."
        )


if __name__ == "__main__":
    print_part(measure)
