"""Checks on one item billed with another that includes it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from knowledge_base.catalogues.rows import Pair
from knowledge_base.days import Day, is_likely, is_midnight
from knowledge_base.facts import Point
from rules_lib.histories.history import ZERO, Encounter, Line
from rules_lib.histories.patient import PatientHistory
from rules_lib.questions import UNDECIDED_LINES, Measure, Question, Undecided, decided, on_days, reads, units, whole

OPERATIONS_UNKNOWN = "operations missing"
POSTED_IN_A_BATCH = "posted in a batch"


class Billed(NamedTuple):
    """A pair with the lines of both items; ``rows`` say it on the days of ``parts``, on which it is in force."""

    main: str
    included: str
    wholes: Sequence[Line]
    parts: Sequence[Line]
    rows: Mapping[Day, Any]


@reads(Pair)
def bills_part_with_whole(question: Question[PatientHistory]) -> Iterator[Measure | Undecided]:
    """An item billed although another one, billed in the same interval, includes it. What-counts rule 3."""
    if len(question.items) < 2:  # as of most people: nothing to pair
        return
    for catalogue in question.rule.catalogues:
        points_of = question.facts.codes(catalogue)
        for main, wholes in question.items.items():
            points = points_of.get(main, ())
            for included in _billed_parts(question, points):
                lines = question.items[included]
                rows = _rows_in_force(question, catalogue, main, included, {line.day for line in lines})
                parts = [line for line in lines if line.day in rows]
                if parts:
                    judge = _JUDGES[points[0].row.interval]
                    for answer in judge(question, Billed(main, included, wholes, parts, rows)):
                        yield replace(answer, catalogue=catalogue) if isinstance(answer, Measure) else answer


def _billed_parts(question: Question[PatientHistory], points: Sequence[Point]) -> list[str]:
    """The person's items that some point of a whole includes, whenever it holds."""
    if not points:
        return []
    return [code for code in question.items if any(code in point.row.included for point in points)]


def _rows_in_force(
    question: Question[PatientHistory], catalogue: str, main: str, included: str, days: Iterable[Day]
) -> dict[Day, Any]:
    """What says that an item includes another, on those of some days on which it holds."""
    points = {day: question.facts.in_force(catalogue, main, day) for day in days}
    return {day: point.row for day, point in points.items() if point is not None and included in point.row.included}


def _pairs_of_a_day(question: Question[PatientHistory], pair: Billed) -> Iterator[Measure | Undecided]:
    for institution, day, together in question.by_place_and_day(pair.parts):
        wholes = [line for line in on_days(pair.wholes, day, day) if line.institution == institution]
        if not wholes:
            continue
        occurrence = (question.name, institution, "day", day, pair.main, pair.included)
        guilty, involved = decided(together), decided(wholes)
        if guilty and involved:
            yield Measure(
                occurrence, units(guilty), ZERO, day, day, institution, guilty=whole(guilty), involved=involved
            )
        else:
            yield Undecided(occurrence, UNDECIDED_LINES, day, day)


def _pairs_by_the_clock(question: Question[PatientHistory], pair: Billed) -> Iterator[Measure | Undecided]:
    for institution, day, together in question.by_place_and_day(pair.parts):
        wholes = [line for line in on_days(pair.wholes, day - 1, day + 1) if line.institution == institution]
        if wholes:
            row = pair.rows[day]
            occurrence = (question.name, institution, row.interval, day, pair.main, pair.included)
            yield from _by_the_clock(question, occurrence, row, wholes, together)


def _by_the_clock(
    question: Question[PatientHistory],
    occurrence: tuple[str | Day, ...],
    row: Any,
    wholes: list[Line],
    parts: list[Line],
) -> Iterator[Measure | Undecided]:
    """Guilty is a part near a whole, where the times of both tell when they were done."""
    day, institution = parts[0].day, parts[0].institution
    posted = {line.key for line in (*wholes, *parts) if _posted_in_a_batch(question, line)}
    near = [(part, main) for part in parts for main in wholes if row.are_near(part.digest.at, main.digest.at)]
    timed = [part.key for part, main in near if _both_count(part, main) and posted.isdisjoint((part.key, main.key))]
    guilty = [part for part in parts if part.key in timed]
    if guilty:
        involved = [main for main in decided(wholes) if any((part, main) in near for part in guilty)]
        shares = [(part, row.disputed(part.quantity), part.quantity) for part in guilty]
        value = sum((disputed for _, disputed, _ in shares), ZERO)
        yield Measure(occurrence, value, ZERO, day, day, institution, guilty=shares, involved=involved)
        return
    within_the_day = [(part, main) for part in parts for main in wholes if part.day == main.day]
    possible = near + [pair for pair in within_the_day if not posted.isdisjoint(line.key for line in pair)]
    if possible:
        batch = any(_both_count(part, main) for part, main in possible)
        yield Undecided(occurrence, POSTED_IN_A_BATCH if batch else UNDECIDED_LINES, day, day)


def _both_count(part: Line, main: Line) -> bool:
    return part.decided and main.decided


def _posted_in_a_batch(question: Question[PatientHistory], line: Line) -> bool:
    """Whether a line's time is that of its posting: midnight, one of many items, or the day of discharge alone."""
    at, item = line.digest.at, line.digest.item_code
    if is_midnight(at):
        return True
    digests = [digest for _, digest in question.history.digests_of(line.encounter) if digest.refund_of is None]
    items = {digest.item_code for digest in digests if digest.at == at and digest.item_code is not None}
    if len(items) >= question.rule.limit("items_posted_together", line.day):
        return True
    stay = question.history.stays.get(line.encounter)
    if stay is None or stay.discharged != line.day or stay.admitted == line.day or item is None:
        return False
    return all(other.day == line.day for other in question.items[item] if other.encounter == line.encounter)


def _pairs_of_a_visit(question: Question[PatientHistory], pair: Billed) -> Iterator[Measure | Undecided]:
    visits: dict[Encounter, list[Line]] = defaultdict(list)
    for line in pair.parts:
        visits[line.encounter].append(line)
    for encounter, together in visits.items():
        wholes = [line for line in pair.wholes if line.encounter == encounter]
        days = [line.day for line in [*wholes, *together]]
        if wholes and question.meets(min(days), max(days)):
            occurrence = (question.name, encounter[0], "visit", encounter[1], pair.main, pair.included)
            yield _visit(question, occurrence, encounter, wholes, together)


def _visit(
    question: Question[PatientHistory],
    occurrence: tuple[str, ...],
    encounter: Encounter,
    wholes: list[Line],
    parts: list[Line],
) -> Measure | Undecided:
    """Guilty is a part on a day of the whole, or on a day on which surely nothing else was operated."""
    days = [line.day for line in [*wholes, *parts]]
    first, last = min(days), max(days)
    operated, known = _operation_days(question, encounter)
    involved = decided(wholes)
    whole_days = {line.day for line in involved}
    guilty = [
        line for line in decided(parts) if involved and (line.day in whole_days or (known and line.day not in operated))
    ]
    possible_days = {line.day for line in wholes}
    if not guilty and any(line.day in possible_days or line.day not in operated for line in parts):
        all_decided = all(line.decided for line in [*wholes, *parts])
        return Undecided(occurrence, OPERATIONS_UNKNOWN if all_decided else UNDECIDED_LINES, first, last)
    return Measure(occurrence, units(guilty), ZERO, first, last, encounter[0], guilty=whole(guilty), involved=involved)


def _operation_days(question: Question[PatientHistory], encounter: Encounter) -> tuple[set[Day], bool]:
    """Days that are told of operations in an encounter, and whether that is surely all of them."""
    days: set[Day] = set()
    known = True
    for claim in question.history.by_encounter[encounter]:
        told = [day for day in claim.operation_days or () if day is not None and is_likely(day)]
        if claim.operation_days is None or len(told) < len(claim.operation_days):
            known = False
        days.update(told)
    return days, known


_JUDGES: Mapping[str, Callable[[Question[PatientHistory], Billed], Iterator[Measure | Undecided]]] = {
    "day": _pairs_of_a_day,
    "visit": _pairs_of_a_visit,
    "hours": _pairs_by_the_clock,
    "hour": _pairs_by_the_clock,
}
"""How a pair is judged, by its interval."""
