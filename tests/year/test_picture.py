"""The picture of a year: well-formed, with both lines, every outage and the revocation."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

from tests.year.picture import draw, issued_line, served_line
from tests.year.plan import DAY, START
from tests.year.record import Sight
from tests.year.years_made import at, good_record, outage, quiet_plan

SVG = "{http://www.w3.org/2000/svg}"


def test_it_shows_what_there_was() -> None:
    plan = replace(quiet_plan(outage("nas", 100, 14), outage("ca", 200, 0.5)), revoked=START + 50 * DAY)
    picture = ET.fromstring(draw("90 days & more", good_record(plan), plan))  # noqa: S314 - our own
    assert len(picture.findall(f"{SVG}polyline")) == 2
    assert len([one for one in picture.findall(f"{SVG}rect") if one.get("fill-opacity")]) == 2
    assert len([one for one in picture.findall(f"{SVG}path") if one.get("stroke-dasharray")]) == 1
    texts = [one.text or "" for one in picture.findall(f"{SVG}text")]
    assert "90 days & more: days left, by day of the year" in texts
    assert "everything revoked" in texts


def test_a_renewal_lets_the_issued_line_rise() -> None:
    plan = quiet_plan()
    line = issued_line(good_record(plan), plan)
    assert line[:3] == [(0.0, 90.0), (60.0, 30.0), (60.0, 90.0)]
    assert line[-1][0] == 365.0


def test_the_least_of_all_ports_is_what_is_served_and_none_is_zero() -> None:
    plan = quiet_plan()
    record = good_record(plan)
    record.sights = [Sight(at(1), "a", at(0), at(90), "1"), Sight(at(1), "b", at(0), at(60), "2")]
    assert served_line(record) == [(1.0, 59.0)]
    record.sights.append(Sight(at(1), "c", error="refused"))
    assert served_line(record) == [(1.0, 0.0)]
