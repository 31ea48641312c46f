"""Rule 8 of docs/what-counts.md, section 5: course of payment longer than allowed. Days are civil days in China."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from knowledge_base.facts import Point
from knowledge_base.findings import Occurrence

from .judged import WITHIN_ONE, Judged, counting
from .knowledge import Knowledge
from .lines import Line
from .standing import Person

COURSE = "GZ10000101010000"
GAP_ALLOWED = 7

Supply = tuple[Line, Point, list[date]]
"""A line of a drug, its point, and the days that it covers for this rule."""


def courses(person: Person, knowledge: Knowledge) -> Iterator[Judged]:
    """Rule 8: “By generic name: a line covers `days` days from its day on, each day of the person once.”

    “Where the text says 单次住院 (point per_stay): only lines of stays, each stay apart, nothing after the
    discharge day counts.”
    """
    lines = [(line, knowledge.point("courses", line.code, line.day)) for line in counting(person.lines)]
    listed = [(line, point) for line, point in lines if point is not None]
    for name in dict.fromkeys(point.name for _, point in listed):
        free = [(line, point, _days(line)) for line, point in listed if point.name == name and not point.row.per_stay]
        yield from _judged_courses((person.name, name), (), free)
        for stay, _, discharged in person.closed_stays():
            bound = [
                (line, point, [day for day in _days(line) if day <= discharged])
                for line, point in listed
                if point.name == name and point.row.per_stay and line.encounter == stay.encounter
            ]
            yield from _judged_courses((person.name, name), stay.encounter, bound)


def _days(line: Line) -> list[date]:
    """“`days` days from its day on (1 where absent or below 1)”"""
    return [line.day + timedelta(days=number) for number in range(max(1, line.source.days or 1))]


def _judged_courses(who: Occurrence, stay: Occurrence, supplies: list[Supply]) -> Iterator[Judged]:
    covered = sorted({day for _, _, days in supplies for day in days})
    for course in _split(covered):
        members = [supply for supply in supplies if supply[2] and supply[2][0] in course]
        yield _judged_course((*who, course[0].isoformat(), *stay), course, members)


def _split(days: list[date]) -> list[list[date]]:
    """“A course goes on while no more than 7 days lie without the drug; then a new one starts.”"""
    found: list[list[date]] = []
    for day in days:
        if found and (day - found[-1][-1]).days - 1 <= GAP_ALLOWED:
            found[-1].append(day)
        else:
            found.append([day])
    return found


def _judged_course(occurrence: Occurrence, course: list[date], supplies: list[Supply]) -> Judged:
    """“Days after the first `limit` covered days are beyond; lines that cover such a day are guilty.”

    The share is days beyond over all days that the line was supplied for, also those after a discharge (kinder).
    """
    limit = max(point.row.days for _, point, _ in supplies)
    beyond = set(course[limit:])
    shares = {line: Fraction(len(beyond.intersection(days)), len(_days(line))) for line, _, days in supplies}
    guilty = {line: share for line, share in shares.items() if share}
    last = list(guilty or shares)[-1]
    return Judged(
        COURSE,
        occurrence,
        Decimal(len(course)),
        Decimal(limit),
        last.institution,
        tuple(guilty.items()),
        tuple(line for line in shares if line not in guilty),
        WITHIN_ONE if limit - 1 <= len(course) <= limit else None,
    )
