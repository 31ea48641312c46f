"""Rule 3 (c) and (d) of docs/what-counts.md, section 5: a main item and one that it includes, by the clock in China."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction

from knowledge_base.facts import Point

from .dates import CHINA
from .judged import Judged, counting, missed
from .knowledge import Knowledge
from .lines import Line
from .rules import PAIRS
from .standing import Person

HOURS, SAME_HOUR = "pairs_of_hours", "pairs_of_the_same_hour"
WORDS = {HOURS: "hours", SAME_HOUR: "hour"}
ITEMS_OF_A_BATCH = 3
POSTED, JUST_APART, ANOTHER_PLACE = "posted in a batch", "at most an hour too far apart", "at another institution"
HOUR = timedelta(hours=1)


def pairs_by_the_clock(person: Person, knowledge: Knowledge) -> Iterator[Judged]:
    """“an included line that counts is guilty where a line of the main that counts is near it”; each institution,
    day of the included line, main and included item by itself."""
    lines = counting(person.lines)
    for catalogue in WORDS:
        mains = [line for line in lines if knowledge.names(catalogue, line.code)]
        pairs = [(main, part) for main in mains for part in lines if knowledge.pair(catalogue, main.code, part)]
        for key in dict.fromkeys((part.institution, part.day, str(main.code), str(part.code)) for main, part in pairs):
            institution, day, code, included = key
            parts = [line for line in lines if (line.institution, line.day, line.code) == (institution, day, included)]
            point = knowledge.pair(catalogue, code, parts[0])
            assert point is not None
            occurrence = (person.name, institution, WORDS[catalogue], day.isoformat(), code, included)
            of_code = [line for line in mains if line.code == code]
            yield from _judged(person, occurrence, point, of_code, parts)


def _judged(
    person: Person, occurrence: tuple[str, ...], point: Point, anywhere: list[Line], parts: list[Line]
) -> Iterator[Judged]:
    mains = [line for line in anywhere if line.institution == occurrence[1]]
    dated = [line for line in mains if not _posted_in_a_batch(person, line)]
    own = [part for part in parts if not _posted_in_a_batch(person, part)]
    guilty = [part for part in own if any(_near(point, main, part) for main in dated)]
    if guilty:
        involved = tuple(main for main in mains if any(_near(point, main, part) for part in guilty))
        disputed = {part: _disputed(point, part) for part in guilty}
        shares = tuple((part, Fraction(value) / Fraction(part.quantity)) for part, value in disputed.items())
        value = sum(disputed.values(), Decimal(0))
        yield Judged(PAIRS, occurrence, value, Decimal(0), occurrence[1], shares, involved)
    elif any(_near(point, main, part) for main in mains for part in parts):
        yield missed(PAIRS, occurrence, occurrence[1], POSTED)
    elif any(_near(point, main, part, HOUR) for main in dated for part in own):
        yield missed(PAIRS, occurrence, occurrence[1], JUST_APART)
    elif any(_near(point, main, part) for main in anywhere for part in own):
        yield missed(PAIRS, occurrence, occurrence[1], ANOTHER_PLACE)


def _near(point: Point, main: Line, part: Line, more: timedelta = timedelta(0)) -> bool:
    """“(c) their `at` are at most h hours apart, exactly h hours included, whichever came first, midnight or not; (d)
    both `at` lie in one hour of the clock in China”; ``more`` lets them lie further apart by that much."""
    one, other = sorted((main.source.at, part.source.at))
    if point.catalogue == HOURS:
        return other - one <= timedelta(hours=point.row.hours) + more
    return _hour(other) - _hour(one) <= more


def _hour(instant: datetime) -> datetime:
    return instant.astimezone(CHINA).replace(minute=0, second=0, microsecond=0)


def _disputed(point: Point, part: Line) -> Decimal:
    """Of hours “their units, share 1”; of the same hour “of each guilty line at most 1 unit”."""
    return part.quantity if point.catalogue == HOURS else min(Decimal(1), part.quantity)


def _posted_in_a_batch(person: Person, line: Line) -> bool:
    """“such a line's `at` tells when it was written, not when it was done”"""
    return (
        line.source.at.astimezone(CHINA).time() == time(0)
        or _one_of_three_items(person, line)
        or _all_at_discharge(person, line)
    )


def _one_of_three_items(person: Person, line: Line) -> bool:
    """“its encounter's standing claims hold lines of at least 3 different item codes (its own is one of them; refunds
    left out, whether they count or not) at its very `at`”"""
    others = [*person.lines, *person.all_lines.negative]
    at_once = [other for other in others if other.encounter == line.encounter and other.source.at == line.source.at]
    return len({other.code for other in at_once if other.code is not None}) >= ITEMS_OF_A_BATCH


def _all_at_discharge(person: Person, line: Line) -> bool:
    """“it lies in a closed stay that began on an earlier day, and all lines of its item in that stay that count or are
    undecided lie on the day of discharge”"""
    for stay, admitted, discharged in person.closed_stays():
        if stay.encounter == line.encounter:
            of_item = [other for other in person.lines_in(line.encounter) if other.code == line.code]
            days = {other.day for other in of_item if other.counts or other.undecided}
            return admitted < line.day and days == {discharged}
    return False
