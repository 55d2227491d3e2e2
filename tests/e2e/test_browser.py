"""The recipe's own test, "without any security warnings", by a real browser along the demo's way.

The tests stand in the story's order; each may be run alone, since its fixture tells the story so far.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local_cloud.demo import steps
from local_cloud.demo.world import DSM_NAME, SERVICE_NAME
from tests.e2e.browser import Browser, Tab
from tests.e2e.conftest import NAMES, OTHER_NAME, Nas

pytestmark = pytest.mark.timeout(600)
SHOWN = {DSM_NAME: "Synology DiskStation (simulated)", SERVICE_NAME: "navidrome"}

# What a page does that stays open: it asks its server again and again, and notes what came.
ASK_WITHOUT_PAUSE = """
() => {
    window.answers = {good: 0, failures: []};
    const ask = async () => {
        try {
            const answer = await fetch(location.href, {cache: "no-store"});
            if (answer.ok) { window.answers.good += 1; }
            else { window.answers.failures.push(String(answer.status)); }
        } catch (failure) { window.answers.failures.push(String(failure)); }
        setTimeout(ask, 20);
    };
    ask();
}
"""


def served(nas: Nas, name: str) -> str:
    """The serial that the server of `name` has now, as another client sees it."""
    return nas.client.visit(name, dict(steps.pages(nas.world))[name]).serial


@pytest.fixture(scope="module")
def errors_before(nas: Nas, browser: Browser) -> dict[str, dict[str, str]]:
    """What the browser shows for each name before the recipe."""
    found = {}
    for name in NAMES:
        with browser.tab() as tab:
            error = tab.visit(nas.url(name))
            security = tab.security("insecure")
            found[name] = {"error": str(error), "state": security.state, "text": tab.text()}
            tab.keep(f"1-before-{name}")
    return found


@pytest.fixture(scope="module")
def installed(nas: Nas, errors_before: dict[str, dict[str, str]]) -> Nas:
    assert errors_before
    nas.outputs = steps.up(nas.world, nas.report)
    steps.install(nas.world, nas.client, nas.report, nas.outputs)
    assert nas.report.proven, nas.report.lines
    return nas


@pytest.fixture(scope="module")
def open_tabs(installed: Nas, browser: Browser) -> Iterator[dict[str, Tab]]:
    """A tab for each name, open since the install, its page asking without pause."""
    with browser.tab() as one, browser.tab() as other:
        tabs = dict(zip(NAMES, (one, other), strict=True))
        for name, tab in tabs.items():
            assert tab.visit(installed.url(name)) is None
        yield tabs


@pytest.fixture(scope="module")
def finished(installed: Nas, open_tabs: dict[str, Tab]) -> Nas:
    assert open_tabs
    assert installed.world.nas.finish(installed.world.aws, installed.report.console) == 0
    return installed


@pytest.fixture(scope="module")
def renewed(finished: Nas, open_tabs: dict[str, Tab]) -> Nas:
    for tab in open_tabs.values():
        tab.page.evaluate(ASK_WITHOUT_PAUSE)
    steps.renewed_by_the_schedule(finished.world, finished.client, finished.report, finished.outputs)
    assert finished.report.proven, finished.report.lines
    return finished


@pytest.mark.parametrize("name", NAMES)
def test_before_the_install_chromium_shows_its_certificate_error(
    errors_before: dict[str, dict[str, str]], name: str
) -> None:
    shown = errors_before[name]
    assert shown["error"] == "ERR_CERT_AUTHORITY_INVALID"
    assert shown["state"].startswith("insecure")
    assert "Your connection is not private" in shown["text"]


@pytest.mark.parametrize("name", NAMES)
def test_after_the_install_the_page_is_secure(
    installed: Nas, open_tabs: dict[str, Tab], browser: Browser, name: str
) -> None:
    assert open_tabs
    with browser.tab() as tab:
        assert tab.visit(installed.url(name)) is None
        security = tab.security("secure")
        tab.keep(f"2-after-{name}")
        assert security.state == "secure"
        assert SHOWN[name] in tab.text()
    certificate = security.certificate
    assert security.serial == served(installed, name)
    assert certificate["protocol"] in {"TLS 1.2", "TLS 1.3"}
    assert not certificate.get("certificateNetworkError")
    assert not certificate["certificateHasWeakSignature"] and not certificate["certificateHasSha1Signature"]


def test_a_browser_that_does_not_know_the_authority_still_refuses(installed: Nas, stranger: Browser) -> None:
    with stranger.tab() as tab:
        assert tab.visit(installed.url(DSM_NAME)) == "ERR_CERT_AUTHORITY_INVALID"
        tab.keep("2-after-stranger")


def test_a_name_that_the_certificate_lacks_is_refused(installed: Nas, browser: Browser) -> None:
    """No check is off in the browser that is content: the same server under another name is an error."""
    port = installed.world.dsm.https_port
    with browser.tab() as tab:
        assert tab.visit(f"https://{OTHER_NAME}:{port}/") == "ERR_CERT_COMMON_NAME_INVALID"


def test_after_finish_http_leads_to_https(finished: Nas, browser: Browser) -> None:
    world = finished.world
    with browser.tab() as tab:
        assert tab.visit(f"http://{DSM_NAME}:{world.dsm.http_port}/") is None
        assert tab.page.url == finished.url(DSM_NAME)
        assert tab.security("secure").state == "secure"
        tab.keep("3-from-http")


@pytest.mark.parametrize("name", NAMES)
def test_after_a_renewal_the_open_page_keeps_working(
    renewed: Nas, open_tabs: dict[str, Tab], name: str
) -> None:
    tab = open_tabs[name]
    before = tab.page.evaluate("window.answers.good")
    tab.page.wait_for_function(f"window.answers.good > {before} + 3")
    answers = tab.page.evaluate("window.answers")
    assert answers["good"] > 0 and answers["failures"] == []
    assert tab.page.reload() is not None
    security = tab.security("secure")
    assert security.state == "secure"
    assert security.serial == served(renewed, name)
    tab.keep(f"4-renewed-{name}")
