"""Checks on one item billed with another that includes it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from knowledge_base.days import Day
from knowledge_base.facts import Point
from rules_lib.histories.history import ZERO, Encounter, Line
from rules_lib.histories.patient import PatientHistory
from rules_lib.questions import UNDECIDED_LINES, Measure, Question, Undecided, decided, on_days, units, whole

OPERATIONS_UNKNOWN = "operations missing"


def bills_part_with_whole(question: Question[PatientHistory]) -> Iterator[Measure | Undecided]:
    """An item billed although another one, billed on the same day or visit, includes it. What-counts rule 3."""
    for catalogue, judge in (("pairs_of_a_day", _pairs_of_a_day), ("pairs_of_a_visit", _pairs_of_a_visit)):
        points_of = question.facts.codes(catalogue)
        for main, lines in question.items.items():
            for included in _billed_parts(question, points_of.get(main, ())):
                parts = [
                    line
                    for line in question.items[included]
                    if _in_force(question, catalogue, main, included, line.day) is not None
                ]
                if parts:
                    yield from judge(question, main, included, lines, parts)


def _billed_parts(question: Question[PatientHistory], points: Sequence[Point]) -> list[str]:
    """The person's items that some point of a whole includes, whenever it holds."""
    if not points:
        return []
    return [code for code in question.items if any(code in point.row.included for point in points)]


def _in_force(question: Question[PatientHistory], catalogue: str, main: str, included: str, day: Day) -> Point | None:
    point = question.facts.in_force(catalogue, main, day)
    return point if point is not None and included in point.row.included else None


def _pairs_of_a_day(
    question: Question[PatientHistory], main: str, included: str, mains: list[Line], parts: list[Line]
) -> Iterator[Measure | Undecided]:
    for institution, day, together in question.by_place_and_day(parts):
        wholes = [line for line in on_days(mains, day, day) if line.institution == institution]
        if not wholes:
            continue
        occurrence = (question.name, institution, "day", day, main, included)
        guilty, involved = decided(together), decided(wholes)
        if guilty and involved:
            yield Measure(
                occurrence, units(guilty), ZERO, day, day, institution, guilty=whole(guilty), involved=involved
            )
        else:
            yield Undecided(occurrence, UNDECIDED_LINES, day, day)


def _pairs_of_a_visit(
    question: Question[PatientHistory], main: str, included: str, mains: list[Line], parts: list[Line]
) -> Iterator[Measure | Undecided]:
    visits: dict[Encounter, list[Line]] = defaultdict(list)
    for line in parts:
        visits[line.encounter].append(line)
    for encounter, together in visits.items():
        wholes = [line for line in mains if line.encounter == encounter]
        days = [line.day for line in [*wholes, *together]]
        if wholes and question.meets(min(days), max(days)):
            occurrence = (question.name, encounter[0], "visit", encounter[1], main, included)
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
    """Days with a known operation in an encounter, and whether that is surely all of them."""
    days: set[Day] = set()
    known = True
    for claim in question.history.by_encounter[encounter]:
        if claim.operation_days is None or None in claim.operation_days:
            known = False
        days.update(day for day in claim.operation_days or () if day is not None)
    return days, known
