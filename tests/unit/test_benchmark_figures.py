"""What the benchmarks make of their values: medians, ratios, aims, and the waits that a server asked for."""

from __future__ import annotations

import pytest

from benchmarks.figures import Figure, Part, sample
from benchmarks.issuance import waits
from local_cloud.recording import Exchange


def test_a_sample_shows_median_and_spread() -> None:
    assert str(sample([3, 1, 2], "s")) == "2 (1 to 3) s"
    assert str(sample([12, 12])) == "12"
    assert str(sample([1234.5], "MB")) == "1,234 MB"


@pytest.mark.parametrize(("at_most", "holds"), [(0.5, True), (0.49, False), (None, None)])
def test_an_aim_against_a_peer_is_a_ratio(at_most: float | None, holds: bool | None) -> None:
    figure = Figure("wall time", sample([1], "s"), "certbot", sample([2], "s"), at_most)
    assert (figure.ratio, figure.holds) == (0.5, holds)


@pytest.mark.parametrize(("value", "holds"), [(70, True), (70.1, False)])
def test_an_aim_without_a_peer_is_a_value(value: float, holds: bool) -> None:
    assert Figure("memory", sample([value], "MiB"), at_most=70).holds is holds


def test_a_peer_that_took_nothing_gives_no_ratio_and_meets_no_aim() -> None:
    figure = Figure("requests", sample([1]), "lego", sample([0]), 1)
    assert figure.ratio is None and figure.holds is False


def test_a_missed_aim_is_said() -> None:
    part = Part("Issuance")
    part.add("wall time", sample([1], "s"), against=("certbot", sample([5], "s")), at_most=0.1)
    assert "| wall time | 1 s | certbot: 5 s | 0.20 | at most 0.10 | **missed** |" in part.markdown()


def exchange(operation: str, arrived: float, retry_after: float = 0) -> Exchange:
    return Exchange(
        "", operation, 200, service="acme", retry_after=retry_after, arrived=arrived, answered=arrived + 0.1
    )


def test_a_wait_counts_as_far_as_it_was_asked_for_and_taken() -> None:
    taken = [exchange("finalize", 0, 1), exchange("order", 3)]
    ignored = [exchange("finalize", 0, 1), exchange("order", 0.3)]
    own = [exchange("finalize", 0), exchange("order", 3)]
    assert waits(taken) == 1
    assert waits(ignored) == pytest.approx(0.2)
    assert waits(own) == 0
    assert waits([exchange("renewalInfo", 0, 21_600), exchange("newNonce", 3)]) == 0
