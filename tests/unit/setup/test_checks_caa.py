"""CAA: the climb to the records that count, and what they allow (RFC 8659)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from synology_setup.checks.caa import CaaRecord, check_caa, judge_caa, relevant_records
from synology_setup.checks.resolvers import Resolvers
from tests.dns_table import resolver_at, serving

OURS = ("letsencrypt.org", "Second.Example")


def records(*texts: str) -> list[CaaRecord]:
    made = []
    for text in texts:
        flags, tag, value = text.split(None, 2)
        made.append(CaaRecord(int(flags), tag, value.strip('"')))
    return made


OTHER, WE = records('0 issue "other.example"'), records('0 issue "letsencrypt.org"')


@pytest.mark.parametrize(
    ("domain", "zone", "owner"),
    [
        ("nas.home.example.com", {"nas.home.example.com": WE, "example.com": OTHER}, "nas.home.example.com"),
        ("nas.home.example.com", {"example.com": OTHER, "com": WE}, "example.com"),
        ("nas.home.example.com", {"com": WE}, "com"),
        ("*.example.com", {"example.com": WE}, "example.com"),
        ("*.Example.com.", {"example.com": WE}, "example.com"),
        ("example.com", {"ample.com": WE}, ""),
        ("example.com", {"nas.example.com": OTHER}, ""),
        ("example.com", {}, ""),
    ],
)
def test_the_first_name_with_records_counts(
    domain: str, zone: Mapping[str, Sequence[CaaRecord]], owner: str
) -> None:
    assert relevant_records(domain, lambda name: zone.get(name, ())) == (owner, zone.get(owner, ()))


@pytest.mark.parametrize(
    ("domain", "texts", "allowed"),
    [
        ("example.com", (), True),
        ("example.com", ('0 issue "letsencrypt.org"',), True),
        ("example.com", ('0 issue "second.example"',), True),
        ("example.com", ('0 ISSUE " LetsEncrypt.org ; validationmethods=dns-01"',), True),
        ("example.com", ('0 issue "other.example"',), False),
        ("example.com", ('0 issue "other.example"', '0 issue "letsencrypt.org"'), True),
        ("example.com", ('0 issue ";"',), False),
        ("example.com", ('0 issue "notletsencrypt.org"',), False),
        ("example.com", ('0 issuewild "other.example"',), True),
        ("*.example.com", ('0 issuewild "other.example"',), False),
        ("*.example.com", ('0 issue "letsencrypt.org"',), True),
        ("*.example.com", ('0 issue "other.example"',), False),
        ("*.example.com", ('0 issue "other.example"', '0 issuewild "letsencrypt.org"'), True),
        ("*.example.com", ('0 issue "letsencrypt.org"', '0 issuewild ";"'), False),
        ("example.com", ('0 issue "letsencrypt.org"', '0 issuewild ";"'), True),
        ("example.com", ('0 iodef "mailto:me@example.com"',), True),
        ("example.com", ('128 issue "letsencrypt.org"',), True),
        ("example.com", ('0 issue "letsencrypt.org"', '128 tbs "unknown"'), False),
        ("example.com", ('0 issue "letsencrypt.org"', '0 tbs "unknown"'), True),
        ("example.com", ('0 issue "letsencrypt.org"', '128 issuemail ";"'), True),
    ],
)
def test_records_allow_or_forbid(domain: str, texts: tuple[str, ...], allowed: bool) -> None:
    assert judge_caa(domain, "example.com", records(*texts), OURS).ok is allowed


@pytest.mark.parametrize(
    ("domain", "texts", "advice"),
    [
        ("example.com", ('0 issue "other.example"',), '0 issue "letsencrypt.org"'),
        ("*.example.com", ('0 issuewild "other.example"',), '0 issuewild "letsencrypt.org"'),
        ("*.example.com", ('0 issue "other.example"',), '0 issue "letsencrypt.org"'),
        ("example.com", ('0 issue ";"',), 'take away: 0 issue ";"'),
        ("example.com", ('128 tbs "unknown"',), 'take 128 tbs "unknown" away'),
    ],
)
def test_a_red_one_says_the_record_to_enter(domain: str, texts: tuple[str, ...], advice: str) -> None:
    finding = judge_caa(domain, "example.com", records(*texts), OURS)
    assert advice in finding.advice
    assert "CAA records of example.com" in finding.advice


def test_records_are_read_from_dns_and_each_name_is_asked_once() -> None:
    table = {("example.com", "CAA"): 'example.com. 60 IN CAA 128 issue "letsencrypt.org; a=b"'}
    with serving(table) as port:
        resolvers = Resolvers(resolver_at(port), None)
        found = list(check_caa(["example.com", "nas.example.com", "com"], ["letsencrypt.org"], resolvers))
    assert [finding.ok for finding in found] == [True, True, True]
    assert found[1].measured == 'example.com CAA 128 issue "letsencrypt.org; a=b"'
    assert found[2].measured == "no CAA record: every authority may issue"


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED"])
def test_a_failed_look_up_is_not_taken_for_no_record(rcode: str) -> None:
    with serving({("com", "CAA"): rcode}) as port:
        resolvers = Resolvers(resolver_at(port), None)
        (finding,) = check_caa(["example.com"], ["letsencrypt.org"], resolvers)
    assert finding.ok is None
    assert f"com CAA: {rcode}" in finding.measured
