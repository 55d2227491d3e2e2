"""A picture of a year, as SVG: days left of what is served, against days left of what is issued."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from tests.year.plan import DAY, START, Plan
from tests.year.record import Record, seconds_of

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 1100, 320, 46, 34, 46
_COLOURS = {"ca": "#e8b04a", "route53": "#8e7cc3", "secretsmanager": "#6fa8dc", "nas": "#b7b7b7"}
_NAMES = {"ca": "authority", "route53": "Route 53", "secretsmanager": "Secrets Manager", "nas": "NAS"}
_DAY_SECONDS = DAY.total_seconds()

Points = list[tuple[float, float]]
"""Day of the year, days left."""


def issued_line(record: Record, plan: Plan) -> Points:
    """Return what was left of the current certificate: it falls, and rises at each renewal."""
    known = sorted((one for one in record.issued if one.current), key=lambda one: one.current)
    ends = [*(one.current for one in known[1:]), seconds_of(plan.end)]
    points: Points = []
    for one, until in zip(known, ends, strict=True):
        points += [(_day(at), (one.end - at) / _DAY_SECONDS) for at in (one.current, until)]
    return points


def served_line(record: Record) -> Points:
    """Return the least that was left of what was served at any port, at each look."""
    least: dict[int, float] = {}
    for sight in record.sights:
        left = 0.0 if sight.error else (sight.end - sight.at) / _DAY_SECONDS
        least[sight.at] = min(left, least.get(sight.at, left))
    return [(_day(at), left) for at, left in sorted(least.items())]


def draw(title: str, record: Record, plan: Plan) -> str:
    """Return the picture of a year as SVG."""
    issued, served = issued_line(record, plan), served_line(record)
    days = plan.scenario.days
    most = max((left for _, left in [*issued, *served]), default=1.0)

    def x(day: float) -> float:
        return round(_LEFT + day / days * (_WIDTH - _LEFT - 10), 1)

    def y(left: float) -> float:
        return round(_TOP + (1 - max(left, 0) / most) * (_HEIGHT - _TOP - _BOTTOM), 1)

    def line(points: Sequence[tuple[float, float]], colour: str, width: float) -> str:
        drawn = " ".join(f"{x(day)},{y(left)}" for day, left in points)
        return f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="{width}"/>'

    def parts() -> Iterator[str]:
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
            'font-family="sans-serif" font-size="12">'
        )
        yield f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>'
        for one in plan.outages:
            start, end = (x((at - START) / DAY) for at in (one.start, min(one.end, plan.end)))
            yield (
                f'<rect x="{start}" y="{_TOP}" width="{max(end - start, 0.8):.1f}" '
                f'height="{_HEIGHT - _TOP - _BOTTOM}" fill="{_COLOURS[one.part]}" fill-opacity="0.45"/>'
            )
        if plan.revoked:
            at = x((plan.revoked - START) / DAY)
            yield f'<path d="M{at} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="#cc0000" stroke-dasharray="4 3"/>'
        for share in (0, 0.25, 0.5, 0.75, 1):
            at = y(share * most)
            yield f'<path d="M{_LEFT} {at}H{_WIDTH - 10}" stroke="#dddddd"/>'
            yield f'<text x="{_LEFT - 6}" y="{at + 4}" text-anchor="end">{share * most:.0f}</text>'
        for day in range(0, days + 1, 30):
            yield f'<text x="{x(day)}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{day}</text>'
        yield line(issued, "#2e7d32", 3)
        yield line(served, "#0b3d91", 1.2)
        yield f'<text x="{_LEFT}" y="18" font-size="14">{escape(title)}: days left, by day of the year</text>'
        yield from _legend(revoked=plan.revoked is not None)
        yield "</svg>"

    return "\n".join(parts()) + "\n"


def _legend(*, revoked: bool) -> Iterator[str]:
    entries = [
        ("#2e7d32", "issued"),
        ("#0b3d91", "served"),
        *((_COLOURS[part], f"{_NAMES[part]} down") for part in _COLOURS),
    ]
    if revoked:
        entries.append(("#cc0000", "everything revoked"))
    for number, (colour, name) in enumerate(entries):
        at = _LEFT + number * 145
        yield f'<rect x="{at}" y="{_HEIGHT - 18}" width="12" height="10" fill="{colour}"/>'
        yield f'<text x="{at + 17}" y="{_HEIGHT - 9}">{name}</text>'


def _day(at: float) -> float:
    return round((at - seconds_of(START)) / _DAY_SECONDS, 3)
