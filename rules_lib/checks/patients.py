"""Checks on an item against the patient and the place of care."""

from collections.abc import Iterable, Iterator

from knowledge_base.catalogues.rows import HospitalOnly, SexLimit
from knowledge_base.days import Day, is_likely
from knowledge_base.dictionaries import EMERGENCY_VISITS, INPATIENT_VISITS, VISIT_TYPES
from knowledge_base.digests.claims import ClaimDigest
from rules_lib.histories.history import ZERO, Line
from rules_lib.histories.patient import PatientHistory
from rules_lib.questions import UNDECIDED_LINES, Measure, Question, Undecided, reads, units, whole

_KNOWN_SEXES = ("1", "2")

GUILTY = "guilty"


@reads(SexLimit)
def for_the_other_sex(question: Question[PatientHistory]) -> Iterator[Measure | Undecided]:
    """An item for one sex billed for a person of the other. What-counts rule 4."""
    for code, lines in question.items.items():
        for institution, day, together in question.by_place_and_day(lines):
            point = question.point(code, day)
            if point is None:
                continue
            answers = [(line, _other_sex(question, line, point.row.sex)) for line in together]
            yield _of_the_day(question, (question.name, institution, day, code), institution, day, answers)


def _other_sex(question: Question[PatientHistory], line: Line, sex: str) -> str | None:
    """``guilty``, ``None`` where all is well or excused, or why it cannot be told."""
    of_person = question.history.sex_on_file
    if of_person is None:
        of_person = line.claim.sex
    if of_person == sex:
        return None
    if of_person not in _KNOWN_SEXES:
        return "sex unknown"
    if line.claim.diagnoses is None and question.rule.exclusions.undecided == "not_evaluated":
        return "diagnoses missing"
    if any(question.rule.exclusions.holds(code, name) for code, name in line.claim.diagnoses or ()):
        return None
    return GUILTY if line.decided else UNDECIDED_LINES


@reads(HospitalOnly)
def outside_hospital(question: Question[PatientHistory]) -> Iterator[Measure | Undecided]:
    """A drug paid only in hospital, billed outside. What-counts rule 5."""
    for code, lines in question.items.items():
        groups: dict[tuple[str, Day], list[Line]] = {}
        for line in lines:
            groups.setdefault((line.institution, line.day), []).append(line)
        for (institution, day), together in groups.items():
            point = question.point(code, day)
            if point is None:
                continue
            last = max(_visit_end(question, line) or day for line in together)
            if not question.meets(day, last):
                continue
            answers = [(line, _outside(question, line, point.row.emergency)) for line in together]
            yield _of_the_day(question, (question.name, institution, day, code), institution, day, answers, last)


def _outside(question: Question[PatientHistory], line: Line, emergency_allowed: bool) -> str | None:
    visit = line.claim.visit_type
    if visit in INPATIENT_VISITS or (emergency_allowed and visit in EMERGENCY_VISITS):
        return None
    if visit not in VISIT_TYPES:
        return "visit_type unknown"
    end = _visit_end(question, line)
    if end is not None and _admitted_on(question, line.institution, (end, end + 1)):
        return None
    return GUILTY if line.decided else UNDECIDED_LINES


def _visit_end(question: Question[PatientHistory], line: Line) -> Day | None:
    """The last day of an emergency or observation visit; ``None`` for other visits."""
    if line.claim.visit_type not in EMERGENCY_VISITS:
        return None
    days: list[Day] = []
    for claim in question.history.by_encounter[line.encounter]:
        if claim.visit_type in EMERGENCY_VISITS:
            days += _days_of(claim)
    return max(days)


def _days_of(claim: ClaimDigest) -> Iterator[Day]:
    """The days of a claim's own lines and its discharge, as far as they are told."""
    yield from (line.day for line in claim.lines if not line.takes_back and is_likely(line.day))
    _, discharged = claim.told_stay
    if discharged is not None:
        yield discharged


def _admitted_on(question: Question[PatientHistory], institution: str, days: tuple[Day, Day]) -> bool:
    return any(stay.institution == institution and stay.admitted in days for stay in question.history.stays.values())


def _may_be_excused(question: Question[PatientHistory], guilty: list[Line]) -> bool:
    """Whether a later event may still excuse the lines: an emergency visit that turns into an admission."""
    return question.rule.reach.ahead > 0 and any(line.claim.visit_type in EMERGENCY_VISITS for line in guilty)


def _of_the_day(
    question: Question[PatientHistory],
    occurrence: tuple[str | Day, ...],
    institution: str,
    day: Day,
    answers: Iterable[tuple[Line, str | None]],
    last: Day | None = None,
) -> Measure | Undecided:
    """One occurrence a day: a hit with its guilty lines, else undecided for the first reason, else nothing guilty."""
    answers = list(answers)
    last = day if last is None else last
    guilty = [line for line, answer in answers if answer is GUILTY]
    reasons = [answer for _, answer in answers if answer is not None and answer is not GUILTY]
    if reasons and not guilty:
        return Undecided(occurrence, reasons[0], day, last)
    return Measure(
        occurrence,
        units(guilty),
        ZERO,
        day,
        last,
        institution,
        guilty=whole(guilty),
        excuse_until=last + question.rule.reach.ahead if _may_be_excused(question, guilty) else None,
    )
