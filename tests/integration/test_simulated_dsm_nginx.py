"""What the simulated DSM's nginx serves, when it takes a new certificate over, and DSM's web settings."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cloud.dsm import SimulatedDsm
from local_cloud.dsm.issuing import Issuer, issue
from local_cloud.processes import free_port, wait_until
from tests.integration.dsm_bench import (
    BLOG,
    NAVIDROME,
    api,
    code,
    copies,
    fingerprint,
    import_pair,
    lay_out,
    page,
    pair_of,
    run,
    serves,
    services_of,
    stage,
)


@pytest.fixture
def running(tmp_path: Path, nginx: Path, ca: Issuer) -> Iterator[SimulatedDsm]:
    with lay_out(tmp_path, nginx, ca) as dsm:
        yield dsm


def test_nginx_serves_each_service_from_its_own_copy(running: SimulatedDsm) -> None:
    port = running.proxy_ports[NAVIDROME]
    recipe = pair_of(running, running.recipe_id)
    other = next(id for id, entry in running.tree.info().items() if entry["desc"] == BLOG)
    assert serves(running.https_port, "any.name.test", recipe)
    assert serves(port, NAVIDROME, recipe)
    assert serves(port, BLOG, pair_of(running, other))
    assert serves(port, "no.rule.test", recipe)
    assert "Synology DiskStation (simulated)" in page(running.https_port)
    assert "Synology DiskStation (simulated)" in page(running.http_port, secure=False)
    assert page(port, NAVIDROME).endswith("\r\n\r\nnavidrome")


def test_nginx_keeps_the_old_leaf_of_an_entry_that_is_not_the_default(
    running: SimulatedDsm, ca: Issuer
) -> None:
    """Field case 7: success, the copies are new, and the old leaf is served until nginx is reloaded."""
    port = running.proxy_ports[BLOG]
    other = next(id for id, entry in running.tree.info().items() if entry["desc"] == BLOG)
    old, new = pair_of(running, other), issue([BLOG], issuer=ca)
    answer = import_pair(running, *stage(running, new), f'id="{other}"', f'desc="{BLOG}"')
    assert answer == {"data": {"id": other, "restart_httpd": False}, "success": True}
    assert copies(running, other) == {fingerprint(new.leaf)}
    assert run(running, "systemctl", "reload", "nginx").returncode == 0
    time.sleep(0.3)
    assert serves(port, BLOG, old)  # `synow3tool --gen-all` and the reload are needed
    assert run(running, "synow3tool", "--gen-all").returncode == 0
    assert serves(port, BLOG, old)
    assert run(running, "systemctl", "reload", "nginx").returncode == 0
    wait_until(lambda: serves(port, BLOG, new), what="the new leaf", seconds=5)


def test_the_default_entry_is_reloaded_by_dsm_unless_switched(running: SimulatedDsm, ca: Issuer) -> None:
    """With id DSM copies and reloads (data.restart_httpd)."""
    first, second = issue(["example.com"], issuer=ca), issue(["example.com"], issuer=ca)
    identity = [f'id="{running.recipe_id}"', 'desc="example.com"']
    assert import_pair(running, *stage(running, first), *identity)["data"]["restart_httpd"] is True
    wait_until(lambda: serves(running.https_port, "x", first), what="the new leaf", seconds=5)
    running.switch(no_reload=True)
    assert import_pair(running, *stage(running, second), *identity)["data"]["restart_httpd"] is False
    time.sleep(0.3)
    assert serves(running.https_port, "x", first)


def test_the_archive_alone_changes_nothing_that_is_served(running: SimulatedDsm, ca: Issuer) -> None:
    """The blog recipe's mistake."""
    old = pair_of(running, running.recipe_id)
    running.tree.write_pair(str(running.recipe_id), issue(["example.com"], issuer=ca))
    run(running, "synow3tool", "--gen-all")
    run(running, "systemctl", "reload", "nginx")
    time.sleep(0.3)
    assert serves(running.https_port, "x", old)


def test_reload_can_fail_and_units_can_be_unknown(running: SimulatedDsm) -> None:
    unknown = run(running, "systemctl", "reload", "nothing")
    assert unknown.returncode == 5
    assert "not found" in unknown.stderr
    running.switch(fail_reload=True)
    assert run(running, "systemctl", "reload", "nginx").returncode == 1
    assert run(running, "synosystemctl", "restart", "pkgctl-SynologyDrive").returncode == 0
    assert run(running, "synosystemctl", "restart", "pkgctl-Absent").returncode == 5


def test_a_broken_copy_fails_the_reload_and_the_old_leaf_stays(running: SimulatedDsm) -> None:
    old = pair_of(running, running.recipe_id)
    key = running.root / "usr/syno/etc/certificate/system/default/privkey.pem"
    key.chmod(0o600)
    key.write_bytes(issue(["example.com"]).key)
    run(running, "synow3tool", "--gen-all")
    assert run(running, "systemctl", "reload", "nginx").returncode != 0
    assert serves(running.https_port, "x", old)


# The settings of the recipe's last chapter


def test_web_dsm_wants_the_full_object(running: SimulatedDsm) -> None:
    """get, overlay, set: a partial object fails with 2001."""
    calls = ["api=SYNO.Core.Web.DSM", "version=2"]
    settings = api(running, *calls, "method=get")["data"]
    assert code(api(running, *calls, "method=set", "enable_https_redirect=true")) == 2001
    settings["enable_https_redirect"] = True
    overlaid = [f"{name}={json.dumps(value)}" for name, value in settings.items()]
    assert api(running, *calls, "method=set", *overlaid)["success"] is True
    assert api(running, *calls, "method=get")["data"] == settings

    def redirected() -> bool:
        return f"Location: https://nas:{running.https_port}/" in page(running.http_port, secure=False)

    wait_until(redirected, what="the redirect", seconds=5)


def test_a_new_reverse_proxy_is_bound_to_the_default(running: SimulatedDsm) -> None:
    calls = ["api=SYNO.Core.AppPortal.ReverseProxy", "version=1"]
    rule = next(iter(api(running, *calls, "method=list")["data"]["entries"]))
    assert rule["frontend"]["fqdn"] == NAVIDROME
    entry = {name: value for name, value in rule.items() if name not in {"UUID", "_key"}}
    assert code(api(running, *calls, "method=create", f"entry={json.dumps(entry)}")) == 120
    port = free_port()
    entry["frontend"] = {**entry["frontend"], "fqdn": "new.example.com", "port": port}
    assert api(running, *calls, "method=create", f"entry={json.dumps(entry)}")["success"] is True
    rules = api(running, *calls, "method=list")["data"]["entries"]
    created = next(rule for rule in rules if rule["frontend"]["fqdn"] == "new.example.com")
    assert f"ReverseProxy/{created['UUID']}" in services_of(running, running.recipe_id)
    assert running.proxy_ports["new.example.com"] == port

    def answers() -> bool:
        try:
            return page(port, "new.example.com").endswith("navidrome")
        except OSError:
            return False

    wait_until(answers, what="the new rule", seconds=5)


def test_a_portal_without_an_address_of_its_own(running: SimulatedDsm) -> None:
    answer = api(running, "api=SYNO.Core.AppPortal", "method=list", "version=2")
    assert [portal.keys() for portal in answer["data"]["portal"]] == [
        {"display_name", "enable_redirect", "id"}
    ]
