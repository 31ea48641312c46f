"""Checks on courses of treatment."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

from knowledge_base.catalogues.rows import Course
from knowledge_base.days import Day
from rules_lib.histories.history import Encounter, Line, Share, line_order
from rules_lib.histories.patient import PatientHistory
from rules_lib.questions import UNDECIDED_LINES, Measure, Question, Undecided, reads

Named = tuple[Line, int]
"""A line with the days that the point in force on its day allows."""


@reads(Course)
def course_too_long(question: Question[PatientHistory]) -> Iterator[Measure | Undecided]:
    """More days of payment in one course of a drug than allowed. What-counts rule 8."""
    for name, per_stay, encounter, lines in _series(question):
        stay = question.history.stays.get(encounter) if encounter else None
        last_day = None
        place: tuple[str, ...] = ()
        if per_stay and encounter is not None:
            if stay is None:
                continue
            place = encounter
            last_day = stay.discharged
        if not question.meets(lines[0][0].day, max(_covered(line, last_day).stop for line, _ in lines)):
            continue
        counting = [named for named in lines if named[0].decided]
        yield from _possible_courses(question, (question.name, name), place, lines, counting, last_day)
        for course in _courses(question, counting, last_day):
            occurrence: tuple[str | Day, ...] = (question.name, name, course[0], *place)
            if not question.meets(course[0], course[-1]):
                continue
            if stay is not None and question.history.lacks_stay(stay.encounter):
                yield Undecided(occurrence, stay.unknown, course[0], course[-1])
            else:
                yield _course(question, occurrence, course, lines, last_day)


def _possible_courses(
    question: Question[PatientHistory],
    words: tuple[str, str],
    place: tuple[str, ...],
    lines: Sequence[Named],
    counting: Sequence[Named],
    last_day: Day | None,
) -> Iterator[Undecided]:
    """Courses that would be too long were all their undecided lines paid, where no line of them is known to count."""
    if len(counting) == len(lines):
        return
    known = {day for line, _ in counting for day in _covered(line, last_day)}
    for course in _courses(question, lines, last_day):
        within = set(course)
        limit = max(days for line, days in lines if line.day in within)
        if len(course) > limit and known.isdisjoint(course) and question.meets(course[0], course[-1]):
            yield Undecided((*words, course[0], *place), UNDECIDED_LINES, course[0], course[-1])


def _series(question: Question[PatientHistory]) -> Iterator[tuple[str, bool, Encounter | None, list[Named]]]:
    """The lines of each generic name, over codes and makers; of each stay apart where the text says so."""
    series: dict[tuple[str, bool, Encounter | None], list[Named]] = defaultdict(list)
    for code, lines in question.items.items():
        for line in lines:
            point = question.point(code, line.day)
            if point is not None:
                apart = line.encounter if point.row.per_stay else None
                series[point.name, point.row.per_stay, apart].append((line, point.row.days))
    for (name, per_stay, encounter), named in series.items():
        yield name, per_stay, encounter, sorted(named, key=lambda n: line_order(n[0]))


def _courses(question: Question[PatientHistory], lines: Sequence[Named], last_day: Day | None) -> Iterator[list[Day]]:
    """The covered days, parted where more days than the permitted gap lie without the drug."""
    days = sorted({day for line, _ in lines for day in _covered(line, last_day)})
    course: list[Day] = []
    for day in days:
        if course and day - course[-1] - 1 > question.rule.limit("gap_days", day):
            yield course
            course = []
        course.append(day)
    if course:
        yield course


def _supplied(line: Line) -> int:
    return max(1, line.digest.days or 1)


def _covered(line: Line, last_day: Day | None) -> range:
    end = line.day + _supplied(line)
    return range(line.day, end if last_day is None else min(end, last_day + 1))


def _course(
    question: Question[PatientHistory],
    occurrence: tuple[str | Day, ...],
    course: list[Day],
    lines: Sequence[Named],
    last_day: Day | None,
) -> Measure | Undecided:
    within = {day: index for index, day in enumerate(course)}
    of_course = [n for n in lines if n[0].decided and n[0].day in within]
    limit = max(days for _, days in of_course)
    first_beyond = course[limit] if len(course) > limit else None
    guilty: list[Share] = []
    involved: list[Line] = []
    for line, _ in of_course:
        covered = _covered(line, last_day)
        beyond = sum(1 for day in covered if first_beyond is not None and day >= first_beyond)
        if beyond:
            guilty.append((line, Decimal(beyond), Decimal(_supplied(line))))
        else:
            involved.append(line)
    if not guilty and _undecided_near(question, course, lines, last_day):
        return Undecided(occurrence, UNDECIDED_LINES, course[0], course[-1])
    return Measure(
        occurrence,
        Decimal(len(course)),
        Decimal(limit),
        course[0],
        course[-1],
        of_course[-1][0].institution,
        guilty=guilty,
        involved=involved,
    )


def _undecided_near(
    question: Question[PatientHistory], course: list[Day], lines: Sequence[Named], last_day: Day | None
) -> bool:
    gap = question.rule.limit("gap_days", course[0]) + 1
    open_lines = [line for line, _ in lines if not line.decided]
    return any(
        covered.start <= course[-1] + gap and covered.stop - 1 >= course[0] - gap
        for covered in (_covered(line, last_day) for line in open_lines)
    )
