"""`finish`: the recipe's last chapter, each step asked for and undoable: DSM's redirect, name, services."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from .errors import SetupError
from .nas import DsmRefused, Nas
from .reach import Reach, ReachedNas, reach
from .remote import CommandFailed, FileMissing, get, put
from .screen import Screen
from .stack_outputs import NasOutputs, StackOutputs

_WEB, _PROXY = "SYNO.Core.Web.DSM", "SYNO.Core.AppPortal.ReverseProxy"
_HTTP, _HTTPS = 0, 1
_HTTPS_PORT = 443
_LAST_PORT = 65_535


@dataclass(frozen=True)
class ServicePort:
    """A service on the NAS and its port, as `navidrome=4533`."""

    name: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `name=port`.

        Raises:
            SetupError: it is something else.
        """
        found = re.fullmatch(r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?)=(\d{1,5})", text.lower())
        if found is None or not 0 < int(found[3]) <= _LAST_PORT:
            raise SetupError(f"--service {text!r} is not NAME=PORT, such as navidrome=4533")
        return cls(found[1], int(found[3]))


def finish(
    way: Reach,
    outputs: StackOutputs,
    nas_name: str | None,
    services: Sequence[ServicePort],
    screen: Screen,
    *,
    undo: bool = False,
) -> None:
    """Set DSM's HTTPS redirect, its own name, and a reverse proxy rule for each service; or take them back.

    Raises:
        SetupError: a service has no name in the stack, or the NAS could not be reached.
    """
    stack_nas = outputs.nas(nas_name)
    hosts = {service: _host_of(service, stack_nas) for service in services}
    with reach(way, screen) as there:
        nas, fqdn = there.nas, _own_host(stack_nas)
        with screen.step("DSM's HTTPS redirect"):
            _set_web(there, screen, {"enable_https_redirect": True}, _REDIRECT_CLICKS, undo=undo)
        with screen.step(f"DSM's own name, {fqdn}"):
            wanted = {"enable_custom_domain": True, "fqdn": fqdn}
            _set_web(there, screen, wanted, _DOMAIN_CLICKS.format(fqdn=fqdn), undo=undo)
        made = False
        for service, host in hosts.items():
            with screen.step(f"Reverse proxy: https://{host} to port {service.port}"):
                made |= _set_rule(nas, screen, host, service, undo=undo)
        if made:
            with screen.step("The agent binds the certificate to them"):
                # A new rule is bound to the default certificate, which may not be ours.
                result = there.agent.run("run", "--bind-again")
                screen.note(result.said)
                if result.status != 0:
                    raise SetupError(f"the agent's run ended with exit code {result.status} (docs/agent.md)")
    screen.repeat_warnings()


_REDIRECT_CLICKS = (
    "Control Panel > Login Portal > DSM (DSM 6: Network > DSM Settings): "
    "Automatically redirect HTTP connection to HTTPS"
)
_DOMAIN_CLICKS = (
    "Control Panel > Login Portal > DSM (DSM 6: Network > DSM Settings): Enable customized domain, {fqdn}"
)
_PROXY_CLICKS = (
    "Control Panel > Login Portal > Advanced > Reverse Proxy (DSM 6: Application Portal > Reverse Proxy) > "
    "Create: source HTTPS, {host}, port 443; destination HTTP, localhost, port {port}"
)


def _own_host(stack_nas: NasOutputs) -> str:
    return re.sub(r"^https://|[:/].*$", "", stack_nas.url)


def _host_of(service: ServicePort, stack_nas: NasOutputs) -> str:
    """Return the service's host name: one that the stack publishes for this NAS."""
    names = [str(name) for one in stack_nas.agent_config["certificates"] for name in one["names"]]
    found = [name for name in names if name == service.name or name.startswith(f"{service.name}.")]
    if not found:
        raise SetupError(
            f"--service {service.name}: the stack publishes no such name for NAS {stack_nas.name!r} "
            f"(it has {', '.join(names)}). Add it to `services` in the stack's config, and run `pulumi up`"
        )
    return found[0]


def _set_web(there: ReachedNas, screen: Screen, wanted: dict[str, Any], by_hand: str, *, undo: bool) -> None:
    """Set fields of DSM's web settings, or put back what they were before `finish` set them.

    DSM wants the whole object: a part of it fails with 2001.
    """
    try:
        settings = there.nas.web_api(_WEB, "get", 2)
        before = _read_before(there)
        if undo:
            wanted = {name: before[name] for name in wanted if name in before}
        if all(settings.get(name) == value for name, value in wanted.items()):
            screen.note("there is nothing of `finish` to take back" if undo else "is so already")
            return
        now = ", ".join(f"{name} is {settings.get(name)}" for name in wanted)
        if not screen.agree(f"Set it{' back' if undo else ''}? ({now})"):
            return
        if not undo:
            kept = {name: settings.get(name) for name in wanted}
            _write_before(there, {**kept, **before})  # what was there at the very first
        there.nas.web_api(_WEB, "set", 2, **{**settings, **wanted})
        after = there.nas.web_api(_WEB, "get", 2)
    except (DsmRefused, CommandFailed) as error:
        screen.warn(f"{error}. By hand: {by_hand}")
        return
    if any(after.get(name) != value for name, value in wanted.items()):
        screen.warn(f"DSM answered success and did not do it. By hand: {by_hand}")
        return
    if undo:
        _write_before(there, {name: value for name, value in before.items() if name not in wanted})
    screen.note("done" if undo else f"done; `finish --undo` takes it back, or {by_hand}")


def _read_before(there: ReachedNas) -> dict[str, Any]:
    """Return the settings as they were before `finish` changed them; it is kept beside the agent."""
    try:
        found = json.loads(get(there.nas.shell, _before_file(there)))
    except (FileMissing, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_before(there: ReachedNas, settings: dict[str, Any]) -> None:
    home = shlex.quote(there.agent.home)
    there.nas.run(f"umask 077; mkdir -p {home}").check("making the agent's folder")
    put(there.nas.shell, json.dumps(settings).encode(), _before_file(there), 0o600)


def _before_file(there: ReachedNas) -> str:
    return f"{there.agent.home}/before-finish.json"


def _set_rule(nas: Nas, screen: Screen, host: str, service: ServicePort, *, undo: bool) -> bool:
    """Make or delete the rule of a host name; return whether it was made."""
    by_hand = _PROXY_CLICKS.format(host=host, port=service.port)
    try:
        there = _rules(nas, host)
        made_here = [rule for rule in there if _is_as_made(rule, host, service)]
        if undo:
            if not made_here:
                screen.note("there is no rule that `finish` would have made so")
            elif screen.agree(f"Delete the rule of {host}?"):
                nas.web_api(_PROXY, "delete", 1, uuids=[rule["UUID"] for rule in made_here])
            return False
        if there:
            backend = there[0].get("backend", {})
            if (backend.get("port"), backend.get("protocol")) == (service.port, _HTTP):
                screen.note("is there already")
            else:
                screen.warn(f"{host} leads to port {backend.get('port')} already: change it at {by_hand}")
            return False
        if not screen.agree(f"Make a rule from https://{host} to port {service.port}?"):
            return False
        nas.web_api(_PROXY, "create", 1, entry=_rule(host, service))
        made = bool(_rules(nas, host))
    except (DsmRefused, CommandFailed) as error:
        screen.warn(f"{error}. By hand: {by_hand}")
        return False
    if made:
        screen.note("done; `finish --undo` takes it back")
    else:
        screen.warn(f"DSM answered success and made no rule. By hand: {by_hand}")
    return made


def _rules(nas: Nas, host: str) -> list[dict[str, Any]]:
    listed = nas.web_api(_PROXY, "list", 1).get("entries", [])
    return [rule for rule in listed if rule.get("frontend", {}).get("fqdn") == host]


def _is_as_made(rule: dict[str, Any], host: str, service: ServicePort) -> bool:
    """Tell whether a rule is as `finish` makes it: one that a person made or changed is left alone."""
    made = _rule(host, service)
    ends = all(rule.get("backend", {}).get(name) == value for name, value in made["backend"].items())
    return ends and rule.get("description") == made["description"]


def _rule(host: str, service: ServicePort) -> dict[str, Any]:
    return {
        "description": f"{service.name} (synology-https)",
        "proxy_connect_timeout": 60,
        "proxy_read_timeout": 60,
        "proxy_send_timeout": 60,
        "proxy_http_version": 1,
        "proxy_intercept_errors": False,
        "frontend": {
            "acl": None,
            "fqdn": host,
            "port": _HTTPS_PORT,
            "protocol": _HTTPS,
            "https": {"hsts": False},
        },
        "backend": {"fqdn": "localhost", "port": service.port, "protocol": _HTTP},
        "customize_headers": [],
    }
