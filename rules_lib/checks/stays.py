"""Checks on stays in hospital."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import combinations
from typing import NamedTuple

from knowledge_base.catalogues.rows import BedItem, DialysisItem
from knowledge_base.codes import is_pharmacy_code
from knowledge_base.days import FIRST_LIKELY, LAST_LIKELY, Day, as_date
from knowledge_base.dictionaries import ITEM_KINDS
from knowledge_base.digests.claims import ClaimDigest
from rules_lib.histories.history import ZERO, Encounter, Line, line_order
from rules_lib.histories.patient import PatientHistory
from rules_lib.histories.stays import Stay
from rules_lib.questions import (
    UNDECIDED_LINES,
    Measure,
    Question,
    Undecided,
    beyond,
    decided,
    gives,
    reads,
    sum_is_open,
    units,
    whole,
)

SERVICE = "service"
SENT_TO_NOBODY = "sent_to missing"


@reads(BedItem)
@gives("admitted", "discharged")
def bed_days_beyond_stay(question: Question[PatientHistory]) -> Iterator[Measure | Undecided]:
    """More bed days than the stay has: admission counted, discharge not, at least one. What-counts rule 1."""
    beds: dict[Encounter, list[Line]] = {}
    for code, lines in question.items.items():
        for line in lines:
            if question.history.is_inpatient(line.encounter) and question.point(code, line.day) is not None:
                beds.setdefault(line.encounter, []).append(line)
    for encounter, lines in beds.items():
        if not question.meets(*question.history.span_of(encounter)):
            continue
        stay = question.history.stays.get(encounter)
        first, last = _days_of(question, encounter, stay)
        if not question.meets(first, last):
            continue
        occurrence = (question.name, *encounter)
        if stay is None:
            yield Undecided(occurrence, "admitted_at missing", first, last)
        elif (days := _days_with_a_bed(question, stay)) is None:
            yield Undecided(occurrence, stay.unknown, first, last)
        else:
            yield _bed_days(occurrence, stay.institution, days, sorted(lines, key=line_order), first, last)


def _days_with_a_bed(question: Question[PatientHistory], stay: Stay) -> tuple[Day, Day] | None:
    """Admission and discharge of a closed stay; who lies in hospital still may leave on the next day."""
    running = question.history.running.get(stay.encounter)
    if running is None or stay.admitted is None:
        return stay.days
    return stay.admitted, running + 1


def _bed_days(
    occurrence: tuple[str, ...], institution: str, days: tuple[Day, Day], lines: list[Line], first: Day, last: Day
) -> Measure | Undecided:
    admitted, discharged = days
    limit = Decimal(max(1, discharged - admitted))
    counting = decided(lines)
    value = units(counting)
    if sum_is_open(lines, value, limit):
        return Undecided(occurrence, UNDECIDED_LINES, first, last)
    guilty, involved = beyond(counting, limit)
    evidence = {"admitted": as_date(admitted), "discharged": as_date(discharged)}
    return Measure(
        occurrence, value, limit, first, last, institution, guilty=guilty, involved=involved, evidence=evidence
    )


def _days_of(question: Question[PatientHistory], encounter: Encounter, stay: Stay | None) -> tuple[Day, Day]:
    """First and last day of an encounter's lines and stay, as far as they are told."""
    claims = question.history.by_encounter.get(encounter, ())
    days = [line.day for claim in claims for line in claim.lines if FIRST_LIKELY <= line.day <= LAST_LIKELY]
    if stay is not None:
        days += stay.days or ([] if stay.admitted is None else [stay.admitted])
    return (min(days), max(days)) if days else question.history.span_of(encounter)


@reads(DialysisItem)
@gives("admitted", "discharged", "days", "elsewhere")
def seen_elsewhere_in_hospital(question: Question[PatientHistory]) -> Iterator[Measure | Undecided]:
    """In hospital here, treated in person elsewhere on a day strictly between. What-counts rule 7."""
    for stay in question.history.stays.values():
        if stay.in_fund is False:
            continue
        first, last = stay.days or _days_of(question, stay.encounter, stay)
        if question.meets(first, last):
            seen = _seen(question, stay, first, last)
            if seen.lines or seen.unknown:
                yield _in_two_places(question, stay, seen, first, last)


class _Seen(NamedTuple):
    """Lines of other institutions that show a person there while in hospital, and why further ones may."""

    lines: list[Line]
    unknown: list[str]


def _in_two_places(
    question: Question[PatientHistory], stay: Stay, seen: _Seen, first: Day, last: Day
) -> Measure | Undecided:
    occurrence = (question.name, *stay.encounter)
    if stay.days is None or stay.in_fund is None:
        return Undecided(occurrence, stay.unknown or "paid missing", first, last)
    if not seen.lines:
        return Undecided(occurrence, min(seen.unknown), first, last)
    days = sorted({line.day for line in seen.lines})
    own = [
        line
        for claim in question.history.by_encounter[stay.encounter]
        for line in question.history.lines_of(claim, [of for of in claim.lines if of.day in days])
        if line.decided and line.digest.item_kind == SERVICE
    ]
    return Measure(
        occurrence,
        Decimal(len(days)),
        ZERO,
        first,
        last,
        stay.institution,
        guilty=whole(sorted(own, key=line_order)),
        involved=sorted(seen.lines, key=line_order),
        evidence={
            "admitted": as_date(first),
            "discharged": as_date(last),
            "days": [as_date(day) for day in days],
            "elsewhere": sorted({line.institution for line in seen.lines}),
        },
    )


def _seen(question: Question[PatientHistory], stay: Stay, first: Day, last: Day) -> _Seen:
    """What other institutions billed strictly inside a stay, that nothing excuses."""
    seen = _Seen([], [])
    sent = _sent_out(question, stay.encounter)
    for line in _billed_inside(question, stay, first, last):
        day, kind = line.day, line.digest.item_kind
        sent_to = sent.get(day, ())
        if line.institution in sent_to or (kind != SERVICE and kind in ITEM_KINDS):
            continue
        other = question.history.stays.get(line.encounter)
        if other is not None and other.days is not None and _shared(stay.days or (first, last), other.days):
            continue
        unknown = _why_unknown(line, question.history.lacks_closed_stay(line.encounter), None in sent_to)
        if unknown is None:
            seen.lines.append(line)
        else:
            seen.unknown.append(unknown)
    return seen


def _why_unknown(line: Line, in_unclear_stay: bool, sent_to_nobody: bool) -> str | None:
    """Why a line cannot tell whether somebody was there; ``None`` where it does."""
    if sent_to_nobody:
        return SENT_TO_NOBODY
    if in_unclear_stay:
        return "other stay open or unclear"
    if line.digest.item_kind != SERVICE:
        return "item_kind missing"
    return None if line.decided else UNDECIDED_LINES


def _billed_inside(question: Question[PatientHistory], stay: Stay, first: Day, last: Day) -> Iterator[Line]:
    """Other institutions' lines on days strictly inside the stay that nothing in their own claim excuses."""
    for claim in question.history.claims:
        if claim.institution == stay.institution or claim.mid_stay or is_pharmacy_code(claim.institution):
            continue
        first_of_claim, last_of_claim = claim.span
        if first_of_claim >= last or last_of_claim <= first:
            continue
        inside = [line for line in claim.lines if first < line.day < last and not line.sent_out]
        if inside and not _holds_dialysis(question, claim):
            yield from question.history.lines_of(claim, inside)


def _sent_out(question: Question[PatientHistory], encounter: Encounter) -> dict[Day, set[str | None]]:
    """Where lines of an encounter were sent to be examined, by day; ``None`` where that is not told."""
    sent: dict[Day, set[str | None]] = defaultdict(set)
    history = question.history
    for claim, digest in history.digests_of(encounter):
        if digest.sent_out and history.is_own(claim, digest):
            sent[digest.day].add(digest.sent_to)
    return sent


def _holds_dialysis(question: Question[PatientHistory], claim: ClaimDigest) -> bool:
    return any(line.item_code is not None and question.point(line.item_code, line.day) for line in claim.lines)


@reads(DialysisItem)
@gives("first", "last", "elsewhere")
def two_stays_at_once(question: Question[PatientHistory]) -> Iterator[Measure | Undecided]:
    """Two closed stays at different institutions on the same days. What-counts rule 10."""
    stays = [
        stay
        for stay in question.history.stays.values()
        if stay.days is not None and stay.in_fund is not False and question.meets(*stay.days)
    ]
    for one, other in combinations(sorted(stays, key=lambda stay: stay.encounter), 2):
        shared = _shared(one.days, other.days) if one.institution != other.institution else None
        if shared is not None and question.meets(*shared):
            yield from _two_stays(question, one, other, shared)


def _shared(one: tuple[Day, Day] | None, other: tuple[Day, Day] | None) -> tuple[Day, Day] | None:
    """First and last day that two stays share; ``None`` where there is none but the day of a transfer."""
    if one is None or other is None:
        return None
    first, last = max(one[0], other[0]), min(one[1], other[1])
    if first > last or (first == last and (one[1] == other[0] or other[1] == one[0])):
        return None
    return first, last


NEWBORN = 28
"""Days after birth on which somebody may still lie under the mother's number."""


def _two_stays(
    question: Question[PatientHistory], one: Stay, other: Stay, shared: tuple[Day, Day]
) -> Iterator[Measure | Undecided]:
    first, last = shared
    occurrence = (question.name, *one.encounter, *other.encounter)
    sent = {to for stay, at in ((one, other), (other, one)) for to in _sent_there(question, stay, at, shared)}
    if True in sent or any(_is_no_second_stay(question, stay) for stay in (one, other)):
        return
    if False in sent:
        yield Undecided(occurrence, SENT_TO_NOBODY, first, last)
    elif one.in_fund is None or other.in_fund is None:
        yield Undecided(occurrence, "paid missing", first, last)
    else:
        earlier, later = sorted((one, other), key=lambda stay: (stay.admitted, stay.institution))
        yield Measure(
            occurrence,
            Decimal(last - first + 1),
            ZERO,
            first,
            last,
            later.institution,
            guilty=whole(_counting(question, later.encounter, first, last)),
            involved=_counting(question, earlier.encounter, first, last),
            evidence={
                "first": as_date(first),
                "last": as_date(last),
                "elsewhere": [earlier.institution],
            },
        )


def _sent_there(question: Question[PatientHistory], stay: Stay, other: Stay, shared: tuple[Day, Day]) -> Iterator[bool]:
    """For each line of a stay sent out on shared days whether to the other; one that names nobody is false."""
    for day, places in _sent_out(question, stay.encounter).items():
        if shared[0] <= day <= shared[1]:
            yield from (place is not None for place in places if place in (None, other.institution))


def _is_no_second_stay(question: Question[PatientHistory], stay: Stay) -> bool:
    """Whether a claim of the stay settles in its middle, holds dialysis, or is a newborn's under another's number."""
    return any(
        claim.mid_stay
        or _holds_dialysis(question, claim)
        or (claim.birth is not None and stay.admitted is not None and stay.admitted - claim.birth <= NEWBORN)
        for claim in question.history.by_encounter[stay.encounter]
    )


def _counting(question: Question[PatientHistory], encounter: Encounter, first: Day, last: Day) -> list[Line]:
    """The lines of an encounter on some days that count, in their order."""
    lines = [
        line
        for claim in question.history.by_encounter[encounter]
        for line in question.history.lines_of(claim, [of for of in claim.lines if first <= of.day <= last])
    ]
    return sorted(decided(lines), key=line_order)
