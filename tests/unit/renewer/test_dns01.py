"""The TXT record sets of one issuance: what stands in them before, while and after."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambda_renewer.dns01 import ChallengeRecords, Values, challenge_name, needed_zones, quoted, zone_of
from lambda_renewer.errors import DeadlineExceeded, ZoneError
from lambda_renewer.waiting import Deadline
from tests.unit.renewer.challenge_route53 import ChallengeRoute53, InvalidChangeBatch
from tests.unit.renewer.samples import request

ZONES = {"example.com": "Z1"}
NAME = "_acme-challenge.example.com"
FOREIGN = '"foreign-value"'
OURS = {'"ours-1"', '"ours-2"'}
ONE: Values = {NAME: ('"ours-1"',)}
BOTH: Values = {NAME: ('"ours-1"', '"ours-2"')}
NOTHING: Values = {}


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


@pytest.fixture
def route53() -> ChallengeRoute53:
    return ChallengeRoute53("Z1")


def records(
    route53: ChallengeRoute53, zones: dict[str, str] | None = None, seconds: float = 60
) -> ChallengeRecords:
    return ChallengeRecords(lambda _: route53, zones or ZONES, Deadline(seconds))  # type: ignore[arg-type, return-value]


def test_apex_and_wildcard_share_one_name() -> None:
    assert challenge_name("example.com", {}) == challenge_name("*.example.com", {}) == NAME
    assert challenge_name("a.example.com", {}) == "_acme-challenge.a.example.com"


def test_a_delegated_name_is_that_of_the_target() -> None:
    delegations = {"example.com": "example-com.acme.example.net"}
    for domain in ("example.com", "*.example.com"):
        assert challenge_name(domain, delegations) == "example-com.acme.example.net"
    assert challenge_name("a.example.com", delegations) == "_acme-challenge.a.example.com"


def test_quotes() -> None:
    assert quoted("a-_0") == '"a-_0"'


def test_two_values_in_one_set_and_one_batch(route53: ChallengeRoute53) -> None:
    ours = records(route53)
    ours.present(BOTH, leftovers=NOTHING)
    assert route53.values("Z1", NAME) == OURS
    [(zone, [change])] = route53.batches
    assert (zone, change["Action"]) == ("Z1", "CREATE")
    assert (change["ResourceRecordSet"]["Type"], change["ResourceRecordSet"]["TTL"]) == ("TXT", 60)
    ours.remove(BOTH)
    assert route53.sets["Z1"] == {}
    assert [change["Action"] for change in route53.batches[1][1]] == ["DELETE"]
    ours.remove(BOTH)
    assert len(route53.batches) == 2


def test_a_foreign_value_survives_with_its_ttl(route53: ChallengeRoute53) -> None:
    route53.put("Z1", NAME, FOREIGN, ttl=300)
    before = dict(route53.sets["Z1"])
    ours = records(route53)
    ours.present(BOTH, leftovers=NOTHING)
    assert route53.values("Z1", NAME) == {FOREIGN, *OURS}
    ours.remove(BOTH)
    assert route53.sets["Z1"] == before
    assert all([change["Action"] for change in batch] == ["DELETE", "CREATE"] for _, batch in route53.batches)


def test_a_value_that_is_there_already_is_not_sent_twice_and_goes(route53: ChallengeRoute53) -> None:
    route53.put("Z1", NAME, FOREIGN, '"ours-1"')
    ours = records(route53)
    ours.present(BOTH, leftovers=NOTHING)
    assert route53.values("Z1", NAME) == {FOREIGN, *OURS}
    assert route53.refused == []
    ours.remove(BOTH)
    assert route53.values("Z1", NAME) == {FOREIGN}


def test_when_all_values_are_there_nothing_is_changed_and_they_go(route53: ChallengeRoute53) -> None:
    route53.put("Z1", NAME, *OURS)
    ours = records(route53)
    ours.present(BOTH, leftovers=NOTHING)
    assert route53.batches == []
    ours.remove(BOTH)
    assert route53.sets["Z1"] == {}


def test_the_leftover_of_a_run_that_died_goes(route53: ChallengeRoute53) -> None:
    """Case 2 from the field: foreign value and leftover in one set; no value is ever sent twice."""
    route53.put("Z1", NAME, FOREIGN)
    left = {NAME: ('"of-the-run-that-died"',)}
    records(route53).present(left, leftovers=NOTHING)
    next_run = records(route53)
    next_run.present(ONE, leftovers=left)
    assert route53.values("Z1", NAME) == {FOREIGN, '"ours-1"'}
    next_run.remove({NAME: (*ONE[NAME], *left[NAME])})
    assert route53.values("Z1", NAME) == {FOREIGN}
    assert route53.refused == []
    for _, batch in route53.batches:
        for change in batch:
            values = [record["Value"] for record in change["ResourceRecordSet"]["ResourceRecords"]]
            assert len(set(values)) == len(values)


def test_a_leftover_that_is_wanted_again_stays(route53: ChallengeRoute53) -> None:
    """The order is resumed: the same key authorization, the same value."""
    route53.put("Z1", NAME, FOREIGN, '"ours-1"')
    records(route53).present(BOTH, leftovers=ONE)
    assert route53.values("Z1", NAME) == {FOREIGN, *OURS}
    assert route53.refused == []


def test_a_leftover_under_another_name_goes_in_the_same_batch(route53: ChallengeRoute53) -> None:
    other = "_acme-challenge.old.example.com"
    route53.put("Z1", other, '"of-the-run-that-died"')
    records(route53).present(ONE, leftovers={other: ('"of-the-run-that-died"',)})
    assert route53.values("Z1", other) == set()
    assert route53.values("Z1", NAME) == {'"ours-1"'}
    assert len(route53.batches) == 1
    assert route53.polls() == [1]


def test_neighbours_are_not_touched(route53: ChallengeRoute53) -> None:
    route53.put("Z1", NAME, "alias.example.net", kind="CNAME")
    route53.put("Z1", "_acme-challenge.example.com.b", '"later in the order"')
    route53.put("Z1", "a._acme-challenge.example.com", '"below"')
    route53.put("Z1", NAME, "a type after TXT", kind="URI")
    before = dict(route53.sets["Z1"])
    ours = records(route53)
    ours.present(ONE, leftovers=NOTHING)
    assert route53.values("Z1", NAME) == {'"ours-1"'}
    ours.remove(ONE)
    assert route53.sets["Z1"] == before


def test_a_value_that_comes_in_between_is_kept(route53: ChallengeRoute53, slept: list[float]) -> None:
    ours = records(route53)
    route53.before_change = [lambda: route53.put("Z1", NAME, FOREIGN)]
    ours.present(BOTH, leftovers=NOTHING)
    assert route53.values("Z1", NAME) == {FOREIGN, *OURS}
    route53.before_change = [lambda: route53.put("Z1", NAME, FOREIGN, '"another"', *OURS, ttl=7)]
    ours.remove(BOTH)
    assert route53.values("Z1", NAME) == {FOREIGN, '"another"'}
    assert len(route53.refused) == 2
    assert len(slept) == 2


def test_a_foreign_value_that_goes_in_between_does_not_come_back(
    route53: ChallengeRoute53, slept: list[float]
) -> None:
    route53.put("Z1", NAME, FOREIGN)
    route53.before_change = [route53.sets["Z1"].clear]
    records(route53).present(ONE, leftovers=NOTHING)
    assert route53.values("Z1", NAME) == {'"ours-1"'}
    assert len(slept) == 1


def changing(route53: ChallengeRoute53, times: int) -> None:
    route53.before_change = [
        lambda number=number: route53.put("Z1", NAME, f'"{number}"')  # type: ignore[misc]
        for number in range(times)
    ]


def test_a_set_that_keeps_changing(route53: ChallengeRoute53, slept: list[float]) -> None:
    changing(route53, 9)
    records(route53).present(ONE, leftovers=NOTHING)
    assert route53.values("Z1", NAME) == {'"8"', '"ours-1"'}
    changing(route53, 10)
    with pytest.raises(
        ZoneError, match=f"refused 10 times to change the TXT records {NAME}: .*already exists|match"
    ):
        records(route53).present({NAME: ('"ours-2"',)}, leftovers=NOTHING)
    assert slept == sorted(slept[:9]) + sorted(slept[9:])


def test_the_swap_ends_with_the_deadline(route53: ChallengeRoute53) -> None:
    changing(route53, 1)
    with pytest.raises(DeadlineExceeded, match="a record set that others change"):
        records(route53, seconds=0).present(ONE, leftovers=NOTHING)


def test_clean_up_has_its_own_time_after_the_deadline(route53: ChallengeRoute53, slept: list[float]) -> None:
    ours = records(route53, seconds=0)
    ours.present(ONE, leftovers=NOTHING)
    route53.before_change = [lambda: route53.put("Z1", NAME, '"ours-1"', FOREIGN)]
    ours.remove(ONE)
    assert route53.values("Z1", NAME) == {FOREIGN}
    assert len(slept) == 1


def test_insync_is_awaited(slept: list[float]) -> None:
    route53 = ChallengeRoute53("Z1", pending_polls=12)
    ours = records(route53)
    ours.present(ONE, leftovers=NOTHING)
    assert route53.polls() == [13]
    assert (slept[0], slept[-1], len(slept)) == (0.2, 5.0, 12)
    ours.remove(ONE)
    assert route53.polls() == [13, 0]  # nobody waits for the removal


def test_insync_that_does_not_come_ends_with_the_deadline_and_is_cleaned_up() -> None:
    route53 = ChallengeRoute53("Z1", pending_polls=10**6)
    ours = records(route53, seconds=0.05)
    with pytest.raises(DeadlineExceeded, match="Route 53's change /change/C1 to be INSYNC"):
        ours.present(ONE, leftovers=NOTHING)
    ours.remove(ONE)
    assert route53.sets["Z1"] == {}


def test_a_change_whose_answer_was_lost_is_waited_for(
    route53: ChallengeRoute53, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Route 53 applied the batch, botocore sent it again, and the second was refused."""
    change = route53.change_resource_record_sets
    lost = [True]

    def lose(**asked: Any) -> dict[str, Any]:
        answer = change(**asked)
        if lost.pop() if lost else False:
            raise InvalidChangeBatch("it already exists")
        return answer

    monkeypatch.setattr(route53, "change_resource_record_sets", lose)
    records(route53).present(BOTH, leftovers=NOTHING)
    assert route53.values("Z1", NAME) == OURS
    assert [change["Action"] for change in route53.batches[1][1]] == ["DELETE", "CREATE"]
    assert len(route53.batches) == 2
    assert route53.polls() == [0, 1]
    assert len(slept) == 1


# Case 1 from the field.
FIELD_ZONES = {
    "example.com": "Z-EXAMPLE",
    "example1.com": "Z-EXAMPLE1",
    "ample.com": "Z-AMPLE",
    "home.example.com": "Z-HOME",
}


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("_acme-challenge.example.com", "Z-EXAMPLE"),
        ("_acme-challenge.nas.home.example.com", "Z-HOME"),
        ("_acme-challenge.home.example.com", "Z-HOME"),
        ("_acme-challenge.athome.example.com", "Z-EXAMPLE"),
        ("_acme-challenge.example1.com", "Z-EXAMPLE1"),
        ("_acme-challenge.ample.com", "Z-AMPLE"),
        ("_acme-challenge.a.b.c.ample.com", "Z-AMPLE"),
        ("home.example.com", "Z-HOME"),
    ],
)
def test_the_longest_zone_on_a_label_boundary(name: str, zone: str) -> None:
    assert zone_of(name, FIELD_ZONES) == zone
    assert zone_of(name, dict(reversed(FIELD_ZONES.items()))) == zone


@pytest.mark.parametrize("name", ["_acme-challenge.xample.com", "com", "_acme-challenge.example.com.org"])
def test_no_zone_names_the_name_and_the_zones(name: str) -> None:
    with pytest.raises(ZoneError) as raised:
        zone_of(name, FIELD_ZONES)
    assert str(raised.value).startswith(
        f"{name} is in none of the hosted zones ample.com, example.com, example1.com, home.example.com"
    )


def test_one_batch_a_zone() -> None:
    route53 = ChallengeRoute53(*FIELD_ZONES.values())
    ours = records(route53, FIELD_ZONES)
    names = {
        challenge_name(domain, {}) for domain in ("example.com", "nas.home.example.com", "*.example1.com")
    }
    values = dict.fromkeys((*names, "_acme-challenge.www.example.com"), ('"value"',))
    ours.present(values, leftovers=NOTHING)
    assert sorted((zone, len(changes)) for zone, changes in route53.batches) == [
        ("Z-EXAMPLE", 2),
        ("Z-EXAMPLE1", 1),
        ("Z-HOME", 1),
    ]
    assert route53.polls() == [1, 1, 1]
    ours.remove(values)
    assert len(route53.batches) == 6
    assert not any(route53.sets.values())


def test_a_name_without_zone_changes_nothing(route53: ChallengeRoute53) -> None:
    ours = records(route53)
    values = {**ONE, "_acme-challenge.example.org": ('"ours-2"',)}
    words = r"_acme-challenge\.example\.org is in none of .* example\.com"
    with pytest.raises(ZoneError, match=words):
        ours.present(values, leftovers=NOTHING)
    with pytest.raises(ZoneError, match=words):
        ours.remove(values)
    assert route53.batches == []


def test_an_alias_record_is_told(route53: ChallengeRoute53) -> None:
    alias = {"HostedZoneId": "Z1", "DNSName": "a.example.com.", "EvaluateTargetHealth": False}
    route53.sets["Z1"][NAME, "TXT"] = {"Name": f"{NAME}.", "Type": "TXT", "AliasTarget": alias}
    ours = records(route53)
    with pytest.raises(ZoneError, match=f"{NAME} is an alias record: remove it"):
        ours.present(ONE, leftovers=NOTHING)
    with pytest.raises(ZoneError, match=f"{NAME} is an alias record: remove it"):
        ours.remove(ONE)
    assert route53.batches == []


def denied(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)


@pytest.mark.parametrize(
    ("name", "words"),
    [(NAME, "AccessDenied"), ("_acme-challenge.example.org", "in none of the hosted zones")],
)
def test_what_cannot_be_discarded_is_logged_and_the_rest_goes(
    route53: ChallengeRoute53,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    words: str,
) -> None:
    other = "_acme-challenge.www.example.com"
    for one in (NAME, other):
        route53.put("Z1", one, FOREIGN, '"left"')
    ask = route53.list_resource_record_sets

    def deny(**asked: Any) -> dict[str, Any]:
        if asked["StartRecordName"] == NAME:
            raise denied("ListResourceRecordSets")
        return ask(**asked)

    monkeypatch.setattr(route53, "list_resource_record_sets", deny)
    records(route53).discard({name: ('"left"',), other: ('"left"',)})
    assert route53.values("Z1", other) == {FOREIGN}
    [record] = caplog.records
    assert (record.message, record.levelname) == ("a TXT value may be left", "WARNING")
    assert vars(record)["record"] == name
    assert words in vars(record)["error"]


def test_needed_zones() -> None:
    zones = {"example.com": {"id": "Z1"}, "acme.example.net": {"id": "Z2"}, "b.example": {"id": "Z3"}}
    assert needed_zones(request(zones=zones)) == ("Z1",)
    delegations = {"example.com": "nas.acme.example.net"}
    assert needed_zones(request(zones=zones, delegations=delegations)) == ("Z2",)
    domains = ["b.example", "example.com"]
    assert needed_zones(request(zones=zones, domains=domains)) == ("Z1", "Z3")
    with pytest.raises(ZoneError, match=r"_acme-challenge\.example\.org is in none"):
        needed_zones(request(zones=zones, domains=[*domains, "example.org"]))


def test_the_fake_refuses_what_route_53_refuses(route53: ChallengeRoute53) -> None:
    route53.put("Z1", NAME, FOREIGN)
    there = route53.sets["Z1"][NAME, "TXT"]
    for action, record_set in (
        ("CREATE", there),
        ("UPSERT", there),
        ("DELETE", {**there, "TTL": 61}),
        ("DELETE", {**there, "ResourceRecords": [{"Value": '"other"'}]}),
        ("CREATE", {**there, "Name": "b.example.com", "ResourceRecords": [{"Value": '"v"'}] * 2}),
    ):
        with pytest.raises(InvalidChangeBatch):
            route53.change_resource_record_sets(
                "Z1", {"Changes": [{"Action": action, "ResourceRecordSet": record_set}]}
            )
    assert route53.values("Z1", NAME) == {FOREIGN}
