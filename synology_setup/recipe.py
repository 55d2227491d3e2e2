"""What the blog recipe left on the NAS: its jobs, its AWS keys, and the certificate entry that it filled."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

from synology_agent.certificates import covers

from .nas import HOME_NAME, DsmRefused, Nas, sections
from .remote import put
from .schedule import Task, has_task_api, read_tasks

CRONTAB = "/etc/crontab"
# DSM's own client is none of them: syno-letsencrypt.
_CLIENTS = re.compile(r"(?<![\w-])(lego|acme\.sh|certbot|dehydrated|getssl)(?!\w)")
_SCRIPT_PATH = re.compile(r"(?<![\w.])/[\w.@/+-]+")
_ARCHIVE = "/usr/syno/etc/certificate/_archive"
_KEY_ID = "A(KIA|SIA)[A-Z0-9]{16}"
_ASSIGNED = re.compile(r"\b([A-Za-z_]\w*)=(?:'[^']*'|\"[^\"]*\"|[^\s;&|]+)")
_SECRET_KEY = re.compile(r"(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
_LARGEST_KILOBYTES = 256
# A key's id is no secret, what stands beside it is: grep shows the id alone.
_FIND_KEYS = f"""
for place in "$@"; do
    test -e "$place" || continue
    find "$place" -maxdepth 4 -type f -size -{_LARGEST_KILOBYTES}k ! -path '*/{HOME_NAME}/*' \\
        -exec grep -HEo '{_KEY_ID}' {{}} + 2>/dev/null
done
exit 0
"""


@dataclass(frozen=True)
class CronLine:
    """A line of the system's crontab that runs an ACME client."""

    text: str


@dataclass(frozen=True)
class FoundKey:
    """The id of an AWS key on the NAS, and the file or task that it stands in."""

    id: str
    place: str


@dataclass(frozen=True)
class FoundEntry:
    """A certificate entry of DSM's.

    Attributes:
        id: its id, as `xoEBak`.
        description: may be empty.
        names: of its leaf's subject alternative names.
        is_default: it is DSM's default.
    """

    id: str
    description: str
    names: tuple[str, ...]
    is_default: bool


@dataclass(frozen=True)
class Leftovers:
    """All that was found.

    Attributes:
        tasks: enabled tasks that run an ACME client.
        cron_lines: such lines of the crontab.
        keys: AWS keys in the text or beside the scripts of both, and of tasks that are disabled already.
        looked_at_tasks: DSM told its tasks.
    """

    tasks: tuple[Task, ...]
    cron_lines: tuple[CronLine, ...]
    keys: tuple[FoundKey, ...]
    looked_at_tasks: bool

    def __bool__(self) -> bool:
        return bool(self.tasks or self.cron_lines or self.keys)


def without_secrets(text: str) -> str:
    """Return a command as it may be shown: what is assigned, or looks like a secret key, is hidden."""
    hidden = _ASSIGNED.sub(lambda found: f"{found[1]}=…", text)
    return _SECRET_KEY.sub("…", hidden)


def find_leftovers(nas: Nas) -> Leftovers:
    """Look for jobs that run an ACME client, and for AWS keys in them, beside them and below /root."""
    told = _tasks(nas)
    tasks = [task for task in told or () if not task.is_ours]
    lines = _cron_lines(nas)
    texts = [task.script for task in tasks] + lines
    called = {path for text in texts for path in _SCRIPT_PATH.findall(text)}
    running = _scripts_with_clients(nas, sorted(called))

    def runs_a_client(text: str) -> bool:
        return bool(_CLIENTS.search(text)) or any(path in running for path in _SCRIPT_PATH.findall(text))

    old_tasks = tuple(task for task in tasks if runs_a_client(task.script))
    old_lines = tuple(CronLine(line) for line in lines if runs_a_client(line))
    places, keys = {"/root"}, set[FoundKey]()
    jobs = [(f"task {task.name!r}", task.script) for task in old_tasks]
    for job, text in [*jobs, *((CRONTAB, line.text) for line in old_lines)]:
        places |= {path.rpartition("/")[0] for path in _SCRIPT_PATH.findall(text)} - _SYSTEM
        keys |= {FoundKey(found[0], job) for found in re.finditer(_KEY_ID, text)}
    keys |= _keys(nas, sorted(places - {""}))
    enabled = tuple(task for task in old_tasks if task.enabled)
    by_place = sorted(keys, key=lambda key: (key.place, key.id))
    return Leftovers(enabled, old_lines, tuple(by_place), told is not None)


_SYSTEM = {"/bin", "/usr/bin", "/sbin", "/usr/sbin", "/dev", "/usr/local/bin", "/etc", "/tmp", "/var"}  # noqa: S108


def remove_cron_line(nas: Nas, line: CronLine) -> None:
    """Comment a line of the crontab out; it stays to be read."""
    text = _read(nas, CRONTAB)
    kept = "".join(
        f"#{one}" if one.rstrip("\n") == line.text else one for one in text.splitlines(keepends=True)
    )
    put(nas.shell, kept.encode(), nas.path(CRONTAB), 0o644)
    nas.run("systemctl restart crond 2>/dev/null || synoservice --restart crond 2>/dev/null || :")


def find_entries(nas: Nas, names: Sequence[str]) -> list[FoundEntry]:
    """Return DSM's entries whose names `names` cover all; not QuickConnect's, and no self-signed ones.

    Args:
        nas: where.
        names: of our certificate, `*.` allowed.
    """
    archive = shlex.quote(nas.path(_ARCHIVE))
    script = f"""cd {archive} || exit 1
echo '== INFO'; cat INFO; echo
echo '== DEFAULT'; cat DEFAULT 2>/dev/null; echo
for folder in */; do
    for leaf in "$folder"cert.pem "$folder"RSA-cert.pem; do
        test -f "$leaf" || continue
        echo "== ${{folder%/}}"; cat "$leaf"; echo; break
    done
done
exit 0"""
    answer = nas.run(script).check("reading DSM's certificate entries").stdout.decode(errors="replace")
    found = sections(answer)
    info, default = json.loads(found.pop("INFO")), found.pop("DEFAULT").strip()
    entries = []
    for entry_id, pem in found.items():
        if entry_id not in info or info[entry_id].get("user_deletable") is False:
            continue
        try:
            leaf = x509.load_pem_x509_certificate(pem.encode())
            alternative = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (ValueError, x509.ExtensionNotFound):
            continue
        own = tuple(alternative.get_values_for_type(x509.DNSName))
        if own and leaf.issuer != leaf.subject and all(covers(names, name) for name in own):
            entries.append(
                FoundEntry(entry_id, str(info[entry_id].get("desc", "")), own, entry_id == default)
            )
    return sorted(entries, key=lambda entry: (not entry.is_default, entry.id))


def _tasks(nas: Nas) -> list[Task] | None:
    """Return the NAS's tasks, or None where DSM does not tell them."""
    try:
        return list(read_tasks(nas)) if has_task_api(nas) else None
    except DsmRefused:
        return None


def _cron_lines(nas: Nas) -> list[str]:
    lines = _read(nas, CRONTAB).splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _scripts_with_clients(nas: Nas, paths: Sequence[str]) -> set[str]:
    """Return those of the files that name an ACME client in a line that is no comment."""
    if not paths:
        return set()
    script = 'for file in "$@"; do test -f "$file" && test -r "$file" || continue\n'
    script += f'size=$(wc -c <"$file"); test "$size" -lt {_LARGEST_KILOBYTES * 1024} || continue\n'
    script += 'grep -Iq . "$file" || continue; echo "== $file"; grep -v "^[[:space:]]*#" "$file"; echo\n'
    script += "done; exit 0"
    arguments = " ".join(shlex.quote(path) for path in paths)
    answer = nas.run(f"set -- {arguments}\n{script}").stdout.decode(errors="replace")
    return {path for path, text in sections(answer).items() if _CLIENTS.search(text)}


def _keys(nas: Nas, places: Sequence[str]) -> set[FoundKey]:
    real = [place if place.startswith(f"{nas.root}/") and nas.root else nas.path(place) for place in places]
    arguments = " ".join(shlex.quote(place) for place in real)
    answer = nas.run(f"set -- {arguments}\n{_FIND_KEYS}", seconds=300).stdout.decode(errors="replace")
    found = {tuple(line.rsplit(":", 1)) for line in answer.splitlines() if ":" in line}
    return {FoundKey(key, file) for file, key in found}


def _read(nas: Nas, path: str) -> str:
    quoted = shlex.quote(nas.path(path))
    return nas.run(f"cat {quoted} 2>/dev/null; exit 0").stdout.decode(errors="replace")
