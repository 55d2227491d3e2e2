"""Which services get our certificate."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from synology_agent.binding import Plan, Served, is_no_better, plan_first, plan_later
from synology_agent.certificates import X509, read_pem
from synology_agent.config import WantedCertificate
from synology_agent.entries import Entry, Service, read_service
from synology_agent.errors import ConfigError

from .certificates import DAY, HOUR, issue, make_authority

CA = make_authority("Test Intermediate", make_authority("Test Root"))
NAMES = ("example.com", "*.example.com")
NOW = datetime.now(timezone.utc)


def leaf(*names: str, **when: Any) -> X509:
    return read_pem(issue(names, CA, **when).leaf)[0]


SELF_SIGNED = read_pem(make_authority("synology").pem)[0]
EXPIRED = leaf("other.test", starts=-9 * DAY, ends=-HOUR)
COVERED = leaf("example.com", "www.example.com")
FOREIGN = leaf("other.test")
HALF = leaf("example.com", "other.test")


def service(key: str, **fields: Any) -> Service:
    subscriber, _, name = key.partition("/")
    return read_service({"subscriber": subscriber, "service": name, "display_name": name, **fields})


PAGE, FTPS = service("system/default"), service("smbftpd/ftpd")
PROXY, BLOG = service("ReverseProxy/music"), service("ReverseProxy/blog")


def plan(assign: Any, *served: Served, default: X509 | None = SELF_SIGNED, **more: Any) -> Plan:
    wanted = WantedCertificate("arn", "example.com", NAMES, assign)
    entry = Entry("self01", "", True, (), default)
    return plan_first(wanted, NAMES, served, more.pop("entry_id", ""), entry, NOW, **more)


def taken(found: Plan) -> list[str]:
    return [one.key for one in found.take]


@pytest.mark.parametrize(
    ("served", "good"),
    [(None, True), (SELF_SIGNED, True), (EXPIRED, True), (COVERED, True), (FOREIGN, False), (HALF, False)],
)
def test_auto_takes_what_loses_nothing(served: X509 | None, good: bool) -> None:
    assert is_no_better(served, NAMES, NOW) is good
    found = plan("auto", Served(PAGE, "self01", served), default=served)
    assert taken(found) == (["system/default"] if good else [])
    assert found.default is found.take_unlisted is good


def test_auto_leaves_a_host_name_that_ours_does_not_cover() -> None:
    music = Served(PROXY, "self01", SELF_SIGNED, ["music.example.com"])
    blog = Served(BLOG, "self01", SELF_SIGNED, ["blog.other.test"])
    both = Served(service("ReverseProxy/both"), "self01", SELF_SIGNED, ["example.com", "blog.other.test"])
    assert taken(plan("auto", music, blog, both)) == [PROXY.key]


def test_nothing_takes_what_may_not_be_moved() -> None:
    fixed = Served(service("kmip/kmip", user_setable=False), "self01", SELF_SIGNED)
    quickconnect = Served(service("system/quickconnect"), "quick1", SELF_SIGNED)
    for assign in ("auto", "all"):
        assert taken(plan(assign, fixed, quickconnect)) == []
    with pytest.raises(
        ConfigError, match="assign lists 'kmip/kmip', and DSM has 1 such services to be bound"
    ):
        plan(("kmip/kmip",), fixed)


def test_what_is_ours_already_is_not_taken_again() -> None:
    ours, other = Served(PAGE, "mine01", COVERED), Served(FTPS, "self01", SELF_SIGNED)
    for assign in ("auto", "all", ("system/default", "ftpd")):
        assert taken(plan(assign, ours, other, entry_id="mine01")) == [FTPS.key]


def test_all_takes_everything() -> None:
    found = plan("all", Served(PAGE, "self01", FOREIGN), Served(BLOG, "blog01", FOREIGN, ["blog.other.test"]))
    assert taken(found) == [PAGE.key, BLOG.key]
    assert found.default
    assert found.take_unlisted


def test_default_takes_the_page_alone() -> None:
    found = plan("default", Served(PAGE, "self01", FOREIGN), Served(FTPS, "self01", SELF_SIGNED))
    assert taken(found) == [PAGE.key]
    assert found.default
    assert not found.take_unlisted


def test_none_takes_nothing() -> None:
    assert plan("none", Served(PAGE, "self01", SELF_SIGNED)) == Plan()


def test_a_list_takes_what_it_names_by_key_display_name_or_host() -> None:
    served = [
        Served(PAGE, "self01", FOREIGN),
        Served(FTPS, "self01", FOREIGN),
        Served(PROXY, "self01", FOREIGN, ["music.example.com"]),
    ]
    found = plan(("smbftpd/ftpd", "default", "music.example.com"), *served)
    assert taken(found) == [PAGE.key, FTPS.key, PROXY.key]
    assert not found.default
    with pytest.raises(ConfigError) as refused:
        plan(("sftp",), *served)
    assert (
        "assign lists 'sftp', and DSM has 0 such services to be bound; it has default (system/default), "
        in str(refused.value)
    )


def test_auto_leaves_the_default_to_who_is_configured_to_take_it() -> None:
    found = plan("auto", Served(PAGE, "self01", SELF_SIGNED), default_is_claimed=True)
    assert taken(found) == [PAGE.key]
    assert not found.default


def test_without_any_default_ours_becomes_it() -> None:
    wanted = WantedCertificate("arn", "example.com", NAMES)
    assert plan_first(wanted, NAMES, [], "", None, NOW + timedelta(0)).default


def test_later_only_what_dsm_lost_is_bound_again() -> None:
    served = [
        Served(PAGE, "", COVERED),  # lost
        Served(FTPS, "other1", FOREIGN),  # the owner's choice
        Served(PROXY, "", FOREIGN),  # never ours
    ]
    found = plan_later([PAGE.key, FTPS.key, "gone/gone"], served)
    assert taken(found) == [PAGE.key]
    assert not found.default
